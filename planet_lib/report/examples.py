"""Chips that a page shows as examples, chosen by rules."""

import numpy as np
import pandas as pd

from planet_lib.data.labels import INDEX, LAND, WEATHER

TEXTURE = "texture_4px"  # contrast of fields, roads and rivers


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
