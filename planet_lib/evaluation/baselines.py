"""What simple answers reach: weather from haziness alone."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.base import ClassifierMixin, clone
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from planet_lib.data.labels import WEATHER, encode_tags

HAZE_STATISTICS = ("haziness", "airlight")


def make_weather_classifiers(seed: int) -> Mapping[str, ClassifierMixin]:
    """Make the three classifiers that the origin tells weather with, from haziness and airlight."""
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
        Of `planet_lib.features.statistics`.
    weather : ndarray of shape (N,), int
        Index into `WEATHER`; only the values of training chips are used.
    train : ndarray of shape (N,), bool
        The training chips.
    seed : int

    Returns
    -------
    dict of ndarray of shape (N,), int
        Predicted index into `WEATHER`, by the classifier's name.
    """
    features = statistics[list(HAZE_STATISTICS)].to_numpy()
    if len(np.unique(weather[train])) < 2:
        only = np.full(len(weather), weather[train][0])
        return dict.fromkeys(make_weather_classifiers(seed), only)
    return {
        name: clone(classifier).fit(features[train], weather[train]).predict(features)
        for name, classifier in make_weather_classifiers(seed).items()
    }


def predict_constant(chips: int, tags: str = "clear primary") -> np.ndarray:
    """Give every chip the same tags, as rows of 0 and 1."""
    return np.tile(encode_tags([tags]), (chips, 1))


def find_weather(encoded: np.ndarray) -> np.ndarray:
    """Find the weather of each chip as an index into `WEATHER`; -1 where it has none."""
    weather = encoded[:, : len(WEATHER)]
    return np.where(weather.any(axis=1), weather.argmax(axis=1), -1)
