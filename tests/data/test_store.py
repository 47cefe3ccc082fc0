"""The chip store: rows aligned with the catalogue, manifests, unusable chips and a full disk."""

import errno
import hashlib
import os
import shutil
import subprocess
import sys
import time
import warnings

import numpy as np
import pandas as pd
import pytest
import rasterio
from rasterio.errors import NotGeoreferencedWarning

from planet_lib.data.chips import read_chip
from planet_lib.data.haze_free import store_haze_free
from planet_lib.data.ingest import store_chips
from planet_lib.data.labels import LABELS, encode_tags
from planet_lib.data.splits import split_chips
from planet_lib.data.store import (
    discard_changed_stores,
    load_agreement,
    load_catalogue,
    open_input,
    open_store,
)
from planet_lib.errors import DataError, StageError
from planet_lib.files import read_json
from planet_lib.haze import remove_haze


def hash_data(folder, run_dir) -> str:
    store_chips(folder, run_dir, source="made chips", seed=0)
    return read_json(run_dir / "data" / "raw.json")["sha256"]


def break_chips(folder, *names: str) -> None:
    for name in names:
        (folder / "train-jpg" / f"{name}.jpg").write_bytes(b"")


def refuse(*_arguments) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_rows_of_the_store_are_the_chips_of_the_catalogue(stored_run, tmp_path):
    catalogue, store = load_catalogue(stored_run), open_store(stored_run, "raw")
    assert store.shape == (14, 256, 256, 3)
    assert store.dtype == np.uint8
    for row, path in enumerate(catalogue["path"]):
        np.testing.assert_array_equal(store[row], read_chip(tmp_path / "dataset" / path))


def test_store_is_read_only(stored_run):
    with pytest.raises(ValueError, match="read-only"):
        open_store(stored_run, "raw")[0] = 0


def digest_rows(store):
    """Digest an array as its manifest does, row by row."""
    rows = [hashlib.sha256(row.tobytes()).digest() for row in store]
    return hashlib.sha256(b"".join(rows)).hexdigest()


def test_catalogue_has_the_splits_of_its_labels(stored_run):
    catalogue = load_catalogue(stored_run)
    labelled = catalogue[catalogue["labelled"]]
    expected = split_chips(encode_tags(labelled["tags"]), seed=0)
    np.testing.assert_array_equal(labelled["split"], expected)
    assert set(catalogue["split"][~catalogue["labelled"]]) == {"unlabelled"}


def test_manifest_says_what_is_stored(stored_run):
    manifest = read_json(stored_run / "data" / "raw.json")
    assert manifest.pop("sha256").isalnum()
    assert manifest.pop("pixels_sha256") == digest_rows(open_store(stored_run, "raw"))
    assert manifest == {
        "source": "made chips",
        "credit": "",
        "labels": list(LABELS),
        "chips": 14,
        "left_out": 0,
        "from_tiff": 0,
        "split_seed": 0,
        "keep_neighbours": True,
    }


def test_manifest_changes_only_with_a_pixel_or_a_label(dataset, tmp_path, paint_chip, encode_chip):
    folder = dataset()
    first = hash_data(folder, tmp_path / "run")
    for path in folder.rglob("*"):
        os.utime(path, (1, 1))
    assert hash_data(folder, tmp_path / "run") == first
    assert hash_data(shutil.copytree(folder, tmp_path / "copy"), tmp_path / "other") == first
    chip = paint_chip("train_3")
    chip[100, 100] = 255 - chip[100, 100]
    (folder / "train-jpg" / "train_3.jpg").write_bytes(encode_chip(chip))
    second = hash_data(folder, tmp_path / "run")
    labels = folder / "train_v2.csv"
    labels.write_text(labels.read_text().replace("haze", "clear", 1))
    assert len({first, second, hash_data(folder, tmp_path / "run")}) == 3


