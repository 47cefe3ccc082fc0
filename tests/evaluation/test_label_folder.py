"""Labelling a folder: the pretrained network works at once, a trained one by its card."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from planet_lib.data.chips import read_chip
from planet_lib.data.labels import LABELS, WEATHER, decode_labels
from planet_lib.errors import DataError
from planet_lib.evaluation.label_folder import label_folder
from planet_lib.evaluation.metrics import resolve_cloudy
from planet_lib.haze import remove_haze
from planet_lib.networks.files import PRETRAINED, load_model
from planet_lib.networks.predict import predict_chips
from planet_lib.synthetic import write_dataset


@pytest.fixture(scope="module")
def chips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "chips"
    write_dataset(folder, chips=60, unlabelled=0, seed=5, enrich=0.0)
    return folder


@pytest.fixture(scope="module")
def table(chips, tmp_path_factory):
    path = tmp_path_factory.mktemp("labels") / "labels.csv"
    assert label_folder(chips / "train-jpg", path) == []
    return pd.read_csv(path, index_col="image_name")


def test_pretrained_network_knows_the_weather_of_chips_it_never_saw(chips, table):
    truth = pd.read_csv(chips / "train_v2.csv", index_col="image_name")["tags"]
    right = [
        len(set(table.loc[name, "tags"].split()) & set(truth[name].split()) & set(WEATHER)) > 0
        for name in truth.index
    ]
    assert np.mean(right) > 0.85


def test_answers_are_those_of_the_network_on_what_its_card_says(chips, table):
    name = table.index[0]
    chip = read_chip(chips / "train-jpg" / f"{name}.jpg")
    both = np.concatenate([chip, remove_haze(chip, method="boundary_constraint")], axis=-1)
    network = load_model(PRETRAINED / "model.keras")
    answer = predict_chips(network, both[None], image_px=network.input_shape[1])
    expected = decode_labels(resolve_cloudy(answer >= 0.2, answer))[0]
    assert set(table.loc[name, "tags"].split()) == set(expected.split())


def test_chip_that_cannot_be_read_is_told_and_left_out(chips, tmp_path):
    folder = tmp_path / "chips"
    folder.mkdir()
    whole = next((chips / "train-jpg").glob("*.jpg"))
    shutil.copy(whole, folder / "whole.jpg")
    (folder / "cut.jpg").write_bytes(whole.read_bytes()[:900])
    (line,) = label_folder(folder, tmp_path / "labels.csv")
    assert "cut.jpg" in line
    assert list(pd.read_csv(tmp_path / "labels.csv")["image_name"]) == ["whole"]


def test_folder_without_chips_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(DataError, match="no chips"):
        label_folder(tmp_path, tmp_path / "labels.csv")
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"bad\.jpg.*none of 1 chips"):
        label_folder(tmp_path, tmp_path / "labels.csv")
    assert not (tmp_path / "labels.csv").exists()


def test_pretrained_network_is_small_and_its_card_whole():
    card = json.loads((PRETRAINED / "card.json").read_text())
    assert (PRETRAINED / "model.keras").stat().st_size < 8e6
    network = load_model(PRETRAINED / "model.keras")
    assert network.count_params() == card["training"]["parameters"]
    assert network.input_shape[1:] == (*(card["input"]["image_px"],) * 2, card["input"]["channels"])
    assert card["labels"] == list(LABELS)
