"""The loss of both heads, with weights for rare labels that prediction takes out again."""

from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from planet_lib.networks.batches import split_heads


def compute_label_weights(encoded: np.ndarray, *, limit: float) -> np.ndarray:
    """Weigh each label by the square root of its odds against, between 1 and `limit`.

    Parameters
    ----------
    encoded : ndarray of shape (N, 17)
        Labels of the training chips as 0 and 1.
    limit : float
        Largest weight, at least 1.

    Returns
    -------
    ndarray of shape (17,), float32
    """
    positives = encoded.sum(axis=0)
    odds_against = (len(encoded) - positives) / np.maximum(positives, 1)
    return np.clip(np.sqrt(odds_against), 1, limit).astype(np.float32)


def weigh_cross_entropy(head: str, weights: np.ndarray) -> Callable:
    """Make a head's cross-entropy with weighted positives.

    Parameters
    ----------
    head : str
        ``weather`` (categorical cross-entropy) or ``land`` (binary, summed over the labels).
    weights : ndarray of shape (4,) or (13,), float32

    Returns
    -------
    callable
        A Keras loss. A chip without any weather label adds nothing to the weather loss.
    """

    def loss(truth: keras.KerasTensor, predicted: keras.KerasTensor) -> keras.KerasTensor:
        predicted = ops.clip(predicted, 1e-7, 1 - 1e-7)
        log_likelihood = truth * weights * ops.log(predicted)
        if head == "weather":
            return -ops.sum(log_likelihood, axis=-1)
        return -ops.sum(log_likelihood + (1 - truth) * ops.log(1 - predicted), axis=-1)

    return loss


def unweigh_probabilities(probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Convert what a network trained with weights predicts to probabilities.

    Parameters
    ----------
    probabilities : ndarray of shape (N, 17), float
        Outputs of both heads before `remove_label_weights`.
    weights : ndarray of shape (17,), float32

    Returns
    -------
    ndarray of shape (N, 17), float
    """
    weather, land = split_heads(probabilities / weights).values()
    *_, no_land = split_heads(1 - probabilities).values()
    return np.hstack([weather / weather.sum(axis=1, keepdims=True), land / (land + no_land)])


def remove_label_weights(network: keras.Model, weights: np.ndarray) -> None:
    """Shift the heads' biases so that a network trained with weights predicts probabilities.

    Weighing the positives by w multiplies the odds that the network learns by w. Subtracting
    log w from the bias undoes this, up to the common factor of the softmax.

    Parameters
    ----------
    network : keras.Model
        Changed in place.
    weights : ndarray of shape (17,), float32

    References
    ----------
    C. Elkan, The Foundations of Cost-Sensitive Learning, IJCAI 2001, theorem 2.
    """
    for name, head_weights in split_heads(weights).items():
        bias = network.get_layer(name).bias
        bias.assign(bias - np.log(head_weights))
