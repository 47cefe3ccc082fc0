"""Findings of 02_dehaze: where haze removal comes nearer to the truth, and what it hides."""

import numpy as np
import pandas as pd

from planet_lib.evaluation.haze_ranking import rank_hazy_chips
from planet_lib.evaluation.haze_truth import STRENGTHS
from planet_lib.report.contents import name_label
from planet_lib.report.findings.writing import join_names, write_minus

NOTABLE_SHARE = 0.03  # smallest change of a share of pairs that counts
JUST_NOTICEABLE = 2.0  # CIEDE2000 difference of two colours that is just seen


def conclude_haze_removal(before: np.ndarray, after: np.ndarray, weather: np.ndarray) -> str:
    """Conclude how much of what tells hazy from clear chips is left after haze removal.

    Parameters
    ----------
    before, after : ndarray of shape (N,), float
        Haziness of the same chips.
    weather : ndarray of shape (N,), int
        Index into `planet_lib.data.labels.WEATHER`, -1 for none.
    """
    start, end = rank_hazy_chips(before, weather), rank_hazy_chips(after, weather)
    if start is None or end is None:
        return "There are not both hazy and clear chips, so the two cannot be compared."
    change = abs(end - 0.5) - abs(start - 0.5)
    verdict = (
        "Haze removal makes the weather harder to recognise, as it should."
        if change < -NOTABLE_SHARE
        else "Haze removal makes the weather easier to recognise."
        if change > NOTABLE_SHARE
        else "The weather is about as easy to recognise as before."
    )
    return (
        f"Haziness ranks a hazy chip above a clear one in {start:.0%} of all pairs before and "
        f"in {end:.0%} after haze removal (chance: 50%). {verdict}"
    )


def conclude_truth(scores: pd.DataFrame, method: str) -> str:
    """Conclude under which haze a method comes nearer to the true colours than doing nothing.

    Parameters
    ----------
    scores : DataFrame
        As returned by `planet_lib.evaluation.haze_truth.score_chips_by_strength`.
    method : str
        One of those in `scores`.
    """
    errors = scores.pivot_table("ciede2000", "strength", "method").reindex(STRENGTHS)
    change = (errors[method] - errors["as taken"]).dropna().rename("“{}”".format)
    better, worse = change[change < 0], change[change >= 0]
    everywhere = " at every haze strength" if better.empty or worse.empty else ""
    parts = []
    if len(better):
        size = f"most at {better.idxmin()} ({better.min():+.1f})"
        parts.append(f"lowers the colour error{everywhere}, {size}")
    if len(worse):
        size = "visible" if worse.max() >= JUST_NOTICEABLE else "too little to be seen"
        where = everywhere or f" at {join_names(worse.index)}"
        parts.append(
            f"raises {'it' if parts else 'the colour error'}{where} (by up to "
            f"{worse.max():.1f}, {size})"
        )
    return write_minus(
        f"Compared with the chip as taken, {name_label(method)} {', but '.join(parts)}."
    )
