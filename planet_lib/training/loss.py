"""What a network learns by: its loss with weighted labels, its optimizer and its learning rate."""

from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from planet_lib.networks.batch_norm import fuse_batch_norms
from planet_lib.networks.batches import split_heads
from planet_lib.training.optimizers import FlatAdam

WARMUP_SHARE = 0.1


def make_learner(
    network: keras.Model,
    weights: np.ndarray,
    *,
    learning_rate: float,
    steps: int,
    devices: int = 1,
) -> keras.Model:
    """Compile a copy of a network for `fit`, the copy and its optimizer fast to start.

    Parameters
    ----------
    network : keras.Model
        Made by `planet_lib.networks.architectures.build_model`.
    weights : ndarray of shape (17,), float32
        Of the labels in the loss.
    learning_rate : float
        At its peak, after a tenth of the steps; it falls to 0 along a cosine.
    steps : int
        Batches that there will be.
    devices : int
        That share each batch: for several Keras' own Adam, which sums their gradients.

    Returns
    -------
    keras.Model
        Its weights, once trained, are for ``network.set_weights``.
    """
    learner = fuse_batch_norms(network)
    adam = FlatAdam if devices == 1 else keras.optimizers.Adam
    optimizer = adam(_schedule(learning_rate, steps))
    optimizer.build(learner.trainable_variables)  # left to fit, the step is traced twice
    losses = {name: _weigh_loss(name, w) for name, w in split_heads(weights).items()}
    learner.compile(optimizer=optimizer, loss=losses)
    return learner


def compute_label_weights(encoded: np.ndarray, *, limit: float) -> np.ndarray:
    """Weigh each label by the square root of its odds against, between 1 and `limit`.

    Parameters
    ----------
    encoded : ndarray of shape (N, 17)
        Labels of the training chips as 0 and 1.
    limit : float
        The largest weight, at least 1.

    Returns
    -------
    ndarray of shape (17,), float32
    """
    positives = encoded.sum(axis=0)
    odds_against = (len(encoded) - positives) / np.maximum(positives, 1)
    return np.clip(np.sqrt(odds_against), 1, limit).astype(np.float32)


def remove_label_weights(network: keras.Model, weights: np.ndarray) -> None:
    """Shift the heads' biases so that a network trained with weights answers with probabilities.

    Weighing the positives by w multiplies the odds that the network learns by w; taking log w
    from the bias takes it out again, up to the softmax's common factor.

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


def _schedule(peak: float, steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    warmup = max(1, round(WARMUP_SHARE * steps))
    return keras.optimizers.schedules.CosineDecay(
        peak / 10, max(1, steps - warmup), alpha=0.0, warmup_target=peak, warmup_steps=warmup
    )


def _weigh_loss(head: str, weights: np.ndarray) -> Callable:
    """Weigh the positives of a head's cross-entropy; a chip without weather adds nothing to it."""

    def loss(truth: keras.KerasTensor, answer: keras.KerasTensor) -> keras.KerasTensor:
        answer = ops.clip(answer, 1e-7, 1 - 1e-7)
        log_likelihood = truth * weights * ops.log(answer)
        if head == "weather":
            return -ops.sum(log_likelihood, axis=-1)
        return -ops.sum(log_likelihood + (1 - truth) * ops.log(1 - answer), axis=-1)

    return loss
