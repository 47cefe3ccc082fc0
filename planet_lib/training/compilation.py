"""Compile a network for training: weighted loss, Adam, and a warm-up with cosine decay."""

import keras
import numpy as np

from planet_lib.networks.batch_norm import fuse_batch_norms
from planet_lib.networks.batches import split_heads
from planet_lib.training.loss import weigh_cross_entropy
from planet_lib.training.optimizers import FlatAdam

WARMUP_SHARE = 0.1  # of all steps


def compile_training_copy(
    network: keras.Model,
    label_weights: np.ndarray,
    *,
    learning_rate: float,
    steps: int,
    devices: int = 1,
) -> keras.Model:
    """Copy a network and compile the copy for `fit`, with a graph that is fast to build.

    Parameters
    ----------
    network : keras.Model
        Built by `planet_lib.networks.architectures.build_model`.
    label_weights : ndarray of shape (17,), float32
        Weights of the positives in the loss.
    learning_rate : float
        Peak, reached after a tenth of the steps; a cosine then lowers it to 0.
    steps : int
        Total number of batches.
    devices : int
        Number of devices that share each batch. Several need Keras' own Adam, which sums their
        gradients.

    Returns
    -------
    keras.Model
        The training copy. After training, ``network.set_weights(copy.get_weights())``.
    """
    copy = fuse_batch_norms(network)
    adam = FlatAdam if devices == 1 else keras.optimizers.Adam
    optimizer = adam(_schedule_learning_rate(learning_rate, steps))
    optimizer.build(copy.trainable_variables)  # left to fit, the step is traced twice
    losses = {name: weigh_cross_entropy(name, w) for name, w in split_heads(label_weights).items()}
    copy.compile(optimizer=optimizer, loss=losses)
    return copy


def _schedule_learning_rate(
    peak: float, steps: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    warmup = max(1, round(WARMUP_SHARE * steps))
    return keras.optimizers.schedules.CosineDecay(
        peak / 10, max(1, steps - warmup), alpha=0.0, warmup_target=peak, warmup_steps=warmup
    )
