"""The scores of a whole run on the test chips, and what one run gains over another."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from planet_lib.data.labels import MINE
from planet_lib.data.splits import split_chips
from planet_lib.evaluation.metrics import (
    F2_THRESHOLD,
    bootstrap_mean,
    bound_proportion,
    score_chips,
    score_labels,
    tune_thresholds,
)
from planet_lib.features.trees import predict_with_trees


@dataclass(frozen=True)
class RunScores:
    """What a run reached; all but `validation_f2` on test chips, at threshold 0.2 if not said."""

    chips: np.ndarray  # F2 of each chip, float (N,)
    interval: tuple[float, float]  # 95 %, of the mean over chips
    tables: dict[str, pd.DataFrame]  # by threshold, see `score_labels`
    by_threshold: dict[str, float]  # mean F2 by threshold: "0.5", "0.2", "tuned" on validation
    validation_f2: float  # mean F2 of the validation chips

    @property
    def f2(self) -> float:
        """Mean F2 of the test chips."""
        return float(self.chips.mean())

    @property
    def labels(self) -> pd.DataFrame:
        """Scores of each label."""
        return self.tables["0.2"]


def score_run(
    truth: np.ndarray, probabilities: np.ndarray, splits: np.ndarray, *, seed: int
) -> RunScores:
    """Score a run's answers.

    Parameters
    ----------
    truth : ndarray of shape (N, 17), 0 or 1
    probabilities : ndarray of shape (N, 17), float
    splits : ndarray of shape (N,), str
        Which chips are ``validation`` and which ``test``.
    seed : int
        Of the bootstrap.
    """
    validation, test = splits == "validation", splits == "test"
    thresholds = {
        "0.5": 0.5,
        "0.2": F2_THRESHOLD,
        "tuned": tune_thresholds(truth[validation], probabilities[validation]),
    }
    chips = {
        name: score_chips(truth[test], probabilities[test] >= threshold)
        for name, threshold in thresholds.items()
    }
    on_validation = score_chips(truth[validation], probabilities[validation] >= F2_THRESHOLD)
    return RunScores(
        chips=chips["0.2"],
        interval=bootstrap_mean(chips["0.2"], seed=seed),
        tables={
            name: score_labels(truth[test], probabilities[test], threshold)
            for name, threshold in thresholds.items()
        },
        by_threshold={name: float(scores.mean()) for name, scores in chips.items()},
        validation_f2=float(on_validation.mean()),
    )


def compare_inputs(scores: Mapping[str, RunScores], *, seed: int) -> dict[str, dict]:
    """Compare each network on haze-free chips, or on both, with itself on raw ones, chip by chip.

    Parameters
    ----------
    scores : mapping of str to RunScores
        By run, ``<network>-<input>``.
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict of dict
        By run, for those whose network has a raw run too: ``gain`` of the mean F2 and its 95 %
        ``interval``.
    """
    compared = {}
    for run, score in scores.items():
        raw = run.rpartition("-")[0] + "-raw"
        if run != raw and raw in scores:
            change = score.chips - scores[raw].chips
            interval = bootstrap_mean(change, seed=seed)
            compared[run] = {"gain": float(change.mean()), "interval": interval}
    return compared


def measure_leak(
    statistics: pd.DataFrame, truth: np.ndarray, groups: np.ndarray, *, seeds: Sequence[int]
) -> pd.DataFrame:
    """Measure what neighbours on both sides of a split are worth to the test score.

    Extra trees on simple statistics are trained and tested on random splits, and on splits that
    keep the chips of a scene together.

    Parameters
    ----------
    statistics : DataFrame of N rows
        Of `planet_lib.features.statistics`.
    truth : ndarray of shape (N, 17), 0 or 1
    groups : ndarray of shape (N,), int
    seeds : sequence of int
        One pair of splits each.

    Returns
    -------
    DataFrame
        A row a seed: mean F2 of the test chips, ``random`` and ``grouped``.
    """
    rows = []
    for seed in seeds:
        row = {}
        for name, kept in (("random", None), ("grouped", groups)):
            splits = split_chips(truth, seed=seed, groups=kept)
            test = splits == "test"
            answer = predict_with_trees(statistics, truth, splits == "train", seed=seed)
            row[name] = float(score_chips(truth[test], answer[test] >= F2_THRESHOLD).mean())
        rows.append(row)
    return pd.DataFrame(rows, index=pd.Index(seeds, name="seed"))


def count_mines(scores: Mapping[str, RunScores]) -> pd.DataFrame:
    """Count the mines that each run found, with what recall the test chips leave possible."""
    rows = {}
    for run, score in scores.items():
        mine = score.labels.loc[MINE]
        found, support = int(mine["found"]), int(mine["support"])
        low, high = bound_proportion(found, support)
        rows[run] = {
            "found": f"{found} of {support}",
            "alarms": int(mine["predicted"]),
            "recall, 95 % interval": f"{low:.0%} to {high:.0%}",
            "average precision": float(mine["average_precision"]),
        }
    return pd.DataFrame(rows).T


def summarise_run(manifest: Mapping[str, object], score: RunScores, folder: str) -> dict:
    """Put a run's scores and its training into the form of ``results.json``.

    Parameters
    ----------
    manifest : mapping
        Of a network, or of the ensemble, which has no epochs and no file of its own.
    score : RunScores
    folder : str
        Of the run's model.
    """
    trained = {
        name: manifest[key]
        for name, key in (
            ("epochs", "trained_epochs"),
            ("best_epoch", "best_epoch"),
            ("parameters", "parameters"),
            ("seconds", "seconds"),
        )
        if key in manifest
    }
    files = manifest.get("model_files", ())
    tables = {
        name: table.astype(object).where(table.notna(), None).T.to_dict()
        for name, table in score.tables.items()
    }
    return {
        "model": manifest["model"],
        "input": manifest["input"],
        "f2": score.f2,
        "f2_interval": score.interval,
        "f2_by_threshold": score.by_threshold,
        "validation_f2": score.validation_f2,
        "labels": tables.pop("0.2"),
        "labels_by_threshold": tables,
        **trained,
        "model_file": f"{folder}/{files[0]}" if files else None,
    }


def lay_out_thresholds(score: RunScores) -> pd.DataFrame:
    """Lay out a run's label scores at every threshold side by side, a row a label."""
    table = score.labels[["support", "average_precision"]].copy()
    for name, scores in score.tables.items():
        for measure, short in (("precision", "P"), ("recall", "R"), ("f2", "F2")):
            table[f"{short} at {name}"] = scores[measure]
    return table.assign(**{"tuned threshold": score.tables["tuned"]["threshold"]})
