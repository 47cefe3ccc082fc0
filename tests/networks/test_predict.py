"""Prediction is the mean over the eight views, whatever the network."""

import keras
import numpy as np
import pytest
from keras import layers

from planet_lib.data.labels import LABELS
from planet_lib.networks.batches import VIEWS, read_batch, view_chips
from planet_lib.networks.predict import predict_batches, predict_chips

IMAGE_PX = 8


@pytest.fixture(scope="module")
def network() -> keras.Model:
    """Build a network that depends on pixel positions, so that all views differ."""
    keras.utils.set_random_seed(0)
    chips = keras.Input((IMAGE_PX, IMAGE_PX, 3))
    x = layers.Flatten()(layers.Rescaling(1 / 255)(chips))
    return keras.Model(
        chips,
        {
            "land": layers.Dense(13, activation="sigmoid", name="land")(x),
            "weather": layers.Dense(4, activation="softmax", name="weather")(x),
        },
    )


@pytest.fixture(scope="module")
def store() -> np.ndarray:
    return np.random.default_rng(0).integers(256, size=(5, 32, 32, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def probabilities(network, store) -> np.ndarray:
    return predict_chips(network, store, image_px=IMAGE_PX)


def test_prediction_is_the_mean_over_eight_views(network, store, probabilities):
    chips = read_batch(store, np.arange(len(store)), IMAGE_PX)
    by_view = [network(view_chips(chips, view).copy()) for view in range(VIEWS)]
    rows = [np.hstack([heads["weather"], heads["land"]]) for heads in by_view]
    assert np.ptp(rows, axis=0).max() > 0.1  # the views differ
    np.testing.assert_allclose(probabilities, np.mean(rows, axis=0), atol=1e-6)


def test_prediction_is_in_the_order_of_the_labels(probabilities, store):
    assert probabilities.shape == (len(store), len(LABELS))
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities[:, :4].sum(axis=1), 1, rtol=1e-5)
    assert probabilities.min() >= 0
    assert probabilities.max() <= 1


def test_rotation_and_reflection_change_nothing(network, store, probabilities):
    for view in (3, 6):  # rotated, and mirrored
        turned = predict_chips(network, view_chips(store, view).copy(), image_px=IMAGE_PX)
        np.testing.assert_allclose(turned, probabilities, atol=1e-6)


def test_prediction_does_not_depend_on_the_batch(network, store, probabilities, monkeypatch):
    monkeypatch.setattr("planet_lib.networks.predict.PREDICTION_BATCH", 2)
    in_parts = predict_chips(network, store, image_px=IMAGE_PX)
    np.testing.assert_allclose(in_parts, probabilities, atol=1e-6)


def test_no_chips_give_no_rows(network, store):
    assert predict_chips(network, store[:0], image_px=IMAGE_PX).shape == (0, len(LABELS))


def test_chosen_rows_are_predicted_as_among_all(network, store, probabilities):
    rows = np.array([4, 1])
    chosen = predict_chips(network, store, image_px=IMAGE_PX, rows=rows)
    np.testing.assert_allclose(chosen, probabilities[rows], atol=1e-6)


@pytest.mark.parametrize("count", [1, 4, 7])
def test_batches_are_predicted_as_keras_does(network, count):
    chips = np.random.default_rng(count).integers(0, 256, (count, *network.input_shape[1:]))
    predicted = predict_batches(network, chips, batch_size=3)
    expected = network.predict(chips, verbose=0)
    assert predicted.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(predicted[name], values, atol=1e-6)
