"""Fit a network to a run's examples. Everything that determines the weights is imported here."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from planet_lib.networks.architectures import build_model
from planet_lib.networks.batches import read_batch, repeat_batches, stream_batches
from planet_lib.networks.predict import PREDICTION_BATCH
from planet_lib.training.callbacks import EpochKeeper
from planet_lib.training.compilation import compile_training_copy
from planet_lib.training.devices import use_devices
from planet_lib.training.examples import Examples
from planet_lib.training.feed import feed_batches
from planet_lib.training.loss import compute_label_weights, remove_label_weights
from planet_lib.training.watch import Watcher, choose_watched


def fit_network(
    examples: Examples,
    checkpoints: Path,
    *,
    model: str,
    image_px: int,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    patience: int,
    max_label_weight: float,
    seed: int,
    colour_jitter: float,
    options: dict,
    devices: int,
    tensorboard: Path,
    on_epoch: Callable[[dict], None] | None,
) -> tuple[keras.Model, list[dict]]:
    """Fit a network to the training chips; keep the epoch with the lowest validation loss.

    Parameters
    ----------
    examples : Examples
    checkpoints : Path
        Folder from which an interrupted fit resumes.
    model, image_px, epochs, batch_size, learning_rate, patience, max_label_weight, seed,
    colour_jitter, options, devices, on_epoch
        As for `planet_lib.training.train.train_run`.
    tensorboard : Path
        Folder for TensorBoard's logs.

    Returns
    -------
    network : keras.Model
        Predicts probabilities: the label weights are removed.
    history : list of dict
        One row for each epoch: ``epoch``, ``loss``, ``val_loss``, those of each head, ``seconds``,
        and ``watched``, the probabilities of the chips of `planet_lib.training.watch`.
    """
    use_devices(devices)
    keras.utils.set_random_seed(seed)
    network = build_model(model, image_px, channels=examples.chips.shape[-1], **options)
    train = np.flatnonzero(examples.splits == "train")
    validation = np.flatnonzero(examples.splits == "validation")
    batch_size = min(batch_size, len(train))
    steps = len(train) // batch_size
    label_weights = compute_label_weights(examples.encoded[train], limit=max_label_weight)
    training_copy = compile_training_copy(
        network, label_weights, learning_rate=learning_rate, steps=epochs * steps, devices=devices
    )
    watched = choose_watched(examples.encoded, examples.splits)
    watcher = Watcher(read_batch(examples.chips, watched, image_px), label_weights)
    keeper = EpochKeeper(
        checkpoints, patience=patience, seed=seed, on_epoch=on_epoch, watch=watcher.predict
    )
    first_epoch = keeper.resume(training_copy)
    if first_epoch < epochs and not keeper.exhausted():
        training_copy.fit(
            feed_batches(
                stream_batches,
                examples.chips,
                train,
                examples.encoded[train],
                image_px=image_px,
                batch_size=batch_size,
                seed=seed,
                first_epoch=first_epoch,
                colour_jitter=colour_jitter,
            ),
            steps_per_epoch=steps,
            initial_epoch=first_epoch,
            epochs=epochs,
            validation_data=feed_batches(
                repeat_batches,
                examples.chips,
                validation,
                examples.encoded[validation],
                image_px=image_px,
                batch_size=PREDICTION_BATCH,
            ),
            validation_steps=-(-len(validation) // PREDICTION_BATCH),
            callbacks=[keeper, keras.callbacks.TensorBoard(tensorboard, write_graph=False)],
            shuffle=False,  # the stream is already shuffled
            verbose=0,
        )
    keeper.load_best(training_copy)
    network.set_weights(training_copy.get_weights())
    remove_label_weights(network, label_weights)
    return network, keeper.history
