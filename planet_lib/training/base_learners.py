"""The learners of the ensemble: trees, ridge regression, and a pretrained network fine-tuned."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from sklearn.kernel_ridge import KernelRidge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer

from planet_lib.config import INPUTS
from planet_lib.data.labels import encode_tags
from planet_lib.data.store import load_catalogue, open_input, open_store
from planet_lib.features.descriptors import describe_store
from planet_lib.features.statistics import describe_chip
from planet_lib.features.trees import predict_with_trees
from planet_lib.files import map_over_cores, replace_file
from planet_lib.networks.batches import stream_batches
from planet_lib.networks.files import PRETRAINED, load_model
from planet_lib.networks.predict import embed_chips, predict_chips
from planet_lib.training.loss import make_learner

TREES = {"trees": 300, "max_features": 0.2}
RIDGE = {"kernel": "rbf", "alpha": 0.3}
RIDGE_WIDTH = 0.1  # gamma times the number of features
NETWORKS = 2  # fine-tuned with seeds of their own, whose mean is the answer
LEARNING_RATE = 1e-3
BATCH_SIZE = 16


class Members:
    """Fits the learners of the ladder on chosen chips of a run, and keeps what they answer.

    Parameters
    ----------
    run_dir : Path
    parts : Path
        Folder where features and answers are kept until the ensemble is whole.
    epochs : int
        Of fine-tuning.
    """

    def __init__(self, run_dir: Path, parts: Path, *, epochs: int) -> None:
        self.parts = parts
        self.epochs = epochs
        self.encoded = encode_tags(load_catalogue(run_dir)["tags"])
        self.chips = open_input(run_dir, "both")
        stores = [open_store(run_dir, name) for name in INPUTS["both"]]
        self.features = self._keep("features", lambda: _describe_all(stores, self.chips))

    def answer(self, name: str, train: np.ndarray, seed: int) -> dict[str, np.ndarray]:
        """Answer every chip by each member fitted on the training chips, as (N, 17) float32."""
        return self._keep(name, lambda: self._fit(train, seed))

    def _keep(self, name: str, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
        path = self.parts / f"{name}.npz"
        if not path.exists():
            with replace_file(path) as partial:
                np.savez(partial, **make())
        with np.load(path) as kept:
            return dict(kept)

    def _fit(self, train: np.ndarray, seed: int) -> dict[str, np.ndarray]:
        simple, described, seen = (self.features[n] for n in ("simple", "described", "seen"))
        together = np.hstack([described, seen])
        half = simple.shape[1] // 2
        keys = {"seed": seed}
        return {
            "statistics": predict_with_trees(simple[:, :half], self.encoded, train, **keys),
            "statistics of both": predict_with_trees(simple, self.encoded, train, **keys),
            "descriptors": predict_with_trees(described, self.encoded, train, **keys, **TREES),
            "trees": predict_with_trees(together, self.encoded, train, **keys, **TREES),
            "ridge": _predict_with_ridge(together, self.encoded, train),
            "network": np.mean(
                [self._predict_with_network(train, NETWORKS * seed + k) for k in range(NETWORKS)],
                axis=0,
            ),
        }

    def _predict_with_network(self, train: np.ndarray, seed: int) -> np.ndarray:
        keras.utils.clear_session()
        keras.utils.set_random_seed(seed)
        network = load_model(PRETRAINED / "model.keras")
        image_px = network.input_shape[1]
        rows = np.flatnonzero(train)
        batch_size = min(BATCH_SIZE, len(rows))
        steps = len(rows) // batch_size
        unweighted = np.ones(self.encoded.shape[1], np.float32)
        learner = make_learner(
            network, unweighted, learning_rate=LEARNING_RATE, steps=self.epochs * steps
        )
        learner.fit(
            stream_batches(
                self.chips,
                rows,
                self.encoded[rows],
                image_px=image_px,
                batch_size=batch_size,
                seed=seed,
            ),
            steps_per_epoch=steps,
            epochs=self.epochs,
            shuffle=False,  # the stream is shuffled already
            verbose=0,
        )
        network.set_weights(learner.get_weights())
        answer = np.zeros(self.encoded.shape, np.float32)
        others = np.flatnonzero(~train)
        answer[others] = predict_chips(network, self.chips, image_px=image_px, rows=others)
        return answer


def _describe_all(stores: list[np.ndarray], chips: np.ndarray) -> dict[str, np.ndarray]:
    simple = [pd.DataFrame(map_over_cores(describe_chip, store)).to_numpy() for store in stores]
    return {
        "simple": np.hstack(simple),
        "described": np.hstack([describe_store(store) for store in stores]),
        "seen": embed_chips(load_model(PRETRAINED / "model.keras"), chips),
    }


def _predict_with_ridge(features: np.ndarray, encoded: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Regress all labels at once, from features made normal one by one; (N, 17), about 0 to 1."""
    ridge = make_pipeline(
        QuantileTransformer(n_quantiles=min(200, int(train.sum())), output_distribution="normal"),
        KernelRidge(**RIDGE, gamma=RIDGE_WIDTH / features.shape[1]),
    )
    mean = encoded[train].mean(axis=0)
    ridge.fit(features[train], encoded[train] - mean)
    return (ridge.predict(features) + mean).clip(0, 1).astype(np.float32)
