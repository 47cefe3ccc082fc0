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
    encoded : ndarray of shape (N, 17), 0 or 1, or -1 where unknown
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
        Probabilities; NaN of a label that is not known of every training chip.

    References
    ----------
    P. Geurts et al., Extremely randomized trees, Machine Learning 2006.
    """
    features = np.asarray(features)
    forest = ExtraTreesClassifier(
        trees, max_features=max_features, min_samples_leaf=2, random_state=seed, n_jobs=-1
    )
    known = np.flatnonzero((encoded[train] >= 0).all(axis=0))
    targets = encoded[train][:, known]
    forest.fit(features[train], targets if len(known) > 1 else targets[:, 0])
    predicted, all_classes = forest.predict_proba(features), forest.classes_
    if len(known) == 1:  # scikit-learn returns lists only for several labels
        predicted, all_classes = [predicted], [all_classes]
    probabilities = np.full(encoded.shape, np.nan, np.float32)
    for label, by_class, classes in zip(known, predicted, all_classes, strict=True):
        probabilities[:, label] = by_class[:, list(classes).index(1)] if 1 in classes else 0
    return probabilities
