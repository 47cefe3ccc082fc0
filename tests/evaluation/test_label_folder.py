"""Labelling a folder: pictures are prepared as the network's card describes, rows never mixed."""

import json
import os
import shutil

import numpy as np
import pandas as pd
import pytest
import rasterio
from rasterio.transform import from_origin

import planet_lib.evaluation.label_folder
from planet_lib.data.chips import read_chip
from planet_lib.data.labels import LABELS, MINE, WEATHER, decode_labels
from planet_lib.errors import DataError
from planet_lib.evaluation.label_folder import LabelledFolder, label_folder
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
    done = label_folder(chips / "train-jpg", path)
    assert done == LabelledFolder(labelled=60, resampled=0, resized=0, left_out=[])
    return pd.read_csv(path, index_col="file")


def write_tiff(path, rgb, *, pixel_m):
    with rasterio.open(
        path, "w", driver="GTiff", dtype="uint8", width=rgb.shape[1], height=rgb.shape[0], count=3,
        crs="EPSG:32721", transform=from_origin(700_000, 9_000_000, pixel_m, pixel_m),
    ) as file:  # fmt: skip
        file.write(np.moveaxis(rgb, -1, 0))


@pytest.mark.slow
def test_pretrained_network_recognises_the_weather_of_new_chips(chips, table):
    truth = pd.read_csv(chips / "train_v2.csv", index_col="image_name")["tags"]
    right = [
        bool({*table.loc[f"{name}.jpg", "labels"].split()} & {*truth[name].split()} & {*WEATHER})
        for name in truth.index
    ]
    assert np.mean(right) > 0.85


@pytest.mark.slow
def test_labels_are_those_of_the_network_on_the_pictures_of_its_card(chips, table):
    name = table.index[0]
    chip = read_chip(chips / "train-jpg" / name)
    both = np.concatenate([chip, remove_haze(chip, method="boundary_constraint")], axis=-1)
    network = load_model(PRETRAINED / "model.keras")
    predicted = predict_chips(network, both[None], image_px=network.input_shape[1])
    expected = decode_labels(resolve_cloudy(predicted >= 0.2, predicted))[0]
    assert set(table.loc[name, "labels"].split()) == set(expected.split())
    np.testing.assert_allclose(table.loc[name, list(LABELS)].astype(float), predicted[0], atol=1e-4)


@pytest.mark.slow
def test_table_has_the_mine_first_and_every_label(table):
    assert table.columns[0] == MINE
    assert set(table.columns) == {*LABELS, "labels", "problem"}
    assert table[list(LABELS)].to_numpy().min() >= 0
    assert table[list(LABELS)].to_numpy().max() <= 1


@pytest.mark.slow
def test_rows_follow_their_pictures_under_other_names_in_other_folders(chips, table, tmp_path):
    names = list(table.index[:5])
    others = ["b/z.jpg", "a.JPEG", "b/a.jpg", "c/d/e.jpg", "0.jpg"]
    for name, other in zip(names, others, strict=True):
        (tmp_path / "in" / other).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(chips / "train-jpg" / name, tmp_path / "in" / other)
    label_folder(tmp_path / "in", tmp_path / "out.parquet")
    moved = pd.read_parquet(tmp_path / "out.parquet").set_index("file")
    assert list(moved.index) == sorted(others, key=lambda name: name.split("/"))
    for name, other in zip(names, others, strict=True):
        expected = table.loc[name, list(LABELS)].astype(float)
        np.testing.assert_allclose(
            moved.loc[other, list(LABELS)].astype(float), expected, atol=1e-4
        )


@pytest.mark.slow
def test_format_of_kaggle_lists_the_same_labels(chips, table, tmp_path):
    label_folder(chips / "train-jpg", tmp_path / "kaggle.csv", kaggle=True)
    tags = pd.read_csv(tmp_path / "kaggle.csv", index_col="image_name")["tags"]
    assert [tags[name.removesuffix(".jpg")] for name in table.index] == list(table["labels"])


def test_picture_that_cannot_be_read_stands_in_the_table_with_its_reason(chips, tmp_path):
    folder = tmp_path / "chips"
    folder.mkdir()
    whole = next((chips / "train-jpg").glob("*.jpg"))
    shutil.copy(whole, folder / "whole.jpg")
    (folder / "cut.jpg").write_bytes(whole.read_bytes()[:900])
    (folder / "._whole.jpg").write_bytes(b"\0\5\26\7")
    (folder / "notes.txt").write_text("mine")
    done = label_folder(folder, tmp_path / "labels.csv")
    (line,) = done.left_out
    assert "cut.jpg" in line
    rows = pd.read_csv(tmp_path / "labels.csv", index_col="file", keep_default_na=False)
    assert list(rows.index) == ["cut.jpg", "whole.jpg"]
    assert rows.loc["cut.jpg", MINE] == ""
    assert "cannot be decoded" in rows.loc["cut.jpg", "problem"]
    assert rows.loc["whole.jpg", "problem"] == ""


