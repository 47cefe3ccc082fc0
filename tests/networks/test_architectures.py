"""The networks: their heads, sizes, inputs and options."""

import functools

import keras
import numpy as np
import pytest
from keras import layers

from planet_lib.data.labels import LABELS, LAND, WEATHER
from planet_lib.errors import ConfigError
from planet_lib.networks.architectures import MODELS, build_model

IMAGE_PX = 32
TINY = {"blocks": [1], "growth": 4, "filters": 4}
DENSENET121_PARAMETERS = 7_037_504  # without its top, as keras.applications documents it
HEAD_PARAMETERS = 1024 * len(LABELS) + len(LABELS)
every_network = pytest.mark.parametrize(
    "name",
    [pytest.param(x, marks=[pytest.mark.slow] * (x == "densenet121")) for x in sorted(MODELS)],
)


@pytest.fixture(scope="module")
def build():
    """Give a function that builds each network once."""

    @functools.cache
    def build(name: str, channels: int = 3) -> keras.Model:
        keras.utils.set_random_seed(0)
        return build_model(name, IMAGE_PX, channels=channels)

    return build


def draw_chips(channels: int = 3) -> np.ndarray:
    shape = (2, IMAGE_PX, IMAGE_PX, channels)
    return np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8)


def predict(network: keras.Model, chips: np.ndarray) -> dict[str, np.ndarray]:
    return {name: np.asarray(head) for name, head in network(chips, training=False).items()}


@every_network
@pytest.mark.parametrize("channels", [3, 6])
def test_heads_return_probabilities_for_one_and_two_pictures(build, name, channels):
    heads = predict(build(name, channels), draw_chips(channels))
    assert heads["weather"].shape == (2, len(WEATHER))
    assert heads["land"].shape == (2, len(LAND))
    for head in heads.values():
        assert head.dtype == np.float32
        assert head.min() >= 0
        assert head.max() <= 1
    np.testing.assert_allclose(heads["weather"].sum(axis=1), 1, rtol=1e-5)


@every_network
def test_input_is_scaled_inside_the_network(build, name):
    network, chips = build(name), draw_chips()
    from_bytes = predict(network, chips)
    from_floats = predict(network, chips.astype(np.float32))
    from_shares = predict(network, chips / np.float32(255))
    for head, probabilities in from_bytes.items():
        np.testing.assert_array_equal(probabilities, from_floats[head])
    assert not np.allclose(from_bytes["weather"], from_shares["weather"], atol=1e-6)


@pytest.mark.slow
def test_densenet121_has_the_documented_number_of_weights(build):
    assert build("densenet121").count_params() == DENSENET121_PARAMETERS + HEAD_PARAMETERS


def test_batch_normalisation_follows_small_data_sets(build):
    for name in ("cnn", "densenet", "resnet"):
        found = [x for x in build(name).layers if isinstance(x, layers.BatchNormalization)]
        assert found
        assert all(layer.momentum == 0.9 for layer in found)


def test_options_reach_the_builder():
    tiny = build_model("densenet", IMAGE_PX, **TINY)
    assert tiny.get_layer("stem").filters == 4
    assert tiny.get_layer("block1_1_conv").filters == 4
    assert "block1_2_conv" not in {layer.name for layer in tiny.layers}


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("densnet", "did you mean 'densenet'?"),
        ("vgg", "allowed: cnn, densenet, densenet121, resnet"),
    ],
)
def test_unknown_network_is_refused_with_a_suggestion(name, suggestion):
    with pytest.raises(ConfigError) as refused:
        build_model(name, IMAGE_PX)
    assert repr(name) in str(refused.value)
    assert suggestion in str(refused.value)


@pytest.mark.parametrize(
    ("name", "options", "word"),
    [
        ("densenet", {"grwth": 4}, "grwth"),
        ("cnn", {"growth": 4}, "growth"),
        ("densenet", {"blocks": 3}, "densenet"),
        ("densenet", {"dropout": 2}, "densenet"),
        ("densenet", {"filters": 0}, "densenet"),
        ("densenet121", {"weights": "imagnet"}, "allowed: null, imagenet"),
        ("densenet121", {"weights": "imagenet", "channels": 6}, "takes 3 channels"),
    ],
)
def test_wrong_option_is_refused_by_name(name, options, word):
    with pytest.raises(ConfigError, match=word):
        build_model(name, IMAGE_PX, **options)


def test_failed_download_of_weights_names_the_cure(monkeypatch):
    def fail(**_):
        raise Exception("URL fetch failure on https://…: None -- Name or service not known")

    monkeypatch.setattr(keras.applications, "DenseNet121", fail)
    with pytest.raises(ConfigError, match=r"imagenet.*go online"):
        build_model("densenet121", IMAGE_PX, weights="imagenet")


def test_keras_raises_a_plain_exception_if_a_download_fails(monkeypatch):
    def fail(*_, **__):
        raise keras.src.utils.file_utils.urllib.error.URLError("offline")

    monkeypatch.setattr(keras.src.utils.file_utils, "urlretrieve", fail)
    with pytest.raises(Exception, match="URL fetch failure") as raised:
        keras.utils.get_file("no.h5", "https://example.invalid/no.h5", force_download=True)
    assert type(raised.value) is Exception
