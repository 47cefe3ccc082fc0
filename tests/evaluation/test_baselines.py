"""Baselines learn the weather from training chips alone; constants and published scores fit."""

import numpy as np
import pandas as pd
import pytest

from planet_lib.data.labels import LABELS, decode_labels
from planet_lib.errors import DataError
from planet_lib.evaluation.baselines import (
    PUBLISHED_F2,
    make_weather_classifiers,
    predict_constant,
    predict_simply,
    predict_weather,
)

CHIPS = 120


@pytest.fixture(scope="module")
def weather() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 4, CHIPS)


@pytest.fixture(scope="module")
def statistics(weather) -> pd.DataFrame:
    """Draw statistics that separate the weather, and noise."""
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "haziness": 0.2 * weather + rng.normal(0, 0.02, CHIPS),
            "airlight": 50.0 * weather + rng.normal(0, 5, CHIPS),
            "noise": rng.random(CHIPS),
        }
    )


@pytest.fixture(scope="module")
def train() -> np.ndarray:
    return np.arange(CHIPS) % 3 > 0


@pytest.fixture(scope="module")
def predicted_weather(statistics, weather, train):
    return predict_weather(statistics, weather, train, seed=0)


def test_every_classifier_learns_separable_weather(predicted_weather, weather, train):
    assert list(predicted_weather) == list(make_weather_classifiers(0))
    for name, predicted in predicted_weather.items():
        assert (predicted[~train] == weather[~train]).mean() > 0.9, name


def test_only_the_weather_of_training_chips_is_used(predicted_weather, statistics, weather, train):
    hidden = np.where(train, weather, -1)
    again = predict_weather(statistics, hidden, train, seed=0)
    for name, predicted in predicted_weather.items():
        np.testing.assert_array_equal(predicted, again[name])


def test_single_weather_among_the_training_chips_is_predicted_everywhere(statistics, train):
    for predicted in predict_weather(statistics, np.full(CHIPS, 2), train, seed=0).values():
        np.testing.assert_array_equal(predicted, 2)


def test_simple_predictions_use_only_the_labels_of_training_chips(statistics, train):
    truth = (np.random.default_rng(1).random((CHIPS, 17)) < 0.3).astype(np.uint8)
    hidden = np.where(train[:, None], truth, 1 - truth)
    left, right = (predict_simply(statistics, t, train, seed=0) for t in (truth, hidden))
    assert len(left) == 2
    for name, predicted in left.items():
        assert predicted.shape == truth.shape
        np.testing.assert_array_equal(predicted, right[name])


@pytest.mark.parametrize("chips", [0, 3])
def test_constant_prediction_is_the_same_for_every_chip(chips):
    assert decode_labels(predict_constant(chips)) == ["clear primary"] * chips
    assert decode_labels(predict_constant(chips, "haze road")) == ["haze road"] * chips


def test_constant_prediction_of_an_unknown_tag_is_an_error():
    with pytest.raises(DataError, match="did you mean 'primary'"):
        predict_constant(1, "clear primery")


def test_published_scores_have_every_label_in_order():
    assert tuple(PUBLISHED_F2) == LABELS
    assert all(0 <= f2 <= 1 for f2 in PUBLISHED_F2.values())
