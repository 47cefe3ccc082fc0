"""Baselines: simple predictions and published scores to compare the networks with."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.base import ClassifierMixin, clone
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from planet_lib.data.labels import encode_tags
from planet_lib.features.trees import predict_with_trees

HAZE_STATISTICS = ("haziness", "airlight")
PUBLISHED_F2 = {
    "clear": 0.966,
    "partly_cloudy": 0.852,
    "haze": 0.651,
    "cloudy": 0.809,
    "primary": 0.984,
    "agriculture": 0.819,
    "road": 0.685,
    "water": 0.622,
    "cultivation": 0.292,
    "habitation": 0.428,
    "bare_ground": 0.0,
    "selective_logging": 0.067,
    "artisinal_mine": 0.501,
    "blooming": 0.0,
    "slash_burn": 0.0,
    "conventional_mine": 0.075,
    "blow_down": 0.0,
}
"""F2 of each label in the 2018 post: 12,144 held-out chips, haze removed, threshold 0.5."""


def make_weather_classifiers(seed: int) -> Mapping[str, ClassifierMixin]:
    """Create the three classifiers that the 2018 post predicts the weather with."""
    return {
        "logistic regression": make_pipeline(StandardScaler(), LogisticRegression()),
        "random forest": RandomForestClassifier(300, min_samples_leaf=3, random_state=seed),
        "gradient boosting": GradientBoostingClassifier(random_state=seed),
    }


def predict_weather(
    statistics: pd.DataFrame, weather: np.ndarray, train: np.ndarray, *, seed: int
) -> dict[str, np.ndarray]:
    """Predict the weather of every chip from its haziness and airlight alone.

    Parameters
    ----------
    statistics : DataFrame of N rows
        As returned by `planet_lib.features.statistics.load_statistics`.
    weather : ndarray of shape (N,), int
        Index into `planet_lib.data.labels.WEATHER`. Only the values of training chips are used.
    train : ndarray of shape (N,), bool
        Which chips to train on.
    seed : int

    Returns
    -------
    dict of str to ndarray of shape (N,), int
        Predicted index into `WEATHER`, by classifier. Where the training chips have only one
        weather, it is predicted for every chip.
    """
    features = statistics[list(HAZE_STATISTICS)].to_numpy()
    if len(np.unique(weather[train])) < 2:
        only = np.full(len(weather), weather[train][0])
        return dict.fromkeys(make_weather_classifiers(seed), only)
    return {
        name: clone(classifier).fit(features[train], weather[train]).predict(features)
        for name, classifier in make_weather_classifiers(seed).items()
    }


def predict_simply(
    statistics: pd.DataFrame, truth: np.ndarray, train: np.ndarray, *, seed: int
) -> dict[str, np.ndarray]:
    """Predict the labels of every chip without a neural network.

    Parameters
    ----------
    statistics : DataFrame of N rows
        As returned by `planet_lib.features.statistics.load_statistics`.
    truth : ndarray of shape (N, 17), 0 or 1
        Only the rows of training chips are used.
    train : ndarray of shape (N,), bool
    seed : int

    Returns
    -------
    dict of str to ndarray of shape (N, 17), 0 to 1
        By baseline.
    """
    return {
        "always clear primary": predict_constant(len(truth)),
        "extra trees on simple statistics": predict_with_trees(statistics, truth, train, seed=seed),
    }


def predict_constant(chips: int, tags: str = "clear primary") -> np.ndarray:
    """Predict the same tags for every chip.

    Parameters
    ----------
    chips : int
        Number of chips N.
    tags : str
        Space-separated labels.

    Returns
    -------
    ndarray of shape (N, 17), uint8
        0 or 1, in the order of `planet_lib.data.labels.LABELS`.
    """
    return np.tile(encode_tags([tags]), (chips, 1))