def test_rows_stay_aligned_after_leaving_chips_out(dataset, tmp_path):
    folder, run_dir = dataset(test=2), tmp_path / "run"
    break_chips(folder, "train_0", "train_5")
    (folder / "test-jpg" / "test_0.jpg").write_bytes(b"")
    store_chips(folder, run_dir, source="", seed=0, allow_left_out=True)
    catalogue, store = load_catalogue(run_dir), open_store(run_dir, "raw")
    assert list(catalogue["chip"]) == [f"train_{i}" for i in range(12) if i not in (0, 5)] + [
        "test_1"
    ]
    assert len(store) == len(catalogue)
    for row, path in enumerate(catalogue["path"]):
        np.testing.assert_array_equal(store[row], read_chip(folder / path))
    problems = pd.read_csv(run_dir / "data" / "problems.csv")
    assert list(problems["file"]) == [
        "train-jpg/train_0.jpg",
        "train-jpg/train_5.jpg",
        "test-jpg/test_0.jpg",
    ]
    assert set(problems["action"]) == {"left out"}
    assert problems["problem"].str.endswith("but empty; download it again").all()
    assert read_json(run_dir / "data" / "raw.json")["left_out"] == 3
    assert not list((run_dir / "data").glob("partial-*"))


@pytest.mark.parametrize("unusable", [1, 2])
def test_over_one_percent_of_unusable_chips_is_an_error(dataset, tmp_path, unusable):
    folder, run_dir = dataset(["clear primary"] * 100), tmp_path / "run"
    break_chips(folder, *(f"train_{90 + i}" for i in range(unusable)))
    if unusable == 1:
        store_chips(folder, run_dir, source="", seed=0)
        assert len(open_store(run_dir, "raw")) == 99
    else:
        expected = r"2 of 100 chips cannot be used, more than 1%; the first: .*train_90.*allow_left"
        with pytest.raises(DataError, match=expected):
            store_chips(folder, run_dir, source="", seed=0)
        assert not (run_dir / "data" / "raw.json").exists()


def test_too_few_usable_chips_are_an_error_without_manifest(dataset, tmp_path):
    folder = dataset(["clear"] * 5)
    break_chips(folder, *(f"train_{i}" for i in range(5)))
    with pytest.raises(DataError, match="0 labelled chips are too few"):
        store_chips(folder, tmp_path, source="", seed=0, allow_left_out=True)
    assert not (tmp_path / "data" / "raw.json").exists()


def test_labels_without_a_weather_are_an_error_without_manifest(dataset, tmp_path):
    folder = dataset(["primary artisinal_mine"] * 10)
    with pytest.raises(DataError, match=r"no chip of the split .* has a weather label; give each"):
        store_chips(folder, tmp_path, source="", seed=0)
    assert not (tmp_path / "data" / "raw.json").exists()


