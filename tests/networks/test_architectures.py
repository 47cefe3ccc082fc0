"""Networks: their heads, sizes, options and files, and what must not be loaded."""

import keras
import numpy as np
import pytest
from keras import layers

from planet_lib.data.labels import LABELS, LAND, WEATHER
from planet_lib.errors import ConfigError, DataError
from planet_lib.networks.architectures import MODELS, build_model
from planet_lib.networks.files import load_model, save_model

IMAGE_PX = 32
TINY = {"blocks": [1], "growth": 4, "filters": 4}
DENSENET121_PARAMETERS = 7_037_504  # without its top, as keras.applications documents it
HEAD_PARAMETERS = 1024 * len(LABELS) + len(LABELS)


@pytest.fixture(scope="module")
def chips() -> np.ndarray:
    return np.random.default_rng(0).integers(256, size=(2, IMAGE_PX, IMAGE_PX, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def networks() -> dict[str, keras.Model]:
    keras.utils.set_random_seed(0)
    return {name: build_model(name, IMAGE_PX) for name in MODELS}


@pytest.fixture(scope="module")
def tiny() -> keras.Model:
    keras.utils.set_random_seed(0)
    return build_model("densenet", IMAGE_PX, **TINY)


def answer(network: keras.Model, chips: np.ndarray) -> dict[str, np.ndarray]:
    return {name: np.asarray(head) for name, head in network(chips, training=False).items()}


def assert_refused(path, *words: str) -> None:
    with pytest.raises(DataError) as refused:
        load_model(path)
    message = str(refused.value)
    assert str(path) in message
    assert "\n" not in message
    assert all(word in message for word in words)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_heads_answer_with_probabilities(networks, chips, name):
    heads = answer(networks[name], chips)
    assert heads["weather"].shape == (2, len(WEATHER))
    assert heads["land"].shape == (2, len(LAND))
    for head in heads.values():
        assert head.dtype == np.float32
        assert head.min() >= 0
        assert head.max() <= 1
    np.testing.assert_allclose(heads["weather"].sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_network_takes_two_pictures_of_a_chip(name):
    network = build_model(name, IMAGE_PX, channels=6)
    pair = np.zeros((2, IMAGE_PX, IMAGE_PX, 6), np.uint8)
    assert answer(network, pair)["land"].shape == (2, len(LAND))


def test_pretrained_weights_take_one_picture_only():
    with pytest.raises(ConfigError, match="imagenet has 3 channels, the input 6; use null"):
        build_model("densenet121", IMAGE_PX, channels=6, weights="imagenet")


def test_densenet121_is_the_true_one(networks):
    assert networks["densenet121"].count_params() == DENSENET121_PARAMETERS + HEAD_PARAMETERS


def test_batch_normalisation_follows_small_sets(networks):
    for name in ("cnn", "densenet"):
        found = [x for x in networks[name].layers if isinstance(x, layers.BatchNormalization)]
        assert found
        assert all(layer.momentum == 0.9 for layer in found)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_input_is_scaled_inside_the_network(networks, chips, name):
    as_bytes = answer(networks[name], chips)
    as_floats = answer(networks[name], chips.astype(np.float32))
    as_shares = answer(networks[name], chips / np.float32(255))
    for head, probabilities in as_bytes.items():
        np.testing.assert_array_equal(probabilities, as_floats[head])
    assert not np.allclose(as_bytes["weather"], as_shares["weather"], atol=1e-6)
    assert networks[name].get_layer("scale").scale == (1 / 127.5 if name == "resnet" else 1 / 255)


def test_options_reach_the_builder(tiny, networks):
    assert tiny.get_layer("stem").filters == 4
    assert tiny.get_layer("block1_1_conv").filters == 4
    assert tiny.count_params() < networks["densenet"].count_params()


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
        ("densenet121", {"weights": "imagnet"}, "allowed: null, imagenet"),
    ],
)
def test_wrong_option_is_refused_by_name(name, options, word):
    with pytest.raises(ConfigError, match=word):
        build_model(name, IMAGE_PX, **options)


@pytest.mark.parametrize("options", [{"growth": -1}, {"dropout": 2}, {"filters": 0}])
def test_option_out_of_range_is_refused(options):
    with pytest.raises(ConfigError, match="densenet"):
        build_model("densenet", IMAGE_PX, **TINY | options)


@pytest.mark.parametrize(
    "error",
    [
        OSError("no route to host"),
        Exception("URL fetch failure on https://…: None -- Name or service not known"),
    ],
    ids=["OSError", "as get_file raises it"],
)
def test_weights_that_cannot_be_downloaded_are_a_mistake_in_the_profile(monkeypatch, error):
    def fail(**_):
        raise error

    monkeypatch.setattr(keras.applications, "DenseNet121", fail)
    with pytest.raises(ConfigError, match=r"imagenet.*go online"):
        build_model("densenet121", IMAGE_PX, weights="imagenet")


def test_offline_download_fails_as_simulated(monkeypatch):
    def fail(*_, **__):
        raise keras.src.utils.file_utils.urllib.error.URLError("offline")

    monkeypatch.setattr(keras.src.utils.file_utils, "urlretrieve", fail)
    with pytest.raises(Exception, match="URL fetch failure") as raised:
        keras.utils.get_file("no.h5", "https://example.invalid/no.h5", force_download=True)
    assert type(raised.value) is Exception


def test_saved_files_load_with_plain_keras_and_answer_the_same(tiny, chips, tmp_path):
    files = save_model(tiny, tmp_path)
    assert [file.name for file in files] == ["model.keras", "b01_dense121.h5"]
    expected = answer(tiny, chips)
    for file in files:
        for loaded in (keras.saving.load_model(file, compile=False), load_model(file)):
            for head, probabilities in answer(loaded, chips).items():
                np.testing.assert_array_equal(probabilities, expected[head])


@pytest.mark.parametrize("name", ["model.keras", "b00_cnn.h5"])
def test_missing_file_is_refused(tmp_path, name):
    assert_refused(tmp_path / name)


@pytest.mark.parametrize("position", [0, 1], ids=["keras", "h5"])
@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_truncated_file_is_refused(tiny, tmp_path, position, share):
    path = save_model(tiny, tmp_path)[position]
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert_refused(path)


@pytest.mark.parametrize(
    ("position", "mark"), [(0, b"model.weights.h5"), (1, b"SNOD")], ids=["keras", "h5"]
)
def test_damaged_file_is_refused(tiny, tmp_path, position, mark):
    path = save_model(tiny, tmp_path)[position]
    content = bytearray(path.read_bytes())
    start = content.index(mark) + (len(mark) if position == 0 else 0)
    content[start : start + 600] = b"\xff" * 600
    path.write_bytes(content)
    assert_refused(path)


@pytest.mark.parametrize("name", ["code.keras", "code.h5"])
def test_code_in_a_file_is_never_run(tmp_path, name):
    chips = keras.Input((IMAGE_PX, IMAGE_PX, 3))
    heads = {
        "weather": layers.Lambda(lambda x: x[:, 0, :4, 0])(chips),
        "land": layers.Lambda(lambda x: x[:, 0, :13, 0])(chips),
    }
    keras.Model(chips, heads).save(tmp_path / name)
    assert_refused(tmp_path / name, "Lambda")


def test_layer_of_another_package_is_refused_in_one_line(tmp_path):
    chips = keras.Input((IMAGE_PX, IMAGE_PX, 3))

    class Foreign(layers.Layer):
        def call(self, inputs):
            return inputs

    keras.Model(chips, Foreign()(chips)).save(tmp_path / "foreign.keras")
    assert_refused(tmp_path / "foreign.keras")


@pytest.mark.parametrize(
    "sizes", [{"weather": 4}, {"weather": 4, "land": 12}, {"weather": 4, "land": 13, "more": 1}]
)
def test_network_of_other_heads_is_refused(tmp_path, sizes):
    chips = keras.Input((4, 4, 3))
    x = layers.Flatten()(chips)
    heads = {name: layers.Dense(size, name=name)(x) for name, size in sizes.items()}
    keras.Model(chips, heads).save(tmp_path / "other.keras")
    assert_refused(tmp_path / "other.keras", "expected weather and land for 17 labels")


def test_network_without_named_heads_is_refused(tmp_path):
    values = keras.Input((3,))
    keras.Model(values, layers.Dense(17)(values)).save(tmp_path / "plain.keras")
    assert_refused(tmp_path / "plain.keras", "heads {}")


def test_network_that_was_never_built_is_refused(tmp_path):
    with pytest.warns(UserWarning, match="not yet been built"):
        keras.Sequential([layers.Flatten()]).save(tmp_path / "unbuilt.keras")
    assert_refused(tmp_path / "unbuilt.keras")
