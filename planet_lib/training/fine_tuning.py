"""Fine-tune the pretrained network, again and again from the same start, on chosen chips."""

import keras
import numpy as np
from keras import ops

from planet_lib.data.store import ChannelStack
from planet_lib.networks.batches import read_batch, stream_batches
from planet_lib.networks.files import PRETRAINED, load_model
from planet_lib.networks.predict import embed_chips, predict_chips
from planet_lib.training.callbacks import seed_dropout
from planet_lib.training.compilation import compile_training_copy

LEARNING_RATE = 1e-3
BATCH_SIZE = 16


class FineTuner:
    """Fine-tune the pretrained network; all fits share the downscaled chips and one graph.

    Parameters
    ----------
    chips : ndarray or ChannelStack of shape (N, H, W, 6), uint8
        Raw and haze-free chips.
    encoded : ndarray of shape (N, 17)
        Labels as 0 and 1.
    epochs : int
    """

    def __init__(self, chips: np.ndarray | ChannelStack, encoded: np.ndarray, epochs: int) -> None:
        self.network = load_model(PRETRAINED / "model.keras")
        self.image_px = self.network.input_shape[1]
        self.chips = read_batch(chips, np.arange(len(chips)), self.image_px)
        self.encoded = encoded
        self.epochs = epochs
        self.pretrained = self.network.get_weights()
        self.compiled: dict[int, tuple[keras.Model, list[np.ndarray]]] = {}

    def embed(self) -> np.ndarray:
        """Compute the pretrained network's features of every chip, as `embed_chips` does."""
        self.network.set_weights(self.pretrained)
        return embed_chips(self.network, self.chips)

    def predict(self, train: np.ndarray, seed: int) -> np.ndarray:
        """Fine-tune on the training chips and predict the others.

        Parameters
        ----------
        train : ndarray of shape (N,), bool
        seed : int
            Of order, augmentation and dropout.

        Returns
        -------
        ndarray of shape (N, 17), float32
            Probabilities, 0 for the training chips.
        """
        rows, others = np.flatnonzero(train), np.flatnonzero(~train)
        batch_size = min(BATCH_SIZE, len(rows))
        steps = len(rows) // batch_size
        training_copy, start = self._compile(steps)
        for variable, value in zip(_list_state(training_copy), start, strict=True):
            variable.assign(value)
        seed_dropout(training_copy, seed, 0)
        training_copy.fit(
            stream_batches(
                self.chips,
                rows,
                self.encoded[rows],
                image_px=self.image_px,
                batch_size=batch_size,
                seed=seed,
            ),
            steps_per_epoch=steps,
            epochs=self.epochs,
            shuffle=False,  # the stream is already shuffled
            verbose=0,
        )
        self.network.set_weights(training_copy.get_weights())
        predictions = np.zeros(self.encoded.shape, np.float32)
        predictions[others] = predict_chips(
            self.network, self.chips, image_px=self.image_px, rows=others
        )
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


def _list_state(network: keras.Model) -> list[keras.Variable]:
    return [*network.weights, *network.optimizer.variables]
