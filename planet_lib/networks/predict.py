"""Predict the labels, or compute the features, of many chips with a network."""

import keras
import numpy as np

from planet_lib.data.labels import MINE
from planet_lib.networks.architectures import HEADS
from planet_lib.networks.batches import VIEWS, read_batch, view_chips

PREDICTION_BATCH = 64


def predict_chips(
    network: keras.Model, store: np.ndarray, *, image_px: int, rows: np.ndarray | None = None
) -> np.ndarray:
    """Predict the labels of chips as the mean over their eight views.

    Parameters
    ----------
    network : keras.Model
    store : ndarray or ChannelStack of shape (N, H, W, C), uint8
        Read batch by batch.
    image_px : int
    rows : ndarray of shape (M,), int, optional
        The chips to predict, instead of all N.

    Returns
    -------
    ndarray of shape (M, L), float32
        Probabilities of the network's labels, in the order of `planet_lib.data.labels.LABELS`.
    """
    heads = _average_views(network, store, image_px, rows)
    return np.hstack([heads[name] for name in HEADS if name in heads] or [heads[MINE]])


def predict_batches(
    network: keras.Model, chips: np.ndarray, batch_size: int = PREDICTION_BATCH
) -> np.ndarray | dict[str, np.ndarray]:
    """Predict as `keras.Model.predict` does, without its data pipeline, for whose tuner it waits.

    Parameters
    ----------
    network : keras.Model
    chips : ndarray of shape (N, H, W, C)
        At least one.
    batch_size : int
        Chips that are predicted at once.

    Returns
    -------
    ndarray of shape (N, L), or dict of them
        The network's outputs.
    """
    batches = [
        network.predict_on_batch(chips[start : start + batch_size])
        for start in range(0, len(chips), batch_size)
    ]
    return keras.tree.map_structure(lambda *parts: np.concatenate(parts), *batches)


def _average_views(
    network: keras.Model, store: np.ndarray, image_px: int, rows: np.ndarray | None
) -> dict[str, np.ndarray]:
    """Average the outputs over the views, without a graph: tracing one costs more than it saves."""
    rows = np.arange(len(store)) if rows is None else rows
    averages = {
        name: np.zeros((len(rows), output.shape[-1]), np.float32)
        for name, output in network.output.items()
    }
    for start in range(0, len(rows), PREDICTION_BATCH):
        part = slice(start, start + PREDICTION_BATCH)
        chips = read_batch(store, rows[part], image_px)
        for view in range(VIEWS):
            outputs = network(np.ascontiguousarray(view_chips(chips, view)), training=False)
            for name, average in averages.items():
                average[part] += keras.ops.convert_to_numpy(outputs[name]) / VIEWS
    return averages
