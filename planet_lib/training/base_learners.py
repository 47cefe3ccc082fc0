"""The base learners of the ensemble: trees, ridge regression, and fine-tuned networks."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from planet_lib.config import INPUTS
from planet_lib.data.store import open_store
from planet_lib.features.descriptors import describe_store
from planet_lib.features.ridge import predict_with_ridge
from planet_lib.features.statistics import describe_chip
from planet_lib.features.trees import predict_with_trees
from planet_lib.files import map_over_cores, replace_file
from planet_lib.networks.batches import stream_batches
from planet_lib.networks.files import PRETRAINED, load_model
from planet_lib.networks.predict import embed_chips, predict_chips
from planet_lib.training.compilation import compile_training_copy
from planet_lib.training.examples import Examples

TREES = {"trees": 300, "max_features": 0.2}
NETWORKS = 2  # fine-tuned with different seeds and averaged
LEARNING_RATE = 1e-3
BATCH_SIZE = 16


class BaseLearners:
    """Fit every base learner to chosen chips of a run; features and predictions are cached.

    Parameters
    ----------
    run_dir : Path
        Holds the stores of `planet_lib.data.store`.
    examples : Examples
        Those of the run, with input mode ``both``.
    cache : Path
        Folder of features and predictions, from which an interrupted run resumes.
    epochs : int
        Epochs of fine-tuning.
    """

    def __init__(self, run_dir: Path, examples: Examples, cache: Path, *, epochs: int) -> None:
        self.examples = examples
        self.cache = cache
        self.epochs = epochs
        stores = [open_store(run_dir, name) for name in INPUTS["both"]]
        self.features = self._load_or_make(
            "features", lambda: _compute_features(stores, examples.chips)
        )

    def predict(self, name: str, train: np.ndarray, seed: int) -> dict[str, np.ndarray]:
        """Fit each base learner to the training chips and predict the other chips.

        Parameters
        ----------
        name : str
            Name of this fit in the cache.
        train : ndarray of shape (N,), bool
        seed : int

        Returns
        -------
        dict of ndarray of shape (N, 17), float32
            By base learner. The rows of training chips are not to be used.
        """
        return self._load_or_make(name, lambda: self._fit_and_predict(train, seed))

    def _load_or_make(
        self, name: str, make: Callable[[], dict[str, np.ndarray]]
    ) -> dict[str, np.ndarray]:
        path = self.cache / f"{name}.npz"
        if not path.exists():
            with replace_file(path) as partial:
                np.savez(partial, **make())
        with np.load(path) as archive:
            return dict(archive)

    def _fit_and_predict(self, train: np.ndarray, seed: int) -> dict[str, np.ndarray]:
        statistics, descriptors, embeddings = (
            self.features[name] for name in ("statistics", "descriptors", "embeddings")
        )
        encoded = self.examples.encoded
        everything = np.hstack([descriptors, embeddings])
        of_raw = statistics[:, : statistics.shape[1] // 2]
        networks = [
            self._fine_tune_and_predict(train, NETWORKS * seed + k) for k in range(NETWORKS)
        ]
        return {
            "trees on raw statistics": predict_with_trees(of_raw, encoded, train, seed=seed),
            "trees on statistics": predict_with_trees(statistics, encoded, train, seed=seed),
            "trees on descriptors": predict_with_trees(
                descriptors, encoded, train, seed=seed, **TREES
            ),
            "trees": predict_with_trees(everything, encoded, train, seed=seed, **TREES),
            "ridge": predict_with_ridge(everything, encoded, train),
            "networks": np.mean(networks, axis=0),
        }

    def _fine_tune_and_predict(self, train: np.ndarray, seed: int) -> np.ndarray:
        """Fine-tune the pretrained network; return (N, 17), zeros for the training chips."""
        keras.utils.clear_session()
        keras.utils.set_random_seed(seed)
        network = load_model(PRETRAINED / "model.keras")
        image_px = network.input_shape[1]
        chips, encoded = self.examples.chips, self.examples.encoded
        rows, others = np.flatnonzero(train), np.flatnonzero(~train)
        batch_size = min(BATCH_SIZE, len(rows))
        steps = len(rows) // batch_size
        training_copy = compile_training_copy(
            network,
            np.ones(encoded.shape[1], np.float32),
            learning_rate=LEARNING_RATE,
            steps=self.epochs * steps,
        )
        training_copy.fit(
            stream_batches(
                chips, rows, encoded[rows], image_px=image_px, batch_size=batch_size, seed=seed
            ),
            steps_per_epoch=steps,
            epochs=self.epochs,
            shuffle=False,  # the stream is already shuffled
            verbose=0,
        )
        network.set_weights(training_copy.get_weights())
        predictions = np.zeros(encoded.shape, np.float32)
        predictions[others] = predict_chips(network, chips, image_px=image_px, rows=others)
        return predictions


def _compute_features(stores: list[np.ndarray], chips: np.ndarray) -> dict[str, np.ndarray]:
    statistics = [pd.DataFrame(map_over_cores(describe_chip, store)).to_numpy() for store in stores]
    return {
        "statistics": np.hstack(statistics),
        "descriptors": np.hstack([describe_store(store) for store in stores]),
        "embeddings": embed_chips(load_model(PRETRAINED / "model.keras"), chips),
    }