def test_full_disk_is_an_error_and_leaves_no_manifest(dataset, stored_run, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(OSError, match=r"No space left.*GB are needed.*raw\.npy"):
        store_chips(tmp_path / "dataset", stored_run, source="", seed=0)
    assert not (stored_run / "data" / "raw.npy").exists()
    with pytest.raises(StageError, match="not there yet"):
        open_store(stored_run, "raw")


def test_full_disk_while_removing_haze_leaves_no_manifest(stored_run, monkeypatch):
    store_haze_free(stored_run, method="dark_channel", clahe=False)
    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(OSError, match="No space left"):
        store_haze_free(stored_run, method="dark_channel", clahe=False)
    with pytest.raises(StageError, match="not there yet"):
        open_store(stored_run, "dehazed")


def test_disk_that_fills_while_chips_are_left_out_is_an_error(dataset, tmp_path, monkeypatch):
    folder, allocate = dataset(), os.posix_fallocate
    break_chips(folder, "train_0")

    def refuse_second(*arguments) -> None:
        allocate(*arguments)
        monkeypatch.setattr(os, "posix_fallocate", refuse)

    monkeypatch.setattr(os, "posix_fallocate", refuse_second)
    with pytest.raises(OSError, match="No space left"):
        store_chips(folder, tmp_path, source="", seed=0, allow_left_out=True)


def test_store_needs_no_posix_fallocate(dataset, tmp_path, monkeypatch):
    monkeypatch.delattr(os, "posix_fallocate")
    store_chips(dataset(), tmp_path, source="", seed=0)


def test_both_inputs_have_the_channels_of_both_stores(stored_run):
    store_haze_free(stored_run, method="pixelwise_dark_channel", clahe=False)
    raw, dehazed = open_store(stored_run, "raw"), open_store(stored_run, "dehazed")
    both = open_input(stored_run, "both")
    assert (len(both), both.shape) == (14, (14, 256, 256, 6))
    np.testing.assert_array_equal(both[3], np.dstack([raw[3], dehazed[3]]))
    np.testing.assert_array_equal(open_input(stored_run, "dehazed")[3], dehazed[3])


def test_unknown_input_lists_the_allowed(stored_run):
    with pytest.raises(ValueError, match="input_mode is 'hazy'; allowed: raw, dehazed, both"):
        open_input(stored_run, "hazy")


@pytest.mark.parametrize(
    ("method", "clahe"), [("boundary_constraint", False), ("pixelwise_dark_channel", True)]
)
def test_haze_free_rows_equal_the_method_chip_by_chip(stored_run, method, clahe):
    store_haze_free(stored_run, method=method, clahe=clahe)
    raw, dehazed = open_store(stored_run, "raw"), open_store(stored_run, "dehazed")
    assert dehazed.shape == raw.shape
    for before, after in zip(raw[::5], dehazed[::5], strict=True):
        np.testing.assert_array_equal(after, remove_haze(before, method=method, clahe=clahe))
    assert read_json(stored_run / "data" / "dehazed.json") == {
        "source_sha256": read_json(stored_run / "data" / "raw.json")["sha256"],
        "pixels_sha256": digest_rows(dehazed),
        "method": method,
        "clahe": clahe,
    }


def test_unknown_haze_method_leaves_no_manifest(stored_run):
    with pytest.raises(ValueError, match="allowed: boundary_constraint"):
        store_haze_free(stored_run, method="guess", clahe=False)
    assert not (stored_run / "data" / "dehazed.json").exists()


def test_cut_or_deleted_store_is_an_error_that_names_it(stored_run):
    os.truncate(stored_run / "data" / "raw.npy", 1000)
    with pytest.raises(StageError, match=r"raw\.npy"):
        open_store(stored_run, "raw")
    (stored_run / "data" / "raw.npy").unlink()
    with pytest.raises(StageError, match=r"raw\.npy"):
        open_store(stored_run, "raw")


def test_names_of_digits_stay_text(dataset, tmp_path):
    folder = dataset(["clear"] * 5)
    for i in range(5):
        (folder / "train-jpg" / f"train_{i}.jpg").rename(folder / "train-jpg" / f"00{i}.jpg")
    labels = folder / "train_v2.csv"
    labels.write_text(labels.read_text().replace("train_", "00"))
    store_chips(folder, tmp_path, source="", seed=0)
    assert list(load_catalogue(tmp_path)["chip"]) == ["000", "001", "002", "003", "004"]


def write_tiff(path, rgb, scale: float = 1) -> None:
    """Write a chip as the competition's TIFFs are: blue, green, red, near infrared, uint16."""
    path.parent.mkdir(exist_ok=True)
    bands = np.full((256, 256, 4), 9000, dtype=np.uint16)
    bands[..., :3] = 3000 + 20 * rgb[..., ::-1].astype(np.uint16)
    with (
        warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning),
        rasterio.open(path, "w", "GTiff", 256, 256, 4, dtype="uint16") as target,
    ):
        target.write(np.moveaxis((bands * scale).astype(np.uint16), 2, 0))


