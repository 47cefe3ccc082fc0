"""How well haziness alone tells hazy from clear chips."""

import numpy as np
from sklearn.metrics import roc_auc_score

from planet_lib.data.labels import WEATHER


def rank_hazy_chips(haziness: np.ndarray, weather: np.ndarray) -> float | None:
    """Measure in what share of all pairs of a hazy and a clear chip the hazy one ranks higher.

    Parameters
    ----------
    haziness : ndarray of shape (N,), float
    weather : ndarray of shape (N,), int
        Index into `planet_lib.data.labels.WEATHER`, -1 for none.

    Returns
    -------
    float or None
        0 to 1, ties count half; None where there are not both kinds of chip.
    """
    hazy, clear = (weather == WEATHER.index(label) for label in ("haze", "clear"))
    if not (hazy.any() and clear.any()):
        return None
    known = hazy | clear
    return float(roc_auc_score(hazy[known], haziness[known]))
