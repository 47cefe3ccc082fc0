"""Watch a few validation chips during a training: what the network says of them each epoch."""

import keras
import numpy as np
from keras import ops

from planet_lib.training.loss import unweigh_probabilities

WATCHED = 4  # chips
DIGITS = 4


class Watcher:
    """Predict the watched chips, without the bias that the label weights cause.

    Parameters
    ----------
    chips : ndarray of shape (M, S, S, C), uint8
    label_weights : ndarray of shape (17,), float32
        Those of the loss.
    """

    def __init__(self, chips: np.ndarray, label_weights: np.ndarray) -> None:
        self.chips = chips
        self.label_weights = label_weights

    def predict(self, network: keras.Model) -> list[list[float]]:
        """Predict the probabilities of each chip's 17 labels, rounded for the history."""
        # called, not `predict`: that would trace another graph for a few chips
        heads = network(self.chips, training=False)
        outputs = np.hstack([ops.convert_to_numpy(heads[name]) for name in ("weather", "land")])
        return unweigh_probabilities(outputs, self.label_weights).round(DIGITS).tolist()


def choose_watched(encoded: np.ndarray, splits: np.ndarray) -> np.ndarray:
    """Choose the validation chips that together show the most labels, one after another.

    Parameters
    ----------
    encoded : ndarray of shape (N, 17), 0 or 1
    splits : ndarray of shape (N,), str

    Returns
    -------
    ndarray of int
        At most `WATCHED` rows; the first has the most labels.
    """
    waiting = list(np.flatnonzero(splits == "validation"))
    shown = np.zeros(encoded.shape[1], bool)
    chosen = []
    while waiting and len(chosen) < WATCHED:
        added = (encoded[waiting].astype(bool) & ~shown).sum(axis=1)
        chosen.append(waiting.pop(int(added.argmax())))
        shown |= encoded[chosen[-1]].astype(bool)
    return np.array(chosen, dtype=int)
