"""Fused batch normalisation trains as Keras' own, and its weights return to Keras' layers."""

import keras
import numpy as np
import pytest

from planet_lib.networks.architectures import build_model
from planet_lib.networks.batch_norm import FusedBatchNormalization, fuse_batch_norms

CHIPS_PX = 32


def build_network() -> keras.Model:
    keras.utils.set_random_seed(0)
    return build_model("densenet", CHIPS_PX, blocks=[1], growth=4, filters=4, dropout=0.0)


def count_fused(network: keras.Model) -> int:
    return sum(
        isinstance(layer, FusedBatchNormalization)
        for layer in network._flatten_layers(include_self=False)
    )


@pytest.fixture
def chips() -> np.ndarray:
    return np.random.default_rng(0).integers(256, size=(16, CHIPS_PX, CHIPS_PX, 3), dtype=np.uint8)


def predict(network: keras.Model, chips: np.ndarray, *, training: bool) -> np.ndarray:
    heads = network(chips, training=training)
    return np.hstack([heads["weather"], heads["land"]])


@pytest.mark.parametrize("training", [False, True])
def test_copy_predicts_as_the_network_does(chips, training):
    network = build_network()
    copy = fuse_batch_norms(network)
    assert count_fused(copy) == 4
    expected = predict(network, chips, training=training)
    np.testing.assert_allclose(predict(copy, chips, training=training), expected, atol=1e-5)


def test_moving_averages_are_those_of_keras_except_for_the_sample_variance():
    features = np.random.default_rng(1).normal(2, 3, (4, 5, 5, 2)).astype(np.float32)
    plain = keras.layers.BatchNormalization(momentum=0.6)
    fused = FusedBatchNormalization(momentum=0.6)
    for layer in (plain, fused):
        layer(features, training=True)
    np.testing.assert_allclose(fused.moving_mean, plain.moving_mean, rtol=1e-5)
    variance = features.var(axis=(0, 1, 2), ddof=1)
    np.testing.assert_allclose(fused.moving_variance, 0.6 + 0.4 * variance, rtol=1e-5)


@pytest.mark.slow
def test_copy_learns_as_the_network_does(chips):
    truth = {
        "weather": np.eye(4, dtype=np.float32)[np.arange(16) % 4],
        "land": np.tile(np.eye(13, dtype=np.float32)[:1], (16, 1)),
    }
    network = build_network()
    copy = fuse_batch_norms(network)
    losses = []
    for trained in (network, copy):
        trained.compile(keras.optimizers.SGD(0.01), loss="mse")
        trained.fit(chips, truth, batch_size=16, epochs=4, verbose=0)
        losses.append(trained.history.history["loss"])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-3)
    for one, other in zip(network.trainable_variables, copy.trainable_variables, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3)


def test_weights_return_to_layers_of_keras(chips, tmp_path):
    network = build_network()
    copy = fuse_batch_norms(network)
    predict(copy, chips, training=True)  # moves the averages
    network.set_weights(copy.get_weights())
    network.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_allclose(
        predict(loaded, chips, training=False), predict(copy, chips, training=False), atol=1e-6
    )


def test_nested_network_is_fused_completely_and_the_original_is_unchanged():
    inner = keras.Sequential([keras.Input((4, 4, 2)), keras.layers.BatchNormalization()])
    chips = keras.Input((4, 4, 2))
    network = keras.Model(chips, keras.layers.BatchNormalization()(inner(chips)))
    assert count_fused(fuse_batch_norms(network)) == 2
    assert count_fused(network) == 0


def test_frozen_layer_keeps_its_averages():
    layer = FusedBatchNormalization()
    layer.build((None, 4, 4, 2))
    layer.trainable = False
    layer(np.full((2, 4, 4, 2), 9, np.float32), training=True)
    np.testing.assert_array_equal(layer.moving_mean, [0, 0])
