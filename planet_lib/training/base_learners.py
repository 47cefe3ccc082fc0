"""The base learners of the ensemble: trees, ridge regression, and fine-tuned networks."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from planet_lib.config import INPUTS
from planet_lib.data.store import open_store
from planet_lib.features.descriptors import describe_store
from planet_lib.features.ridge import predict_with_ridge
from planet_lib.features.statistics import describe_chip
from planet_lib.features.trees import predict_with_trees
from planet_lib.files import map_over_cores, replace_file
from planet_lib.training.examples import Examples
from planet_lib.training.fine_tuning import FineTuner, compute_maps

TREES = {"trees": 300, "max_features": 0.2}
NETWORKS = 2  # fine-tuned with different seeds and averaged


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
        self.encoded = examples.encoded
        self.cache = cache
        maps = self._load_or_make("maps", lambda: {"maps": compute_maps(examples.chips)})
        self.tuner = FineTuner(maps["maps"], examples.encoded, epochs=epochs)
        stores = [open_store(run_dir, name) for name in INPUTS["both"]]
        self.features = self._load_or_make(
            "features", lambda: _describe_stores(stores) | {"embeddings": self.tuner.embed()}
        )

    def predict(
        self, name: str, train: np.ndarray, seed: int, learners: Sequence[str]
    ) -> dict[str, np.ndarray]:
        """Fit base learners to the training chips and predict the other chips.

        Parameters
        ----------
        name : str
            Name of this fit in the cache.
        train : ndarray of shape (N,), bool
        seed : int
        learners : sequence of str
            Names of base learners, see `planet_lib.training.out_of_fold.LADDER`.

        Returns
        -------
        dict of ndarray of shape (N, 17), float32
            By base learner. The rows of training chips are not to be used.
        """
        return self._load_or_make(name, lambda: self._fit_and_predict(train, seed, learners))

    def _load_or_make(
        self, name: str, make: Callable[[], dict[str, np.ndarray]]
    ) -> dict[str, np.ndarray]:
        path = self.cache / f"{name}.npz"
        if not path.exists():
            with replace_file(path) as partial:
                np.savez(partial, **make())
        with np.load(path) as archive:
            return dict(archive)

    def _fit_and_predict(
        self, train: np.ndarray, seed: int, learners: Sequence[str]
    ) -> dict[str, np.ndarray]:
        statistics, descriptors, embeddings = (
            self.features[name] for name in ("statistics", "descriptors", "embeddings")
        )
        everything = np.hstack([descriptors, embeddings])
        of_raw = statistics[:, : statistics.shape[1] // 2]

        def fit_trees(features: np.ndarray, **options: float) -> np.ndarray:
            return predict_with_trees(features, self.encoded, train, seed=seed, **options)

        fits = {
            "trees on raw statistics": lambda: fit_trees(of_raw),
            "trees on statistics": lambda: fit_trees(statistics),
            "trees on descriptors": lambda: fit_trees(descriptors, **TREES),
            "trees": lambda: fit_trees(everything, **TREES),
            "ridge": lambda: predict_with_ridge(everything, self.encoded, train),
            "networks": lambda: np.mean(
                [self.tuner.predict(train, NETWORKS * seed + k) for k in range(NETWORKS)], axis=0
            ),
        }
        return {name: fits[name]() for name in learners}


def _describe_stores(stores: list[np.ndarray]) -> dict[str, np.ndarray]:
    statistics = [pd.DataFrame(map_over_cores(describe_chip, store)).to_numpy() for store in stores]
    return {
        "statistics": np.hstack(statistics),
        "descriptors": np.hstack([describe_store(store) for store in stores]),
    }
