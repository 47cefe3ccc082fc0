"""The scores of a whole run on the test chips, and what one run gains over another."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from planet_lib.labels import LABELS, MINE
from planet_lib.scoring import (
    F2_THRESHOLD,
    bootstrap_mean,
    bound_proportion,
    score_chips,
    score_labels,
    tune_thresholds,
)


@dataclass(frozen=True)
class RunScores:
    """What a run reached; all but `validation_f2` on test chips, at threshold 0.2 if not said."""

    chips: np.ndarray  # F2 of each chip, float (N,)
    interval: tuple[float, float]  # 95 %, of the mean over chips
    labels: pd.DataFrame  # as `planet_lib.scoring.score_labels` returns it
    by_threshold: dict[str, float]  # mean F2 at 0.5, at 0.2 and tuned on validation
    tuned: dict[str, float]  # the tuned threshold of each label
    validation_f2: float  # mean F2 of the validation chips

    @property
    def f2(self) -> float:
        """Mean F2 of the test chips."""
        return float(self.chips.mean())


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
    tuned = tune_thresholds(truth[validation], probabilities[validation])
    by_threshold = {
        name: float(score_chips(truth[test], probabilities[test] >= threshold).mean())
        for name, threshold in (("0.5", 0.5), ("0.2", F2_THRESHOLD), ("tuned", tuned))
    }
    chips = score_chips(truth[test], probabilities[test] >= F2_THRESHOLD)
    on_validation = score_chips(truth[validation], probabilities[validation] >= F2_THRESHOLD)
    return RunScores(
        chips=chips,
        interval=bootstrap_mean(chips, seed=seed),
        labels=score_labels(truth[test], probabilities[test], F2_THRESHOLD),
        by_threshold=by_threshold,
        tuned=dict(zip(LABELS, tuned.tolist(), strict=True)),
        validation_f2=float(on_validation.mean()),
    )


def compare_inputs(scores: Mapping[str, RunScores], *, seed: int) -> dict[str, dict]:
    """Compare each network on haze-free chips with itself on raw ones, chip by chip.

    Parameters
    ----------
    scores : mapping of str to RunScores
        By run, ``<network>-raw`` and ``<network>-dehazed``.
    seed : int
        Of the bootstrap.

    Returns
    -------
    dict of dict
        By network: ``gain`` of the mean F2 and its 95 % ``interval``.
    """
    changes = {
        run.removesuffix("-raw"): scores[dehazed].chips - scores[run].chips
        for run in scores
        if run.endswith("-raw") and (dehazed := run.removesuffix("raw") + "dehazed") in scores
    }
    return {
        network: {"gain": float(change.mean()), "interval": bootstrap_mean(change, seed=seed)}
        for network, change in changes.items()
    }


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


def summarise_run(manifest: Mapping[str, object], score: RunScores, model_file: str) -> dict:
    """Put a run's scores and its training into the form of ``results.json``."""
    labels = score.labels.astype(object).where(score.labels.notna(), None)
    return {
        "model": manifest["model"],
        "input": manifest["input"],
        "f2": score.f2,
        "f2_interval": score.interval,
        "f2_by_threshold": score.by_threshold,
        "validation_f2": score.validation_f2,
        "labels": labels.T.to_dict(),
        "tuned_thresholds": score.tuned,
        "epochs": manifest["trained_epochs"],
        **{key: manifest[key] for key in ("best_epoch", "parameters", "seconds")},
        "model_file": model_file,
    }
