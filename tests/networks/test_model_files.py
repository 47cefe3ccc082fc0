"""Files of networks load with plain Keras; damaged ones and other networks are refused."""

import json
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from planet_lib.errors import DataError
from planet_lib.networks.architectures import build_model
from planet_lib.networks.card import read_card
from planet_lib.networks.files import load_fitting_network, load_model, save_model
from planet_lib.networks.predict import predict_chips

IMAGE_PX = 32
NETWORKS = {
    "cnn": ({}, "b00_cnn.h5"),
    "densenet": ({"blocks": [1], "growth": 4, "filters": 4}, "b01_dense121.h5"),
    "resnet": ({"widths": (4, 8)}, None),
}


def build_tiny() -> keras.Model:
    return build_model("densenet", IMAGE_PX, **NETWORKS["densenet"][0])


def assert_refused(path: Path, *words: str) -> None:
    with pytest.raises(DataError) as refused:
        load_model(path)
    message = str(refused.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert all(word in message for word in words)


@pytest.mark.parametrize("name", NETWORKS)
def test_saved_files_load_with_plain_keras_and_predict_the_same(tmp_path, name):
    options, file_of_2018 = NETWORKS[name]
    network = build_model(name, IMAGE_PX, **options)
    files = save_model(network, tmp_path)
    assert [file.name for file in files] == ["model.keras"] + [file_of_2018] * bool(file_of_2018)
    chips = np.random.default_rng(0).integers(256, size=(2, IMAGE_PX, IMAGE_PX, 3), dtype=np.uint8)
    expected = network(chips)
    for file in files:
        for load in (keras.saving.load_model, load_model):
            for head, probabilities in load(file)(chips).items():
                np.testing.assert_array_equal(probabilities, expected[head])


def cut(share: float) -> Callable[[bytes], bytes]:
    return lambda content: content[: int(share * len(content))]


def overwrite_after(mark: bytes) -> Callable[[bytes], bytes]:
    def damage(content: bytes) -> bytes:
        start = content.index(mark) + len(mark)
        return content[:start] + b"\xff" * 600 + content[start + 600 :]

    return damage


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("model.keras", cut(0)),
        ("model.keras", cut(0.99)),
        ("model.keras", overwrite_after(b"model.weights.h5")),
        ("b01_dense121.h5", cut(0)),
        ("b01_dense121.h5", cut(0.99)),
        ("b01_dense121.h5", overwrite_after(b"SNOD")),
    ],
    ids=[f"{kind} {damage}" for kind in ("keras", "h5") for damage in ("empty", "cut", "bytes")],
)
def test_damaged_file_is_refused(tmp_path, name, damage):
    save_model(build_tiny(), tmp_path)
    path = tmp_path / name
    path.write_bytes(damage(path.read_bytes()))
    assert_refused(path)


def test_missing_file_is_refused(tmp_path):
    for name in ("model.keras", "b00_cnn.h5"):
        assert_refused(tmp_path / name)


@pytest.mark.parametrize(
    "sizes", [{"weather": 4}, {"weather": 4, "land": 12}, {"weather": 4, "land": 13, "more": 1}]
)
def test_network_with_other_heads_is_refused(tmp_path, sizes):
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


CARD = {
    "labels": ["artisinal_mine"],
    "thresholds": {"flat": 0.5},
    "input": {"pictures": ["raw"], "image_px": IMAGE_PX},
    "haze": None,
}


def write_carded(
    folder: Path, *, channels: int = 3, outputs: int = 1, side: int = IMAGE_PX, **changes: object
) -> Path:
    chips = keras.Input((side, side, channels))
    mean = layers.GlobalAveragePooling2D()(chips)
    network = keras.Model(chips, layers.Dense(outputs, activation="sigmoid")(mean))
    network.save(folder / "model.keras")
    (folder / "card.json").write_text(json.dumps(CARD | changes))
    return folder


def load_by_card(folder: Path) -> keras.Model:
    return load_fitting_network(folder, read_card(folder))


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"channels": 13}, r"takes \(32, 32, 13\) and has 1 outputs, its card says \(32, 32, 3\)"),
        ({"outputs": 2}, r"has 2 outputs, its card says \(32, 32, 3\) and 1"),
        ({"side": 48}, r"takes \(48, 48, 3\)"),
        ({"labels": ["primary", "artisinal_mine"]}, "has 1 outputs, its card says .* and 2"),
    ],
    ids=str,
)
def test_network_that_does_not_fit_its_card_is_refused(tmp_path, found, words):
    folder = write_carded(tmp_path, **found)
    with pytest.raises(DataError, match=rf"model\.keras: .*{words}.*; copy the network's"):
        load_by_card(folder)


def test_network_that_fits_its_card_predicts_what_keras_predicts(tmp_path):
    network = load_by_card(write_carded(tmp_path))
    chips = np.random.default_rng(0).integers(256, size=(3, IMAGE_PX, IMAGE_PX, 3), dtype=np.uint8)
    expected = keras.saving.load_model(tmp_path / "model.keras").predict(chips, verbose=0)
    predicted = predict_chips(network, chips, image_px=IMAGE_PX)
    np.testing.assert_allclose(predicted, expected, rtol=1e-5)


BAD_CARDS = {
    "thresholds: field required": {"labels": ["artisinal_mine"], "input": CARD["input"]},
    "thresholds.flat: input should be a valid number, not 'x'": CARD
    | {"thresholds": {"flat": "x"}},
    "thresholds.flat: input should be less than or equal to 1, not 2": CARD
    | {"thresholds": {"flat": 2}},
    "input.pictures.0: 'nir'; allowed: 'raw' or 'dehazed'": CARD
    | {"input": {"pictures": ["nir"], "image_px": IMAGE_PX}},
    "haze is null, but the network takes haze-free pictures": CARD
    | {"input": {"pictures": ["dehazed"], "image_px": IMAGE_PX}},
    "chip_px: input should be greater than 0, not 0": CARD | {"chip_px": 0},
    "ground_distance_m: input should be greater than 0, not -3": CARD | {"ground_distance_m": -3},
    r"known ['water'] are not among its labels": CARD | {"known": ["water"]},
    "labels ['gold_mine'], expected some of": CARD | {"labels": ["gold_mine"]},
    "haze.method: 'magic'; allowed: 'boundary_constraint', ": CARD
    | {"haze": {"method": "magic", "clahe": False}},
    "missing or damaged": [],
}


@pytest.mark.parametrize("reason", BAD_CARDS)
def test_card_that_cannot_be_used_is_one_line_with_the_cure(tmp_path, reason):
    (tmp_path / "card.json").write_text(json.dumps(BAD_CARDS[reason]))
    with pytest.raises(DataError) as refused:
        read_card(tmp_path)
    message = str(refused.value)
    assert message.startswith(f"{tmp_path / 'card.json'}: {reason}")
    assert message.endswith("copy the network's whole folder again, or choose another network")
    assert "\n" not in message


@pytest.mark.parametrize("content", [None, "", '{"labels": ['])
def test_missing_or_damaged_card_is_one_line(tmp_path, content):
    if content is not None:
        (tmp_path / "card.json").write_text(content)
    with pytest.raises(DataError, match=r"card\.json: missing or damaged; copy the network's"):
        read_card(tmp_path)
