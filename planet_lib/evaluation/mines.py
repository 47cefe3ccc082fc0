"""How well mines are found: counts, outcomes chip by chip, and the effort of a search."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from planet_lib.data.labels import MINE
from planet_lib.evaluation.metrics import F2_THRESHOLD, bound_proportion
from planet_lib.evaluation.run_scores import RunScores


def count_mines(scores: Mapping[str, RunScores]) -> pd.DataFrame:
    """Count the test chips with a mine that each run found.

    Parameters
    ----------
    scores : mapping of str to RunScores
        By run.

    Returns
    -------
    DataFrame
        One row per run: ``found`` ("3 of 4"), ``predicted`` (chips, true and false positives),
        Wilson's interval of the recall, and the average precision (NaN without a mine).
    """
    rows = {}
    for run, score in scores.items():
        mine = score.labels.loc[MINE]
        found, support = int(mine["found"]), int(mine["support"])
        low, high = bound_proportion(found, support)
        rows[run] = {
            "found": f"{found} of {support}",
            "predicted": int(mine["predicted"]),
            "recall, 95 % interval": f"{low:.0%} to {high:.0%}",
            "average precision": float(mine["average_precision"]),
        }
    return pd.DataFrame(rows).T


def sort_outcomes(is_mine: np.ndarray, probabilities: np.ndarray) -> dict[str, np.ndarray]:
    """Sort chips by what a search at the threshold for F2 makes of them.

    Parameters
    ----------
    is_mine : ndarray of shape (N,), bool
    probabilities : ndarray of shape (N,), float
        Of a mine.

    Returns
    -------
    dict of ndarray of int
        Positions of the chips that are ``found``, ``missed`` and ``falsely flagged``, each with
        the highest probability first.
    """
    flagged = probabilities >= F2_THRESHOLD
    order = np.argsort(-probabilities, kind="stable")
    outcomes = {
        "found": is_mine & flagged,
        "missed": is_mine & ~flagged,
        "falsely flagged": ~is_mine & flagged,
    }
    return {name: order[chosen[order]] for name, chosen in outcomes.items()}


def measure_effort(is_mine: np.ndarray, probabilities: np.ndarray) -> pd.DataFrame:
    """Measure how many chips must be looked at, from the most probable on, to find the mines.

    Parameters
    ----------
    is_mine : ndarray of shape (N,), bool
    probabilities : ndarray of shape (N,), float
        Of a mine.

    Returns
    -------
    DataFrame
        One row for each mine, by the number of mines found so far: ``chips`` looked at (of equally
        probable ones the mine comes last) and their ``share`` of all N.
    """
    ranks = np.sort(rankdata(-probabilities, method="max")[is_mine]).astype(int)
    return pd.DataFrame(
        {"chips": ranks, "share": ranks / max(len(is_mine), 1)},
        index=pd.RangeIndex(1, len(ranks) + 1, name="mines"),
    )
