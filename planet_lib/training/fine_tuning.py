"""Fine-tune the upper stages of the pretrained network, again and again from the same start.

The lower stages are common to all fits. Their maps are computed once, for each view of each chip.
"""

from collections.abc import Iterator

import keras
import numpy as np
from keras import ops

from planet_lib.data.store import ChannelStack
from planet_lib.networks.batches import VIEWS, read_batch, split_heads, view_chips
from planet_lib.networks.files import PRETRAINED, load_model
from planet_lib.networks.predict import PREDICTION_BATCH
from planet_lib.training.callbacks import seed_dropout
from planet_lib.training.compilation import compile_training_copy
from planet_lib.training.feed import feed_batches

LAST_SHARED = "stage3_add"  # layer of the pretrained network; those above it are fine-tuned
LEARNING_RATE = 1e-3
BATCH_SIZE = 16


def compute_maps(chips: np.ndarray | ChannelStack) -> np.ndarray:
    """Compute what the shared stages of the pretrained network make of every view of every chip.

    Parameters
    ----------
    chips : ndarray or ChannelStack of shape (N, H, W, 6), uint8
        Raw and haze-free chips.

    Returns
    -------
    ndarray of shape (N, 8, h, w, c), float16
    """
    network = load_model(PRETRAINED / "model.keras")
    shared = keras.Model(network.input, network.get_layer(LAST_SHARED).output)
    maps = np.empty((len(chips), VIEWS, *shared.output.shape[1:]), np.float16)
    for start in range(0, len(chips), PREDICTION_BATCH):
        rows = np.arange(start, min(start + PREDICTION_BATCH, len(chips)))
        batch = read_batch(chips, rows, network.input_shape[1])
        for view in range(VIEWS):
            seen = np.ascontiguousarray(view_chips(batch, view))
            maps[rows, view] = ops.convert_to_numpy(shared(seen, training=False))
    return maps


class FineTuner:
    """Fine-tune the upper stages of the pretrained network; all fits share one graph.

    Parameters
    ----------
    maps : ndarray of shape (N, 8, h, w, c), float16
        As returned by `compute_maps`.
    encoded : ndarray of shape (N, 17)
        Labels as 0 and 1.
    epochs : int
    """

    def __init__(self, maps: np.ndarray, encoded: np.ndarray, *, epochs: int) -> None:
        self.maps = maps
        self.encoded = encoded
        self.epochs = epochs
        whole = load_model(PRETRAINED / "model.keras")
        below = whole.get_layer(LAST_SHARED).output
        self.network = keras.Model(below, whole.output)
        self.embedder = keras.Model(
            below, {"features": whole.get_layer("features").output} | whole.output
        )
        self.pretrained = self.network.get_weights()
        self.compiled: dict[int, tuple[keras.Model, list[np.ndarray]]] = {}

    def embed(self) -> np.ndarray:
        """Compute the pretrained network's features of every chip, as the mean over its views.

        Returns
        -------
        ndarray of shape (N, F + 17), float32
            The F inputs of the heads, then the heads' probabilities.
        """
        self.network.set_weights(self.pretrained)
        return self._average_views(self.embedder, np.arange(len(self.maps)))

    def predict(self, train: np.ndarray, seed: int) -> np.ndarray:
        """Fine-tune on the training chips and predict the others.

        Parameters
        ----------
        train : ndarray of shape (N,), bool
        seed : int
            Of order, views and dropout.

        Returns
        -------
        ndarray of shape (N, 17), float32
            Probabilities, the mean over the views; 0 for the training chips.
        """
        rows, others = np.flatnonzero(train), np.flatnonzero(~train)
        batch_size = min(BATCH_SIZE, len(rows))
        steps = len(rows) // batch_size
        training_copy, start = self._compile(steps)
        for variable, value in zip(_list_state(training_copy), start, strict=True):
            variable.assign(value)
        seed_dropout(training_copy, seed, 0)
        training_copy.fit(
            feed_batches(self._stream_batches, rows, batch_size, seed),
            steps_per_epoch=steps,
            epochs=self.epochs,
            shuffle=False,  # the stream is already shuffled
            verbose=0,
        )
        self.network.set_weights(training_copy.get_weights())
        predictions = np.zeros(self.encoded.shape, np.float32)
        predictions[others] = self._average_views(self.network, others)
        return predictions

    def _compile(self, steps: int) -> tuple[keras.Model, list[np.ndarray]]:
        """Compile a copy for so many steps an epoch, once; return it and its first state."""
        if steps not in self.compiled:
            network = keras.models.clone_model(self.network)
            network.set_weights(self.pretrained)
            training_copy = compile_training_copy(
                network,
                np.ones(self.encoded.shape[1], np.float32),
                learning_rate=LEARNING_RATE,
                steps=self.epochs * steps,
            )
            start = [ops.convert_to_numpy(v) for v in _list_state(training_copy)]
            self.compiled[steps] = training_copy, start
        return self.compiled[steps]

    def _stream_batches(
        self, rows: np.ndarray, batch_size: int, seed: int
    ) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        rng = np.random.default_rng(seed)
        while True:
            order = rng.permutation(rows)
            for start in range(0, len(rows) - batch_size + 1, batch_size):
                chosen = order[start : start + batch_size]
                views = rng.integers(VIEWS, size=batch_size)
                yield self.maps[chosen, views].astype(np.float32), split_heads(self.encoded[chosen])

    def _average_views(self, network: keras.Model, rows: np.ndarray) -> np.ndarray:
        """Average a network's outputs over the views, side by side in the order of the labels."""
        averages = []
        for start in range(0, len(rows), PREDICTION_BATCH):
            maps = self.maps[rows[start : start + PREDICTION_BATCH]]
            outputs = network(maps.reshape(-1, *maps.shape[2:]).astype(np.float32), training=False)
            parts = [
                ops.convert_to_numpy(outputs[name])
                for name in ("features", "weather", "land")
                if name in outputs
            ]
            averages.append(np.hstack(parts).reshape(len(maps), VIEWS, -1).mean(axis=1))
        return np.concatenate(averages)


def _list_state(network: keras.Model) -> list[keras.Variable]:
    return [*network.weights, *network.optimizer.variables]