def test_tiffs_are_compared_with_the_jpegs_beside_them(dataset, tmp_path, paint_chip):
    folder = dataset(test=1, additional=1)
    write_tiff(folder / "train-tif-v2" / "train_2.tif", paint_chip("train_2"))
    write_tiff(folder / "train-tif-v2" / "train_3.tif", paint_chip("train_4"))
    (folder / "train-tif-v2" / "train_5.tif").write_bytes(b"damaged")
    store_chips(folder, tmp_path / "run", source="made chips", seed=0)
    agreement = load_agreement(tmp_path / "run").set_index("chip")["correlation"]
    assert set(agreement.index) == {"train_2", "train_3"}
    assert agreement["train_2"] > 0.9
    assert agreement["train_3"] < 0.5
    problems = pd.read_csv(tmp_path / "run/data/problems.csv")
    assert list(problems["file"]) == ["train-tif-v2/train_5.tif", "train_3"]
    assert list(problems["action"]) == ["not compared with its JPEG", "the JPEG is read"]
    assert load_catalogue(tmp_path / "run")["path"].str.endswith(".jpg").all()


def test_data_set_of_tiffs_alone_is_stored(dataset, tmp_path, paint_chip):
    folder = dataset(["clear primary"] * 6)
    for jpeg in sorted((folder / "train-jpg").iterdir()):
        write_tiff(folder / "train-tif-v2" / f"{jpeg.stem}.tif", paint_chip(jpeg.stem))
        jpeg.unlink()
    store_chips(folder, tmp_path / "run", source="made chips", seed=0)
    assert read_json(tmp_path / "run/data/raw.json")["from_tiff"] == 6
    assert list(load_agreement(tmp_path / "run")["correlation"]) == []
    red = open_store(tmp_path / "run", "raw")[..., 0].astype(float)
    for row, chip in enumerate(load_catalogue(tmp_path / "run")["chip"]):
        painted = paint_chip(chip)[..., 0].astype(float)
        assert np.corrcoef(red[row].ravel(), painted.ravel())[0, 1] > 0.9


def test_mapping_gives_the_shuffled_tiffs_their_names(dataset, tmp_path, paint_chip):
    folder = dataset(additional=2)
    for old, new in (("file_0", "file_1"), ("file_1", "file_0")):
        write_tiff(folder / "test-tif-v2" / f"{old}.tif", paint_chip(new))
    table = folder / "test_v2_file_mapping.csv"
    table.write_text("old,new\nfile_0.tif,file_1.tif\nfile_1.tif,file_0.tif\n")
    store_chips(folder, tmp_path / "run", source="made chips", seed=0)
    assert load_agreement(tmp_path / "run")["correlation"].min() > 0.9
    table.unlink()
    store_chips(folder, tmp_path / "run", source="made chips", seed=0)
    assert load_agreement(tmp_path / "run")["correlation"].max() < 0.5


def test_data_set_without_tiffs_has_no_agreement_to_show(stored_run):
    assert load_agreement(stored_run).empty


def test_store_as_it_was_written_is_kept(stored_run):
    store_haze_free(stored_run, method="pixelwise_dark_channel", clahe=False)
    assert discard_changed_stores(stored_run) == []
    open_store(stored_run, "raw"), open_store(stored_run, "dehazed")


def test_store_with_left_out_chips_is_kept(dataset, tmp_path):
    folder = dataset()
    break_chips(folder, "train_0")
    store_chips(folder, tmp_path, source="", seed=0, allow_left_out=True)
    assert discard_changed_stores(tmp_path) == []


