"""Ask a network for the labels of many chips."""

import keras
import numpy as np

from planet_lib.batches import VIEWS, read_batch, view_chips
from planet_lib.labels import LABELS

PREDICTION_BATCH = 64
PREDICTION_CHIPS = 1024  # held in memory at once


def predict_chips(network: keras.Model, store: np.ndarray, *, image_px: int) -> np.ndarray:
    """Predict every chip of a store as the mean over its eight views.

    Parameters
    ----------
    network : keras.Model
    store : ndarray or SideBySide of shape (N, H, W, C), uint8
        Read batch by batch.
    image_px : int

    Returns
    -------
    ndarray of shape (N, 17), float32
        Probabilities in the order of `planet_lib.labels.LABELS`.
    """
    probabilities = np.zeros((len(store), len(LABELS)), dtype=np.float32)
    for start in range(0, len(store), PREDICTION_CHIPS):
        rows = np.arange(start, min(start + PREDICTION_CHIPS, len(store)))
        chips = read_batch(store, rows, image_px)
        for view in range(VIEWS):
            heads = network.predict(view_chips(chips, view), batch_size=PREDICTION_BATCH, verbose=0)
            probabilities[rows] += np.hstack([heads["weather"], heads["land"]]) / VIEWS
    return probabilities
