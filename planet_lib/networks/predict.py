"""Predict the labels, or compute the features, of many chips with a network."""

from typing import Any

import keras
import numpy as np

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
    rows = np.arange(len(store)) if rows is None else rows
    labels = sum(output.shape[-1] for output in keras.tree.flatten(network.output))
    averages = np.zeros((len(rows), labels), np.float32)
    # Without a graph: tracing one costs more than it saves.
    for start in range(0, len(rows), PREDICTION_BATCH):
        part = slice(start, start + PREDICTION_BATCH)
        chips = read_batch(store, rows[part], image_px)
        for view in range(VIEWS):
            outputs = network(np.ascontiguousarray(view_chips(chips, view)), training=False)
            averages[part] += join_heads(outputs) / VIEWS
    return averages


def join_heads(outputs: Any) -> np.ndarray:
    """Put the outputs of a network side by side, in the order of its labels.

    Parameters
    ----------
    outputs : tensor or ndarray of shape (N, L), or dict of them

    Returns
    -------
    ndarray of shape (N, L), float32
    """
    if not isinstance(outputs, dict):
        return keras.ops.convert_to_numpy(outputs)
    heads = [outputs[name] for name in HEADS if name in outputs] or outputs.values()
    return np.hstack([keras.ops.convert_to_numpy(head) for head in heads])


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
