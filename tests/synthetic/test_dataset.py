"""The synthetic data set: Kaggle's layout, the same bytes again, and no other chips overwritten."""

import csv
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from planet_lib import files
from planet_lib.data.labels import encode_tags
from planet_lib.errors import DataError
from planet_lib.synthetic import synthesize_chip, terrain, write_dataset


def read_all(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    write_dataset(folder, chips=10, unlabelled=6, seed=4)
    return folder


def test_layout_is_kaggles(small):
    rows = read_rows(small / "train_v2.csv")
    assert [row["image_name"] for row in rows] == [f"train_{i}" for i in range(10)]
    assert encode_tags(row["tags"] for row in rows)[:, :4].sum(axis=1).tolist() == [1] * 10
    unlabelled = read_rows(small / "sample_submission_v2.csv")
    assert unlabelled[5] == {"image_name": "test_5", "tags": "primary clear"}
    assert len(list((small / "train-jpg").iterdir())) == 10
    assert len(list((small / "test-jpg").iterdir())) == 6
    assert cv2.imread(str(small / "test-jpg" / "test_5.jpg")).shape == (256, 256, 3)


@pytest.mark.parametrize("cores", [1, 3])
def test_bytes_do_not_depend_on_the_number_of_cores(small, tmp_path, monkeypatch, cores):
    monkeypatch.setattr(files, "count_cores", lambda: cores)
    write_dataset(tmp_path, chips=10, unlabelled=6, seed=4)
    assert read_all(tmp_path) == read_all(small)


def test_interrupted_call_leaves_no_table_and_the_next_one_is_complete(
    small, tmp_path, monkeypatch
):
    replace, calls = files.os.replace, []

    def interrupt_at_sixth(source, target):
        calls.append(target)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return replace(source, target)

    shutil.copytree(small, tmp_path, dirs_exist_ok=True)
    with monkeypatch.context() as patched:
        patched.setattr(files.os, "replace", interrupt_at_sixth)
        with pytest.raises(KeyboardInterrupt):
            write_dataset(tmp_path, chips=10, unlabelled=6, seed=4)
    for name in ("train_v2.csv", "sample_submission_v2.csv", "chips.sha256"):
        assert not (tmp_path / name).exists()
    (tmp_path / "train-jpg" / "partial-train_9.jpg").write_bytes(b"half a chip, after a kill")
    write_dataset(tmp_path, chips=10, unlabelled=6, seed=4)
    assert read_all(tmp_path) == read_all(small)


def test_changed_generator_replaces_the_chips_and_their_digest(small, tmp_path, monkeypatch):
    shutil.copytree(small, tmp_path, dirs_exist_ok=True)
    before = read_all(tmp_path)
    monkeypatch.setattr(terrain, "FOREST", terrain.FOREST * np.float32(1.1))
    write_dataset(tmp_path, chips=10, unlabelled=6, seed=4)
    after = read_all(tmp_path)
    assert after.keys() == before.keys()
    assert after["chips.sha256"] != before["chips.sha256"]
    assert after["train-jpg/train_0.jpg"] != before["train-jpg/train_0.jpg"]


def test_chips_do_not_depend_on_how_many_follow(small, tmp_path):
    write_dataset(tmp_path, chips=12, unlabelled=0, seed=4)
    for path in (small / "train-jpg").iterdir():
        assert (tmp_path / "train-jpg" / path.name).read_bytes() == path.read_bytes()


def test_written_chip_is_the_synthesized_one(small):
    written = cv2.imread(str(small / "train-jpg" / "train_7.jpg"))[..., ::-1]
    chip = synthesize_chip(4, 7)
    assert read_rows(small / "train_v2.csv")[7]["tags"] == chip.tags
    assert np.abs(written.astype(float) - chip.image).mean() < 3


def test_folder_of_other_arguments_is_an_error(small):
    before = read_all(small)
    with pytest.raises(DataError, match="choose another folder"):
        write_dataset(small, chips=10, unlabelled=6, seed=5)
    assert read_all(small) == before


def test_folder_of_real_chips_is_an_error(tmp_path):
    (tmp_path / "train-jpg").mkdir()
    with pytest.raises(DataError, match="not synthetic"):
        write_dataset(tmp_path, chips=1, unlabelled=0, seed=0)


def test_file_in_place_of_the_folder_is_an_error(tmp_path):
    path = tmp_path / "taken"
    path.write_text("")
    with pytest.raises(DataError, match="taken is a file"):
        write_dataset(path, chips=1, unlabelled=0, seed=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"chips": -1}, "chips is -1; allowed: at least 0"),
        ({"unlabelled": -1}, "unlabelled is -1; allowed: at least 0"),
        ({"seed": -1}, "seed is -1; allowed: at least 0"),
        ({"enrich": 1.5}, "enrich is 1.5; allowed: 0 to 1"),
    ],
)
def test_argument_out_of_range_is_an_error(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        write_dataset(tmp_path, **{"chips": 4, "unlabelled": 0, "seed": 0} | arguments)
