"""Scores of whole runs on the test chips, and paired comparisons between runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from planet_lib.data.splits import split_chips
from planet_lib.errors import StageError
from planet_lib.evaluation.metrics import (
    F2_THRESHOLD,
    bootstrap_mean,
    score_chips,
    score_labels,
    tune_thresholds,
)
from planet_lib.features.trees import predict_with_trees
from planet_lib.files import suggest_stage


@dataclass(frozen=True)
class RunScores:
    """Scores of one run on the test chips, at threshold 0.2 unless stated otherwise."""

    chip_f2: np.ndarray  # F2 of each test chip, float (N,)
    groups: np.ndarray  # group of each test chip, int (N,)
    f2_interval: tuple[float, float]  # 95 % interval of the mean F2
    tables: dict[str, pd.DataFrame]  # `score_labels` by threshold: "0.5", "0.2", "tuned"
    f2_by_threshold: dict[str, float]  # mean F2 by threshold, as for `tables`
    validation_f2: float  # mean F2 of the validation chips

    @property
    def f2(self) -> float:
        """Mean F2 of the test chips."""
        return float(self.chip_f2.mean())

    @property
    def labels(self) -> pd.DataFrame:
        """Scores of each label, as returned by `score_labels`."""
        return self.tables["0.2"]


def load_probabilities(run_dir: Path, name: str) -> np.ndarray:
    """Load what one network or ensemble of a run predicts for every stored chip.

    Returns
    -------
    ndarray of shape (N, 17), float32
        A row for each row of the catalogue.

    Raises
    ------
    StageError
        The run has no such predictions; the message lists those that it has.
    """
    path = run_dir / "models" / name / "probabilities.npy"
    if not path.exists():
        there = sorted(file.parent.name for file in run_dir.glob("models/*/probabilities.npy"))
        known = f"there are {', '.join(there)}" if there else suggest_stage(path)
        raise StageError(f"{path}: not there; {known}")
    return np.load(path)


def score_run(
    truth: np.ndarray,
    probabilities: np.ndarray,
    splits: np.ndarray,
    groups: np.ndarray,
    *,
    seed: int,
) -> RunScores:
    """Score a run's predictions on the test chips; thresholds are tuned on the validation chips.

    Parameters
    ----------
    truth : ndarray of shape (N, 17), 0 or 1
    probabilities : ndarray of shape (N, 17), float
        0 to 1.
    splits : ndarray of shape (N,), str
        ``"validation"`` and ``"test"`` are used, all other chips are ignored.
    groups : ndarray of shape (N,), int
        Group of each chip, from the catalogue.
    seed : int
        Of the bootstrap.

    Returns
    -------
    RunScores
    """
    validation, test = splits == "validation", splits == "test"
    thresholds = {
        "0.5": 0.5,
        "0.2": F2_THRESHOLD,
        "tuned": tune_thresholds(truth[validation], probabilities[validation]),
    }
    chip_f2 = {
        name: score_chips(truth[test], probabilities[test] >= threshold)
        for name, threshold in thresholds.items()
    }
    on_validation = score_chips(truth[validation], probabilities[validation] >= F2_THRESHOLD)
    return RunScores(
        chip_f2=chip_f2["0.2"],
        groups=groups[test],
        f2_interval=bootstrap_mean(chip_f2["0.2"], groups[test], seed=seed),
        tables={
            name: score_labels(truth[test], probabilities[test], threshold)
            for name, threshold in thresholds.items()
        },
        f2_by_threshold={name: float(scores.mean()) for name, scores in chip_f2.items()},
        validation_f2=float(on_validation.mean()),
    )


def compare_inputs(scores: Mapping[str, RunScores], *, seed: int) -> dict[str, dict]:
    """Compare each network on haze-free or on both inputs with the same network on raw chips.

    Parameters
    ----------
    scores : mapping of str to RunScores
        By run, ``<network>-<input>``.
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict of str to dict
        For each run whose network also has a raw run: ``gain``, the mean over test chips of the
        paired difference in F2, and its 95 % ``interval``.
    """
    compared = {}
    for run, score in scores.items():
        raw = run.rpartition("-")[0] + "-raw"
        if run != raw and raw in scores:
            difference = score.chip_f2 - scores[raw].chip_f2
            interval = bootstrap_mean(difference, score.groups, seed=seed)
            compared[run] = {"gain": float(difference.mean()), "interval": interval}
    return compared


def measure_leakage(
    statistics: pd.DataFrame, truth: np.ndarray, groups: np.ndarray, *, seeds: Sequence[int]
) -> pd.DataFrame:
    """Measure how much the test score rises when adjoining chips are in both train and test.

    Extra trees on simple statistics are trained and tested on random splits, and on splits that
    keep the chips of a group together.

    Parameters
    ----------
    statistics : DataFrame of N rows
        As returned by `planet_lib.features.statistics.load_statistics`.
    truth : ndarray of shape (N, 17), 0 or 1
    groups : ndarray of shape (N,), int
        Group of each chip, from `planet_lib.data.neighbours.group_chips`.
    seeds : sequence of int
        One random and one grouped split for each.

    Returns
    -------
    DataFrame
        One row per seed: mean F2 of the test chips, ``random`` and ``grouped``.
    """
    rows = []
    for seed in seeds:
        row = {}
        for name, kept in (("random", None), ("grouped", groups)):
            splits = split_chips(truth, seed=seed, groups=kept)
            test = splits == "test"
            predicted = predict_with_trees(statistics, truth, splits == "train", seed=seed)
            row[name] = float(score_chips(truth[test], predicted[test] >= F2_THRESHOLD).mean())
        rows.append(row)
    return pd.DataFrame(rows, index=pd.Index(seeds, name="seed"))


def summarise_run(manifest: Mapping[str, object], score: RunScores, folder: str) -> dict:
    """Combine a run's scores with facts of its training into an entry of ``results.json``.

    Parameters
    ----------
    manifest : mapping
        The run's ``run.json``. That of the ensemble has no epochs and no model file.
    score : RunScores
    folder : str
        Folder of the run's model, for the path of its file.

    Returns
    -------
    dict
        Ready for JSON: undefined scores are None.
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
        "f2_interval": score.f2_interval,
        "f2_by_threshold": score.f2_by_threshold,
        "validation_f2": score.validation_f2,
        "labels": tables.pop("0.2"),
        "labels_by_threshold": tables,
        **trained,
        "model_file": f"{folder}/{files[0]}" if files else None,
    }


def tabulate_thresholds(score: RunScores) -> pd.DataFrame:
    """Tabulate a run's label scores at all thresholds side by side.

    Parameters
    ----------
    score : RunScores

    Returns
    -------
    DataFrame
        One row per label: support, average precision; precision (P), recall (R) and F2 at each
        threshold; and the tuned threshold.
    """
    table = score.labels[["support", "average_precision"]].copy()
    for name, scores in score.tables.items():
        for measure, short in (("precision", "P"), ("recall", "R"), ("f2", "F2")):
            table[f"{short} at {name}"] = scores[measure]
    return table.assign(**{"tuned threshold": score.tables["tuned"]["threshold"]})
