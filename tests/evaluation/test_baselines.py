"""Baselines: they learn what can be learnt, from training chips alone."""

import numpy as np
import pandas as pd
import pytest

from planet_lib.data.labels import INDEX, decode_labels, encode_tags
from planet_lib.errors import DataError
from planet_lib.evaluation.baselines import (
    find_weather,
    make_weather_classifiers,
    predict_constant,
    predict_weather,
)
from planet_lib.features.trees import predict_with_trees

CHIPS = 120


@pytest.fixture(scope="module")
def weather() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 4, CHIPS)


@pytest.fixture(scope="module")
def statistics(weather) -> pd.DataFrame:
    """Give statistics that tell the weather, and noise."""
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
def encoded(weather) -> np.ndarray:
    """Give labels of which the weather can be learnt; all have primary, none blow_down."""
    rows = np.eye(17, dtype=np.uint8)[weather]
    rows[:, INDEX["primary"]] = 1
    return rows


@pytest.fixture(scope="module")
def predicted_weather(statistics, weather, train):
    return predict_weather(statistics, weather, train, seed=0)


@pytest.fixture(scope="module")
def tree_answers(statistics, encoded, train):
    return predict_with_trees(statistics, encoded, train, seed=0)


def test_every_classifier_learns_separable_weather(predicted_weather, weather, train):
    assert list(predicted_weather) == list(make_weather_classifiers(0))
    for name, predicted in predicted_weather.items():
        assert (predicted[~train] == weather[~train]).mean() > 0.9, name


def test_weather_of_other_than_training_chips_is_not_used(
    predicted_weather, statistics, weather, train
):
    hidden = np.where(train, weather, -1)
    again = predict_weather(statistics, hidden, train, seed=0)
    for name, predicted in predicted_weather.items():
        np.testing.assert_array_equal(predicted, again[name])


def test_one_weather_to_learn_from_is_the_answer(statistics, train):
    for predicted in predict_weather(statistics, np.full(CHIPS, 2), train, seed=0).values():
        np.testing.assert_array_equal(predicted, 2)


def test_trees_learn_separable_labels(tree_answers, encoded, train):
    assert tree_answers.shape == (CHIPS, 17)
    assert tree_answers.dtype == np.float32
    assert (
        tree_answers[~train, :4].argmax(axis=1) == encoded[~train, :4].argmax(axis=1)
    ).mean() > 0.9


def test_trees_are_sure_of_labels_that_all_or_no_chips_have(tree_answers):
    np.testing.assert_array_equal(tree_answers[:, INDEX["primary"]], 1)
    np.testing.assert_array_equal(tree_answers[:, INDEX["blow_down"]], 0)
    assert tree_answers.min() >= 0
    assert tree_answers.max() <= 1


def test_labels_of_other_than_training_chips_are_not_used(tree_answers, statistics, encoded, train):
    hidden = np.where(train[:, None], encoded, 1 - encoded)
    again = predict_with_trees(statistics, hidden, train, seed=0)
    np.testing.assert_array_equal(tree_answers, again)


@pytest.mark.parametrize("chips", [0, 3])
def test_constant_answer_is_the_same_for_every_chip(chips):
    assert decode_labels(predict_constant(chips)) == ["clear primary"] * chips
    assert decode_labels(predict_constant(chips, "haze road")) == ["haze road"] * chips


def test_constant_answer_of_an_unknown_tag_is_an_error():
    with pytest.raises(DataError, match="did you mean 'primary'"):
        predict_constant(1, "clear primery")


def test_weather_of_a_chip_is_its_index_or_minus_one():
    tags = ["clear primary", "cloudy", "water", "haze", "partly_cloudy road"]
    np.testing.assert_array_equal(find_weather(encode_tags(tags)), [0, 3, -1, 2, 1])
