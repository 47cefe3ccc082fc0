"""Labelling a folder: the pretrained network prepares chips as its card describes."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

import planet_lib.evaluation.label_folder
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


def test_pretrained_network_recognises_the_weather_of_new_chips(chips, table):
    truth = pd.read_csv(chips / "train_v2.csv", index_col="image_name")["tags"]
    right = [
        len(set(table.loc[name, "tags"].split()) & set(truth[name].split()) & set(WEATHER)) > 0
        for name in truth.index
    ]
    assert np.mean(right) > 0.85


def test_labels_are_those_of_the_network_on_the_pictures_of_its_card(chips, table):
    name = table.index[0]
    chip = read_chip(chips / "train-jpg" / f"{name}.jpg")
    both = np.concatenate([chip, remove_haze(chip, method="boundary_constraint")], axis=-1)
    network = load_model(PRETRAINED / "model.keras")
    predicted = predict_chips(network, both[None], image_px=network.input_shape[1])
    expected = decode_labels(resolve_cloudy(predicted >= 0.2, predicted))[0]
    assert set(table.loc[name, "tags"].split()) == set(expected.split())


def test_chip_that_cannot_be_read_is_reported_and_left_out(chips, tmp_path):
    folder = tmp_path / "chips"
    folder.mkdir()
    whole = next((chips / "train-jpg").glob("*.jpg"))
    shutil.copy(whole, folder / "whole.jpg")
    (folder / "cut.jpg").write_bytes(whole.read_bytes()[:900])
    (folder / "._whole.jpg").write_bytes(b"\0\5\26\7")
    (folder / "notes.txt").write_text("mine")
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


def test_card_of_the_pretrained_network_describes_it():
    card = json.loads((PRETRAINED / "card.json").read_text())
    assert (PRETRAINED / "model.keras").stat().st_size < 8e6
    network = load_model(PRETRAINED / "model.keras")
    assert network.count_params() == card["training"]["parameters"]
    assert network.input_shape[1:] == (*(card["input"]["image_px"],) * 2, card["input"]["channels"])
    assert card["labels"] == list(LABELS)


def test_table_that_exists_is_kept_unless_told_otherwise(chips, tmp_path):
    folder = tmp_path / "chips"
    folder.mkdir()
    shutil.copy(next((chips / "train-jpg").glob("*.jpg")), folder / "a.jpeg")
    table = tmp_path / "train_v2.csv"
    table.write_text("image_name,tags\na,clear primary\n")
    before = table.read_text()
    with pytest.raises(DataError, match=r"train_v2\.csv: exists and is kept; .*--replace"):
        label_folder(folder, table)
    assert table.read_text() == before
    assert label_folder(folder, table, replace=True) == []
    assert list(pd.read_csv(table)["image_name"]) == ["a"]


def test_two_files_of_one_chip_give_one_row_and_a_line(chips, tmp_path):
    folder = tmp_path / "chips"
    folder.mkdir()
    for name in ("a.jpg", "a.png"):
        shutil.copy(next((chips / "train-jpg").glob("*.jpg")), folder / name)
    assert label_folder(folder, tmp_path / "labels.csv") == [
        "chips/a.png: another file has the name of the chip"
    ]
    assert len(pd.read_csv(tmp_path / "labels.csv")) == 1


@pytest.fixture
def never_loaded(monkeypatch):
    """Fail if a network is loaded: the mistake must be found before."""
    monkeypatch.setattr(
        planet_lib.evaluation.label_folder, "load_model", lambda _: pytest.fail("loaded")
    )


@pytest.mark.parametrize(
    ("table", "reason"),
    [("none/labels.csv", "none: no such folder; make it first"), (".", "a folder; give the name")],
)
def test_table_that_cannot_be_written_is_refused_at_once(
    chips, tmp_path, never_loaded, table, reason
):
    with pytest.raises(DataError, match=reason):
        label_folder(chips / "train-jpg", tmp_path / table)


def test_chips_one_folder_deeper_are_pointed_out(chips, tmp_path, never_loaded):
    with pytest.raises(DataError, match=r"no chips in it; give .*train-jpg, which has some"):
        label_folder(chips, tmp_path / "labels.csv")
    with pytest.raises(DataError, match="no such folder; give a folder of chips"):
        label_folder(chips / "none", tmp_path / "labels.csv")


MODELS = {
    "none": "no such folder; give the folder of a network: .*cnn-raw$",
    "cnn-raw/model.keras": "a file; give the folder of a network: .*cnn-raw$",
    "ensemble-both": "no network that works by itself .*: .*cnn-raw$",
    "": "no network .*: .*cnn-raw$",
}


@pytest.mark.parametrize("given", MODELS)
def test_model_that_is_no_network_is_refused_with_those_that_are(
    chips, tmp_path, never_loaded, given
):
    for name in ("cnn-raw/model.keras", "ensemble-both/run.json"):
        (tmp_path / "models" / name).parent.mkdir(parents=True)
        (tmp_path / "models" / name).write_bytes(b"")
    with pytest.raises(DataError, match=MODELS[given]):
        label_folder(chips / "train-jpg", tmp_path / "a.csv", model=tmp_path / "models" / given)
