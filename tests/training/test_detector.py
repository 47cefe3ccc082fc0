"""The mine detector: its head, its training and the mean of several, on bright and dark chips."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from planet_lib.data.labels import MINE
from planet_lib.networks.batches import view_chips
from planet_lib.training import detector
from planet_lib.training.detector import (
    RIDGE_C,
    augment_chips,
    average_networks,
    build_detector,
    embed_frozen,
    fine_tune,
    fit_head,
)

IMAGE_PX = 32
CHIPS = 48


@pytest.fixture(scope="module")
def examples():
    """Give chips of noise, and which of them have a bright square as a mine."""
    rng = np.random.default_rng(0)
    chips = rng.integers(20, 120, (CHIPS, 48, 48, 3), dtype=np.uint8)
    mines = np.arange(CHIPS) % 3 == 0
    for chip in chips[mines]:
        row, column = rng.integers(4, 28, 2)
        chip[row : row + 16, column : column + 16] += 130
    return chips, mines


@pytest.fixture(scope="module")
def build():
    """Give the builder of a small network that needs no downloaded weights."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(detector, "load_imagenet_weights", lambda backbone: None)
        yield lambda variant: build_detector(variant, IMAGE_PX)


@pytest.fixture(scope="module")
def network(build):
    return build("efficientnet_lite0")


def predict(network, chips):
    return network.predict(chips, verbose=0)[MINE][:, 0]


@pytest.mark.slow
def test_head_is_a_logistic_regression_on_the_features(network, examples):
    chips, mines = examples
    features = embed_frozen(network, chips)
    fit_head(network, features, mines)
    reference = make_pipeline(StandardScaler(), LogisticRegression(C=RIDGE_C, max_iter=300))
    reference.fit(np.concatenate(list(features)), np.concatenate([mines, mines]))
    expected = reference.predict_proba(features[0])[:, 1]
    np.testing.assert_allclose(predict(network, chips), expected, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variant", "last_frozen", "first_trained"),
    [("efficientnet_lite0", 2, 3), ("efficientnet_lite2", 3, 4)],
)
def test_training_lowers_the_loss_and_leaves_the_first_stages_and_norms(
    variant, last_frozen, first_trained, build, examples, monkeypatch
):
    chips, mines = examples
    monkeypatch.setattr(detector, "BATCH_SIZE", 16)
    monkeypatch.setattr(detector, "WARM_UP_STEPS", 2)
    monkeypatch.setattr(detector, "LEARNING_RATE", 3e-3)
    network = build(variant)
    backbone = network.get_layer(variant)
    frozen = ("conv_stem", f"blocks_{last_frozen}_project_conv", "blocks_9_bn1")
    before = {name: backbone.get_layer(name).get_weights() for name in frozen}
    first = backbone.get_layer(f"blocks_{first_trained}_expand_conv")
    (untrained,) = first.get_weights()
    guess = np.full(len(chips), 0.5)
    losses = fine_tune(network, chips, mines, guess, seed=1, epochs=6)
    for name in frozen:
        for old, new in zip(before[name], backbone.get_layer(name).get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)
    assert (first.get_weights()[0] != untrained).any()
    assert losses[-1] < losses[0]


@pytest.mark.slow
def test_mean_of_networks_is_the_mean_of_their_predictions(build, examples):
    chips, _ = examples
    networks = [build("efficientnet_lite0"), build("efficientnet_lite2")]
    expected = np.mean([predict(network, chips) for network in networks], axis=0)
    np.testing.assert_allclose(predict(average_networks(networks), chips), expected, atol=5e-3)


def test_augmented_chips_stay_in_range_and_leave_the_input(examples):
    chips = examples[0].copy()
    augmented = augment_chips(chips, np.random.default_rng(3))
    assert augmented.shape == chips.shape
    assert augmented.min() >= 0
    assert augmented.max() <= 255
    assert not np.allclose(augmented, chips, atol=20)
    np.testing.assert_array_equal(chips, examples[0])


def test_a_constant_chip_keeps_its_shape_of_colours_up_to_gain_and_haze():
    chips = np.full((20, 48, 48, 3), 90, np.uint8)
    augmented = augment_chips(chips, np.random.default_rng(0))
    np.testing.assert_allclose(augmented.std(axis=(1, 2)), 0, atol=0.01)


@pytest.mark.slow
def test_views_of_a_chip_are_embedded_apart(network, examples):
    chips, _ = examples
    features = embed_frozen(network, chips)
    turned = embed_frozen(network, view_chips(chips, 6).copy())
    np.testing.assert_allclose(features[1], turned[0], atol=1e-5)
