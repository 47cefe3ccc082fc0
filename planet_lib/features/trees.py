"""Predict labels by extremely randomised trees on features of chips."""

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
    features : DataFrame or ndarray of shape (N, D)
        As made by `planet_lib.features.statistics` or `planet_lib.features.descriptors`.
    encoded : ndarray of shape (N, 17), 0 or 1
        Only the rows of training chips are used.
    train : ndarray of shape (N,), bool
    seed : int
    trees : int
        Number of trees.
    max_features : float or str
        Features that each split chooses from, as in scikit-learn.

    Returns
    -------
    ndarray of shape (N, 17), float32
        Probabilities.

    References
    ----------
    P. Geurts et al., Extremely randomized trees, Machine Learning 2006.
    """
    features = np.asarray(features)
    forest = ExtraTreesClassifier(
        trees, max_features=max_features, min_samples_leaf=2, random_state=seed, n_jobs=-1
    )
    forest.fit(features[train], encoded[train])
    columns = [
        by_class[:, list(classes).index(1)] if 1 in classes else np.zeros(len(by_class))
        for by_class, classes in zip(forest.predict_proba(features), forest.classes_, strict=True)
    ]
    return np.stack(columns, axis=1).astype(np.float32)
