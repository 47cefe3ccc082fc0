"""Label weights: their size, their effect on the loss, and their removal after training."""

import keras
import numpy as np
import pytest

from planet_lib.data.labels import LABELS
from planet_lib.networks.architectures import build_model
from planet_lib.training.loss import (
    compute_label_weights,
    remove_label_weights,
    weigh_cross_entropy,
)

CHIP_PX = 32
SMALLEST = {"blocks": [], "filters": 4}


@pytest.mark.parametrize("limit", [1.0, 3.0, 100.0])
def test_label_weights_are_the_root_of_the_odds_against_within_bounds(limit):
    encoded = np.zeros((100, len(LABELS)), np.uint8)
    for label, positives in enumerate((0, 1, 4, 20, 50, 90, 100)):
        encoded[:positives, label] = 1
    weights = compute_label_weights(encoded, limit=limit)
    assert weights.dtype == np.float32
    assert weights.min() >= 1
    assert weights.max() <= limit
    expected = [10, 99**0.5, 24**0.5, 2, 1, 1, 1]
    np.testing.assert_allclose(weights[:7], np.minimum(expected, limit), rtol=1e-6)


@pytest.fixture
def truth() -> np.ndarray:
    return np.eye(4, dtype=np.float32)[[0, 3, 1, 0, 2]]


@pytest.fixture
def predicted() -> np.ndarray:
    return np.random.default_rng(0).dirichlet(np.ones(4), 5).astype(np.float32)


@pytest.mark.parametrize(
    ("head", "reference", "labels"),
    [
        ("weather", keras.losses.categorical_crossentropy, 1),
        ("land", keras.losses.binary_crossentropy, 4),  # Keras takes the mean over the labels
    ],
)
def test_loss_without_weights_is_that_of_keras(truth, predicted, head, reference, labels):
    loss = weigh_cross_entropy(head, np.ones(4, np.float32))(truth, predicted)
    np.testing.assert_allclose(loss, labels * np.asarray(reference(truth, predicted)), rtol=1e-4)


@pytest.mark.parametrize("head", ["weather", "land"])
def test_weight_multiplies_the_loss_of_its_positives_alone(truth, predicted, head):
    weights = np.array([3, 1, 1, 1], np.float32)
    plain, weighted = (
        np.asarray(weigh_cross_entropy(head, w)(truth, predicted))
        for w in (np.ones(4, np.float32), weights)
    )
    expected = np.where(truth[:, 0] == 1, -2 * np.log(predicted[:, 0]), 0)
    np.testing.assert_allclose(weighted - plain, expected, atol=1e-5)


def test_weights_are_removed_from_the_odds_exactly():
    keras.utils.set_random_seed(3)
    network = build_model("densenet", CHIP_PX, **SMALLEST)
    chips = np.random.default_rng(3).integers(256, size=(5, CHIP_PX, CHIP_PX, 3), dtype=np.uint8)
    weights = np.linspace(1, 9, len(LABELS), dtype=np.float32)
    before = {name: np.asarray(head, float) for name, head in network(chips).items()}
    remove_label_weights(network, weights)
    after = {name: np.asarray(head, float) for name, head in network(chips).items()}
    odds = before["land"] / (1 - before["land"]) / weights[4:]
    np.testing.assert_allclose(after["land"], odds / (1 + odds), rtol=1e-5)
    shares = before["weather"] / weights[:4]
    np.testing.assert_allclose(
        after["weather"], shares / shares.sum(axis=1, keepdims=True), rtol=1e-5
    )


def test_weights_of_one_change_nothing():
    network = build_model("densenet", CHIP_PX, **SMALLEST)
    before = [weight.copy() for weight in network.get_weights()]
    remove_label_weights(network, np.ones(len(LABELS), np.float32))
    for left, right in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("head", ["weather", "land"])
def test_unknown_labels_add_nothing_to_the_loss(truth, predicted, head):
    loss = weigh_cross_entropy(head, np.full(4, 2, np.float32))
    unknown = np.full_like(truth, -1)
    np.testing.assert_array_equal(loss(unknown, predicted), 0)
    half = np.where(np.arange(4) < 2, truth, -1).astype(np.float32)
    weights = np.full(2, 2, np.float32)
    of_known = weigh_cross_entropy(head, weights)(truth[:, :2], predicted[:, :2])
    np.testing.assert_allclose(loss(half, predicted), of_known, rtol=1e-5)


def test_label_weights_count_only_known_chips():
    encoded = np.full((100, len(LABELS)), -1, np.int8)
    encoded[:20, 0], encoded[:4, 0] = 0, 1
    weights = compute_label_weights(encoded, limit=9)
    assert weights[0] == 2
    assert (weights[1:] == 1).all()
