"""Kernel ridge regression: the closed form, ranks of features only, training labels only."""

import numpy as np
import pytest
from scipy.special import ndtri

from planet_lib.features.ridge import measure_similarity, predict_with_ridge

CHIPS, FEATURES = 90, 3
TRAIN = np.arange(CHIPS) % 3 > 0


@pytest.fixture
def features() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(CHIPS, FEATURES))


@pytest.fixture
def encoded(features) -> np.ndarray:
    """Draw labels that the first feature determines, one on all chips and the others on none."""
    encoded = np.zeros((CHIPS, 17), np.uint8)
    encoded[:, 0] = features[:, 0] > 0
    encoded[:, 1] = 1
    return encoded


def test_predictions_equal_the_closed_form(features, encoded):
    ranks = features[TRAIN].argsort(axis=0).argsort(axis=0) / (TRAIN.sum() - 1)
    normal = ndtri(ranks.clip(1e-7, 1 - 1e-7))
    distances = ((normal[:, None] - normal) ** 2).sum(axis=-1)
    kernel = np.exp(-0.1 / FEATURES * distances)
    mean = encoded[TRAIN].mean(axis=0)
    weights = np.linalg.solve(kernel + 0.3 * np.eye(TRAIN.sum()), encoded[TRAIN] - mean)
    expected = (kernel @ weights + mean).clip(0, 1)
    predicted = predict_with_ridge(features, encoded, TRAIN)
    np.testing.assert_allclose(predicted[TRAIN], expected, atol=0.01)


def test_separable_label_is_learned_and_a_constant_one_is_certain(features, encoded):
    predicted = predict_with_ridge(features, encoded, TRAIN)
    assert predicted.shape == (CHIPS, 17)
    assert predicted.dtype == np.float32
    right = (predicted[~TRAIN, 0] > 0.5) == encoded[~TRAIN, 0]
    assert right.mean() > 0.85
    np.testing.assert_allclose(predicted[:, 1], 1, atol=1e-6)
    np.testing.assert_allclose(predicted[:, 2:], 0, atol=1e-6)


def test_units_of_a_feature_do_not_matter(features, encoded):
    scaled = features * [1e-2, 1, 1e6] + 5
    np.testing.assert_allclose(
        predict_with_ridge(scaled, encoded, TRAIN),
        predict_with_ridge(features, encoded, TRAIN),
        atol=1e-4,
    )


def test_only_labels_of_training_chips_are_used(features, encoded):
    hidden = np.where(TRAIN[:, None], encoded, 1 - encoded)
    np.testing.assert_array_equal(
        predict_with_ridge(features, hidden, TRAIN), predict_with_ridge(features, encoded, TRAIN)
    )


def test_similarity_is_one_for_a_chip_itself_and_falls_with_distance(features):
    similarity = measure_similarity(features, TRAIN)
    assert similarity.shape == (CHIPS, TRAIN.sum())
    np.testing.assert_allclose(similarity[TRAIN].diagonal(), 1)
    assert similarity.min() > 0
    first = np.flatnonzero(TRAIN)[0]
    ranks = features[TRAIN].argsort(axis=0).argsort(axis=0)
    distances = np.abs(ranks - ranks[0]).sum(axis=1)
    assert similarity[first, distances.argmin()] > similarity[first, distances.argmax()]


def test_similarity_is_the_kernel_of_the_ridge(features, encoded):
    kernel = measure_similarity(features, TRAIN)
    mean = encoded[TRAIN].mean(axis=0)
    weights = np.linalg.solve(kernel[TRAIN] + 0.3 * np.eye(TRAIN.sum()), encoded[TRAIN] - mean)
    expected = (kernel @ weights + mean).clip(0, 1)
    np.testing.assert_allclose(predict_with_ridge(features, encoded, TRAIN), expected, atol=1e-5)