@pytest.mark.parametrize("spoil", ["change", "delete", "cut", "forget"])
def test_changed_or_half_written_store_is_discarded(stored_run, spoil):
    store_haze_free(stored_run, method="pixelwise_dark_channel", clahe=False)
    raw = stored_run / "data" / "raw.npy"
    if spoil == "change":
        time.sleep(0.02)  # the clock of files is coarser than the processor's
        with raw.open("r+b") as file:
            file.seek(5000)
            file.write(b"other")
    elif spoil == "delete":
        raw.unlink()
    elif spoil == "cut":
        os.truncate(raw, raw.stat().st_size - 1)
    else:
        raw.with_suffix(".stamp").unlink()
    assert discard_changed_stores(stored_run) == [raw]
    with pytest.raises(StageError, match="not there yet"):
        open_store(stored_run, "raw")
    open_store(stored_run, "dehazed")


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.1, 0.9])
def test_killed_while_decoding_and_run_again_gives_the_same_bytes(dataset, tmp_path, share):
    folder = dataset(["clear primary", "haze primary", "cloudy"] * 130)
    store_chips(folder, tmp_path / "undisturbed", source="made chips", seed=0)
    run_dir = tmp_path / "killed"
    code = (
        "import sys, pathlib, planet_lib.data.ingest as s; "
        "s.store_chips(*map(pathlib.Path, sys.argv[1:]), source='made chips', seed=0)"
    )
    with subprocess.Popen([sys.executable, "-c", code, folder, run_dir]) as process:
        while not (run_dir / "data/raw.npy").exists():
            assert process.poll() is None
            time.sleep(0.002)
        time.sleep(0.1 * share)
        process.kill()
    store_chips(folder, run_dir, source="made chips", seed=0)
    for name in ("raw.npy", "raw.json", "chips.csv", "problems.csv"):
        expected = (tmp_path / "undisturbed/data" / name).read_bytes()
        assert (run_dir / "data" / name).read_bytes() == expected


def test_chips_that_are_there_twice_stay_in_one_split_and_are_listed(dataset, tmp_path):
    folder = dataset(["clear primary", "haze primary", "cloudy"] * 20, test=1)
    chips = folder / "train-jpg"
    for i in range(20):
        shutil.copy(chips / f"train_{i}.jpg", chips / f"train_{59 - i}.jpg")
    shutil.copy(chips / "train_0.jpg", folder / "test-jpg/test_0.jpg")
    for keep_neighbours in (True, False):
        store_chips(folder, tmp_path / "run", source="", seed=0, keep_neighbours=keep_neighbours)
        catalogue = load_catalogue(tmp_path / "run").set_index("chip")
        for i in range(20):
            pair = catalogue.loc[[f"train_{i}", f"train_{59 - i}"]]
            assert pair["split"].nunique() == pair["group"].nunique() == 1
    problems = pd.read_csv(tmp_path / "run/data/problems.csv")
    assert problems["problem"].value_counts().to_dict() == {
        "the same picture under two names, with different labels": 13,
        "the same picture under two names": 7,
        "the same picture under two names, one of them without labels": 1,
    }
    assert "train-jpg/train_0.jpg = train-jpg/train_59.jpg" in set(problems["file"])


@pytest.mark.parametrize("ending", [".tif", ".TIFF"])
def test_chips_from_tiffs_are_listed(dataset, tmp_path, paint_chip, ending):
    folder = dataset(["clear primary"] * 6)
    (folder / "train-jpg/train_2.jpg").unlink()
    write_tiff(folder / "train-tif-v2" / f"train_2{ending}", paint_chip("train_2"))
    store_chips(folder, tmp_path / "run", source="", seed=0)
    problems = pd.read_csv(tmp_path / "run/data/problems.csv")
    assert list(problems["file"]) == [f"train-tif-v2/train_2{ending}"]
    assert list(problems["action"]) == ["read from the TIFF, stretched"]
    assert read_json(tmp_path / "run/data/raw.json")["from_tiff"] == 1


@pytest.mark.parametrize("scale", [0.02, 0.15])
def test_reflectance_is_refused_with_the_reason(dataset, tmp_path, paint_chip, scale):
    folder = dataset(["clear primary"] * 6)
    for jpeg in sorted((folder / "train-jpg").iterdir()):
        write_tiff(folder / "train-tif-v2" / f"{jpeg.stem}.tif", paint_chip(jpeg.stem), scale)
        jpeg.unlink()
    with pytest.raises(DataError, match=r"train_0\.tif: values of reflectance .*expected radiance"):
        store_chips(folder, tmp_path / "run", source="", seed=0)