def test_name_that_is_not_utf_8_is_escaped_in_the_table(chips, tmp_path):
    folder = tmp_path / "chips"
    folder.mkdir()
    whole = next((chips / "train-jpg").glob("*.jpg"))
    shutil.copy(whole, os.path.join(os.fsencode(folder), b"a\xe9.jpg"))
    for table in ("labels.csv", "labels.parquet"):
        assert label_folder(folder, tmp_path / table).labelled == 1
    assert list(pd.read_csv(tmp_path / "labels.csv")["file"]) == [r"a\xe9.jpg"]
    assert list(pd.read_parquet(tmp_path / "labels.parquet")["file"]) == [r"a\xe9.jpg"]


def test_picture_of_too_much_ground_does_not_stop_the_others(chips, tmp_path):
    folder = tmp_path / "chips"
    folder.mkdir()
    shutil.copy(next((chips / "train-jpg").glob("*.jpg")), folder)
    write_tiff(folder / "z.tif", np.full((600, 600, 3), 90, np.uint8), pixel_m=250)
    done = label_folder(folder, tmp_path / "labels.csv")
    assert done.labelled == 1
    assert "600 x 600 px of 250 m are 50000 x 50000 px" in done.left_out[0]


def test_parts_of_a_large_picture_count_by_their_highest_probability_and_mean_weather(
    chips, tmp_path
):
    names = sorted(path.name for path in (chips / "train-jpg").glob("*.jpg"))[:2]
    tiles = [read_chip(chips / "train-jpg" / name) for name in names]
    (tmp_path / "in").mkdir()
    pictures = {"a": tiles[0], "b": tiles[1], "both": np.hstack(tiles)}
    for name, rgb in pictures.items():
        write_tiff(tmp_path / "in" / f"{name}.tif", rgb, pixel_m=3)
    done = label_folder(tmp_path / "in", tmp_path / "labels.csv")
    assert (done.labelled, done.resampled, done.resized) == (3, 0, 0)
    rows = pd.read_csv(tmp_path / "labels.csv", index_col="file")
    land = [label for label in LABELS if label not in WEATHER]
    highest = rows.loc[["a.tif", "b.tif"], land].max()
    assert (rows.loc["both.tif", land] >= highest - 1e-4).all()
    assert rows.loc["both.tif", list(WEATHER)].sum() == pytest.approx(1, abs=1e-3)


def test_folder_without_pictures_is_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(DataError, match="no pictures"):
        label_folder(tmp_path, tmp_path / "labels.csv")
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"bad\.jpg.*none of 1 pictures"):
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
    assert label_folder(folder, table, replace=True).labelled == 1
    assert list(pd.read_csv(table)["file"]) == ["a.jpeg"]


def test_kaggle_cannot_tell_two_pictures_of_one_name_apart(chips, tmp_path):
    folder = tmp_path / "chips"
    folder.mkdir()
    for name in ("a.jpg", "a.png"):
        shutil.copy(next((chips / "train-jpg").glob("*.jpg")), folder / name)
    with pytest.raises(DataError, match=r"a\.png: .*a\.jpg has the same name"):
        label_folder(folder, tmp_path / "labels.csv", kaggle=True)
    assert label_folder(folder, tmp_path / "labels.csv").labelled == 2


@pytest.fixture
def never_loaded(monkeypatch):
    """Fail if a network is loaded: the mistake must be found before."""
    monkeypatch.setattr(
        planet_lib.evaluation.label_folder, "load_fitting_network", lambda _: pytest.fail("loaded")
    )


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ("none/labels.csv", "none: no such folder; make it first"),
        (".", "a folder; give the name"),
        ("labels.xlsx", "its ending is none of .csv, .parquet"),
    ],
)
def test_table_that_cannot_be_written_is_refused_at_once(
    chips, tmp_path, never_loaded, table, reason
):
    with pytest.raises(DataError, match=reason):
        label_folder(chips / "train-jpg", tmp_path / table)


def test_folder_that_is_missing_is_named(tmp_path, never_loaded):
    with pytest.raises(DataError, match="no such folder; give a folder of pictures"):
        label_folder(tmp_path / "none", tmp_path / "labels.csv")


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
