"""Extra trees learn labels from training chips alone, and give a probability for every label."""

import numpy as np
import pandas as pd
import pytest

from planet_lib.data.labels import INDEX
from planet_lib.features.trees import predict_with_trees

CHIPS = 120
TRAIN = np.arange(CHIPS) % 3 > 0


@pytest.fixture(scope="module")
def encoded() -> np.ndarray:
    """Draw labels with a weather to be learned; all chips have primary, none blow_down."""
    rows = np.eye(17, dtype=np.uint8)[np.random.default_rng(0).integers(0, 4, CHIPS)]
    rows[:, INDEX["primary"]] = 1
    return rows


@pytest.fixture(scope="module")
def features(encoded) -> pd.DataFrame:
    """Draw a feature that separates the weather, and noise."""
    rng = np.random.default_rng(1)
    weather = encoded[:, :4].argmax(axis=1)
    return pd.DataFrame(
        {"haziness": 0.2 * weather + rng.normal(0, 0.02, CHIPS), "noise": rng.random(CHIPS)}
    )


@pytest.fixture(scope="module")
def probabilities(features, encoded):
    return predict_with_trees(features, encoded, TRAIN, seed=0, trees=100)


def test_separable_labels_are_learned(probabilities, encoded):
    assert probabilities.shape == (CHIPS, 17)
    assert probabilities.dtype == np.float32
    weather = [rows[~TRAIN, :4].argmax(axis=1) for rows in (probabilities, encoded)]
    assert (weather[0] == weather[1]).mean() > 0.9


def test_label_on_all_or_no_chips_is_certain(probabilities):
    np.testing.assert_array_equal(probabilities[:, INDEX["primary"]], 1)
    np.testing.assert_array_equal(probabilities[:, INDEX["blow_down"]], 0)
    assert probabilities.min() >= 0
    assert probabilities.max() <= 1


def test_only_labels_of_training_chips_are_used(probabilities, features, encoded):
    hidden = np.where(TRAIN[:, None], encoded, 1 - encoded)
    again = predict_with_trees(features, hidden, TRAIN, seed=0, trees=100)
    np.testing.assert_array_equal(probabilities, again)


@pytest.mark.parametrize("known", [["haze"], ["haze", "primary"]])
def test_labels_that_are_not_known_have_no_probability(features, encoded, known):
    columns = [INDEX[label] for label in known]
    masked = np.full(encoded.shape, -1, np.int8)
    masked[:, columns] = encoded[:, columns]
    predicted = predict_with_trees(features, masked, TRAIN, seed=0, trees=20)
    assert np.isnan(np.delete(predicted, columns, axis=1)).all()
    haze = predicted[~TRAIN, INDEX["haze"]]
    assert ((haze >= 0.5) == (encoded[~TRAIN, INDEX["haze"]] == 1)).mean() > 0.9
