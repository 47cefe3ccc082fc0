"""Chips that a page shows as examples, chosen by rules."""

import numpy as np
import pandas as pd

from planet_lib.data.labels import INDEX, LAND, WEATHER

TEXTURE = "texture_4px"  # contrast of fields, roads and rivers


def name_conditions(weather: np.ndarray, clear: np.ndarray) -> np.ndarray:
    """Name under what sky each chip was taken: its weather or, where nobody said it, its composite.

    Parameters
    ----------
    weather : ndarray of shape (N,), int
        Index into `planet_lib.data.labels.WEATHER`, -1 for none.
    clear : ndarray of shape (N,), float
        Share of clear observations, 0 to 1, that a composite asked for; NaN for none.

    Returns
    -------
    ndarray of shape (N,), str
        A label of `WEATHER`, or such as ``75% clear``; empty where there is neither.
    """
    composites = [f"{share:.0%} clear" if np.isfinite(share) else "" for share in clear]
    return np.where(weather >= 0, np.array(WEATHER)[weather], composites)


def order_conditions(conditions: np.ndarray) -> list[str]:
    """List the conditions of `name_conditions`, ``clear`` or the clearest composite first."""
    composites = {name for name in conditions if name and name not in WEATHER}
    if composites:
        return sorted(composites, key=lambda name: -int(name.partition("%")[0]))
    return [label for label in WEATHER if label == WEATHER[0] or label in conditions]


def choose_hazy_chip(statistics: pd.DataFrame, encoded: np.ndarray) -> int:
    """Choose a chip on which both haze and what it covers can be seen.

    Of the hazier half of the hazy chips it has the most land labels, and of these the strongest
    texture. Where no chip is labelled hazy, all chips count.

    Parameters
    ----------
    statistics : DataFrame of N rows
        As returned by `planet_lib.features.statistics.load_statistics`.
    encoded : ndarray of shape (N, 17), 0 or 1

    Returns
    -------
    int
        The chip's row.
    """
    haziness = statistics["haziness"].to_numpy()
    rows = np.flatnonzero(encoded[:, INDEX["haze"]])
    rows = rows if len(rows) else np.arange(len(encoded))
    rows = rows[haziness[rows] >= np.median(haziness[rows])]
    labels = encoded[rows, len(WEATHER) : len(WEATHER) + len(LAND)].sum(axis=1)
    rows = rows[labels == labels.max()]
    return int(rows[statistics[TEXTURE].to_numpy()[rows].argmax()])
