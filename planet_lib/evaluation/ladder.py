"""Score the steps of a ladder: what each adds to the one before, with paired intervals."""

import numpy as np
import pandas as pd

from planet_lib.evaluation.metrics import F2_THRESHOLD, bootstrap_mean, score_chips


def score_ladder(
    truth: np.ndarray, probabilities: dict[str, np.ndarray], groups: np.ndarray, *, seed: int
) -> pd.DataFrame:
    """Score each step of a ladder, and its gain over the step before, chip by chip.

    Parameters
    ----------
    truth : ndarray of shape (N, 17), 0 or 1
    probabilities : dict of ndarray of shape (repeats, N, 17)
        Out-of-fold probabilities by step.
    groups : ndarray of shape (N,), int
        Group of each chip, from the catalogue.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    DataFrame
        One row for each step: ``f2``, the mean over chips at threshold 0.2 and over the repeats,
        with its 95 % interval ``low`` to ``high``; ``spread``, the standard deviation over the
        repeats; ``gain``, ``gain_low`` and ``gain_high`` (NaN in the first row).
    """
    rows, before = [], None
    for step, repeats in probabilities.items():
        each = np.array([score_chips(truth, repeat >= F2_THRESHOLD) for repeat in repeats])
        chips = each.mean(axis=0)
        low, high = bootstrap_mean(chips, groups, seed=seed)
        row = {"step": step, "f2": float(chips.mean()), "low": low, "high": high}
        row["spread"] = float(each.mean(axis=1).std())
        if before is not None:
            gain_low, gain_high = bootstrap_mean(chips - before, groups, seed=seed)
            row |= {
                "gain": float((chips - before).mean()),
                "gain_low": gain_low,
                "gain_high": gain_high,
            }
        rows.append(row)
        before = chips
    return pd.DataFrame(rows).set_index("step")
