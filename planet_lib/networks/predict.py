"""Ask a network for the labels, or the features, of many chips."""

import keras
import numpy as np

from planet_lib.networks.batches import VIEWS, read_batch, view_chips

PREDICTION_BATCH = 64
PREDICTION_CHIPS = 1024  # held in memory at once


def predict_chips(
    network: keras.Model, store: np.ndarray, *, image_px: int, rows: np.ndarray | None = None
) -> np.ndarray:
    """Predict chips of a store as the mean over their eight views.

    Parameters
    ----------
    network : keras.Model
    store : ndarray or SideBySide of shape (N, H, W, C), uint8
        Read batch by batch.
    image_px : int
    rows : ndarray of shape (M,), int, optional
        The chips to predict, instead of all N.

    Returns
    -------
    ndarray of shape (M, 17), float32
        Probabilities in the order of `planet_lib.data.labels.LABELS`.
    """
    heads = _average_views(network, store, image_px, rows)
    return np.hstack([heads["weather"], heads["land"]])


def embed_chips(network: keras.Model, store: np.ndarray) -> np.ndarray:
    """Describe every chip of a store by what a network sees in it, as the mean over eight views.

    Parameters
    ----------
    network : keras.Model
        Made by `planet_lib.networks.architectures.build_model`.
    store : ndarray or SideBySide of shape (N, H, W, C), uint8

    Returns
    -------
    ndarray of shape (N, F + 17), float32
        The F features that the heads are given, and the heads' probabilities.
    """
    features = {"features": network.get_layer("features").output}
    embedder = keras.Model(network.input, features | network.output)
    seen = _average_views(embedder, store, network.input_shape[1], None)
    return np.hstack([seen["features"], seen["weather"], seen["land"]])


def _average_views(
    network: keras.Model, store: np.ndarray, image_px: int, rows: np.ndarray | None
) -> dict[str, np.ndarray]:
    rows = np.arange(len(store)) if rows is None else rows
    averages = {
        name: np.zeros((len(rows), output.shape[-1]), np.float32)
        for name, output in network.output.items()
    }
    for start in range(0, len(rows), PREDICTION_CHIPS):
        part = slice(start, start + PREDICTION_CHIPS)
        chips = read_batch(store, rows[part], image_px)
        for view in range(VIEWS):
            answer = network.predict(
                view_chips(chips, view), batch_size=PREDICTION_BATCH, verbose=0
            )
            for name, average in averages.items():
                average[part] += answer[name] / VIEWS
    return averages
