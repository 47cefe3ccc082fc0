"""Labels of chips by extremely randomised trees on their features."""

import numpy as np
import pandas as pd
from sklearn.ensemble import ExtraTreesClassifier


def predict_with_trees(
    features: pd.DataFrame | np.ndarray,
    encoded: np.ndarray,
    train: np.ndarray,
    *,
    seed: int,
    trees: int = 500,
    max_features: float | str = "sqrt",
) -> np.ndarray:
    """Predict all labels of every chip by extremely randomised trees.

    Parameters
    ----------
    features : DataFrame or ndarray of N rows
        As of `planet_lib.features.statistics` or `planet_lib.features.descriptors`.
    encoded : ndarray of shape (N, 17), 0 or 1
        Only the rows of training chips are used.
    train : ndarray of shape (N,), bool
    seed : int
    trees : int
    max_features : float or str
        That a split chooses from, as scikit-learn takes it.

    Returns
    -------
    ndarray of shape (N, 17), float32
        Probabilities.
    """
    features = np.asarray(features)
    forest = ExtraTreesClassifier(
        trees, max_features=max_features, min_samples_leaf=2, random_state=seed, n_jobs=-1
    )
    forest.fit(features[train], encoded[train])
    return np.stack(
        [
            answer[:, list(classes).index(1)] if 1 in classes else np.zeros(len(answer))
            for answer, classes in zip(forest.predict_proba(features), forest.classes_, strict=True)
        ],
        axis=1,
    ).astype(np.float32)
