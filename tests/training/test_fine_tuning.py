"""Fine-tuning: every fit starts from the pretrained network, and shared maps change nothing."""

import keras
import numpy as np
import pytest

from planet_lib.data.labels import encode_tags
from planet_lib.networks.architectures import build_model
from planet_lib.networks.batches import VIEWS, view_chips
from planet_lib.networks.files import save_model
from planet_lib.training import fine_tuning
from planet_lib.training.fine_tuning import FineTuner, compute_maps

CHIPS, CHIP_PX = 24, 32
BRIGHT = np.arange(CHIPS) % 2 == 0
ENCODED = encode_tags(np.where(BRIGHT, "clear primary", "haze water"))


@pytest.fixture(scope="module")
def chips() -> np.ndarray:
    noise = np.random.default_rng(0).integers(-30, 30, (CHIPS, CHIP_PX, CHIP_PX, 6))
    return (np.where(BRIGHT, 200, 40)[:, None, None, None] + noise).astype(np.uint8)


@pytest.fixture(scope="module", autouse=True)
def network(tmp_path_factory) -> keras.Model:
    """Use a pretrained network with few weights."""
    folder = tmp_path_factory.mktemp("pretrained")
    keras.utils.set_random_seed(0)
    network = build_model("resnet", CHIP_PX, channels=6, widths=(4, 4, 4, 4), dropout=0.2)
    save_model(network, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fine_tuning, "PRETRAINED", folder)
        yield network


@pytest.fixture(scope="module")
def maps(chips, network) -> np.ndarray:
    return compute_maps(chips)


def choose(*left_out: int) -> np.ndarray:
    return ~np.isin(np.arange(CHIPS), left_out)


def test_maps_are_those_of_each_view(maps, chips, network):
    shared = keras.Model(network.input, network.get_layer(fine_tuning.LAST_SHARED).output)
    for view in range(VIEWS):
        expected = shared(view_chips(chips, view).copy(), training=False)
        np.testing.assert_allclose(maps[:, view], expected, atol=0.01)


def test_features_from_the_maps_are_those_of_the_chips(maps, chips, network):
    features = FineTuner(maps, ENCODED, epochs=1).embed()
    ends = [network.get_layer("features").output, *map(network.output.get, ("weather", "land"))]
    whole = keras.Model(network.input, keras.layers.Concatenate()(ends))
    views = [whole(view_chips(chips, view).copy(), training=False) for view in range(VIEWS)]
    np.testing.assert_allclose(features, np.mean(views, axis=0), atol=0.01)


@pytest.mark.slow
def test_each_fit_starts_from_the_pretrained_network_with_its_own_seed(maps):
    tuner = FineTuner(maps, ENCODED, epochs=2)
    train, other = choose(0, 1, 2), choose(*range(8, 20))  # of different steps an epoch
    before = tuner.embed()
    first = tuner.predict(train, seed=3)
    tuner.predict(other, seed=4)
    np.testing.assert_array_equal(tuner.predict(train, seed=3), first)
    assert np.abs(tuner.predict(train, seed=4) - first).max() > 1e-4
    np.testing.assert_array_equal(tuner.embed(), before)


@pytest.mark.slow
def test_separable_labels_are_learned_and_training_chips_left_out(maps, monkeypatch):
    monkeypatch.setattr(fine_tuning, "LEARNING_RATE", 0.02)
    monkeypatch.setattr(fine_tuning, "BATCH_SIZE", 4)
    left_out = [3, 8, 13]
    predicted = FineTuner(maps, ENCODED, epochs=30).predict(choose(*left_out), seed=0)
    assert ((predicted[left_out] >= 0.5) == ENCODED[left_out]).all()
    assert not np.delete(predicted, left_out, axis=0).any()
