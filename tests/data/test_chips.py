"""Chips: colours against OpenCV, damaged files, and the catalogue of a data set."""

import contextlib
import io
import struct
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from planet_lib.data.catalogue import Problem, scan_dataset
from planet_lib.data.chips import decode_chip, read_chip
from planet_lib.errors import DataError

PROJECT = Path(__file__).parents[2]


def save(picture: Image.Image, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return buffer.getvalue()


def claim_size(jpeg: bytes, side_px: int) -> bytes:
    """Make a JPEG claim to be very large."""
    at = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:at] + struct.pack(">HH", side_px, side_px) + jpeg[at + 4 :]


def write_labels(folder, *lines: str, header: str = "image_name,tags") -> None:
    (folder / "train_v2.csv").write_text("\n".join([header, *lines, ""]))


DAMAGED = {
    "zero bytes": (b"", "cannot be decoded"),
    "text": (b"<html>404</html>", "cannot be decoded"),
    "wrong size": (save(Image.new("RGB", (256, 255)), "JPEG"), "256 x 255 px, expected 256 x 256"),
    "grey": (save(Image.new("L", (256, 256)), "JPEG"), "a grey picture, expected one in colour"),
    "PNG": (save(Image.new("RGB", (256, 256))), "cannot be decoded"),
    "decompression bomb": (
        claim_size(save(Image.new("RGB", (256, 256)), "JPEG"), 65_000),
        "65000 x 65000 px, expected",
    ),
    "truncated JPEG": (save(Image.new("RGB", (256, 256)), "JPEG")[:-200], "cannot be decoded"),
}


def test_made_chip_has_four_components_and_no_adobe_marker(encode_chip, paint_chip):
    data = encode_chip(paint_chip("any"))
    frame = data.index(b"\xff\xc0")
    assert data[frame + 9] == 4
    assert b"Adobe" not in data


def test_four_component_chip_reads_in_its_colours(tmp_path, encode_chip, paint_chip):
    (tmp_path / "a.jpg").write_bytes(encode_chip(paint_chip("a")))
    chip = read_chip(tmp_path / "a.jpg")
    assert chip.shape == (256, 256, 3)
    assert chip.dtype == np.uint8
    np.testing.assert_allclose(chip.astype(int), paint_chip("a"), atol=2)


def test_reading_and_storing_chips_needs_no_tensorflow():
    code = "import sys; sys.modules['tensorflow'] = sys.modules['keras'] = None"
    modules = "; import planet_lib.data.ingest, planet_lib.evaluation.metrics"
    subprocess.run([sys.executable, "-c", code + modules], check=True, cwd=PROJECT)


@pytest.mark.parametrize("kind", ["RGB", "like Planet's", "CMYK with black ink"])
def test_chip_reads_as_opencv(tmp_path, encode_chip, kind):
    picture = cv2.resize(
        np.random.default_rng(0).integers(0, 255, (32, 32, 4), np.uint8), (256,) * 2
    )
    data = {
        "RGB": save(Image.fromarray(picture[..., :3].copy()), "JPEG"),
        "like Planet's": encode_chip(picture[..., :3]),
        "CMYK with black ink": save(Image.frombytes("CMYK", (256, 256), picture.tobytes()), "JPEG"),
    }[kind]
    (tmp_path / "a.jpg").write_bytes(data)
    expected = cv2.cvtColor(cv2.imread(str(tmp_path / "a.jpg")), cv2.COLOR_BGR2RGB)
    # OpenCV rounds the product with black down, level by level.
    atol = 2 if kind == "CMYK with black ink" else 1
    chip = read_chip(tmp_path / "a.jpg")
    np.testing.assert_allclose(chip.astype(int), expected, atol=atol)
    out = np.zeros_like(chip)
    decode_chip(data, tmp_path / "a.jpg", out)
    np.testing.assert_array_equal(out, chip)


def test_real_chips_read_as_opencv_within_one_level(sample):
    for path in sorted((sample / "train-jpg").glob("*.jpg"))[::70]:
        expected = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        np.testing.assert_allclose(read_chip(path).astype(int), expected, atol=1)
        assert expected.max() > 0


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_chip_is_an_error_that_names_it(tmp_path, kind):
    data, reason = DAMAGED[kind]
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    with pytest.raises(DataError, match=reason) as raised:
        read_chip(path)
    assert str(raised.value).count(str(path)) == 1


def test_missing_chip_is_an_error(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_chip(tmp_path / "a.jpg")


def test_folder_instead_of_chip_is_an_error(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_chip(tmp_path)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_changed_or_cut_jpeg_reads_or_is_a_data_error(tmp_path, encode_chip, paint_chip, data):
    jpeg = bytearray(encode_chip(paint_chip("a")))
    for _ in range(data.draw(st.integers(0, 3))):
        jpeg[data.draw(st.integers(0, 700))] = data.draw(st.integers(0, 255))
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg[: data.draw(st.integers(0, len(jpeg)))])
    with contextlib.suppress(DataError):
        assert read_chip(path).shape == (256, 256, 3)


def test_catalogue_lists_every_chip_of_both_families(dataset):
    folder = dataset(["clear primary"] * 3, test=2, additional=11)
    catalogue, problems = scan_dataset(folder)
    files = {str(path.relative_to(folder)) for path in folder.rglob("*.jpg")}
    assert set(catalogue["path"]) == files
    assert [path.rpartition("/")[2] for path in catalogue["path"]] == list(
        catalogue["chip"] + ".jpg"
    )
    unlabelled = catalogue[~catalogue["labelled"]]
    assert list(unlabelled["chip"]) == ["test_0", "test_1", *(f"file_{i}" for i in range(11))]
    assert set(unlabelled["tags"]) == {""}
    assert problems == []


def test_catalogue_without_unlabelled_folders(dataset):
    folder = dataset()
    (folder / "test-jpg").rmdir()
    (folder / "test-jpg-additional").rmdir()
    assert scan_dataset(folder)[0]["labelled"].all()


def test_row_without_weather_is_kept_and_said(dataset):
    catalogue, problems = scan_dataset(dataset(["clear", "water"]))
    assert list(catalogue["tags"]) == ["clear", "water"]
    assert [(p.file, p.problem) for p in problems] == [("train_1", "no weather label")]
    assert problems[0].action.startswith("kept")


def test_repeated_tag_is_counted_once_and_said(dataset):
    catalogue, problems = scan_dataset(dataset(["clear primary clear road primary"]))
    assert list(catalogue["tags"]) == ["clear primary road"]
    assert problems == [Problem("train_0", "a tag is repeated", "counted once")]


@pytest.mark.parametrize(
    ("tags", "problem"),
    [("clear haze", "more than one weather label"), ("cloudy road", "cloudy, with land labels")],
)
def test_odd_labels_are_kept_and_said(dataset, tags, problem):
    catalogue, problems = scan_dataset(dataset([tags]))
    assert list(catalogue["tags"]) == [tags]
    assert problems == [Problem("train_0", problem, "kept as it is")]


def test_labels_and_chips_without_each_other_are_left_out(dataset):
    folder = dataset(["clear"] * 3)
    write_labels(folder, "train_2,clear", "train_7,haze", "train_0,cloudy")
    catalogue, problems = scan_dataset(folder)
    assert list(catalogue["chip"]) == ["train_2", "train_0"]
    assert list(catalogue["tags"]) == ["clear", "cloudy"]
    assert problems == [
        Problem("train_7", "label without a chip", "left out"),
        Problem("train_1", "chip without a label", "left out"),
    ]


def test_row_with_no_tag_is_kept_as_one_without_weather(dataset):
    folder = dataset(["clear"] * 3)
    write_labels(folder, "train_0,clear", "train_1", "train_2,")
    catalogue, problems = scan_dataset(folder)
    assert list(catalogue["tags"]) == ["clear", "", ""]
    assert {p.file for p in problems} == {"train_1", "train_2"}


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_labels_file_saved_by_a_spreadsheet_reads(dataset, newline):
    folder = dataset(["clear"])
    text = newline.join(["image_name,tags", '"train_0"," clear  primary "', ""])
    (folder / "train_v2.csv").write_bytes(text.encode("utf-8-sig"))
    assert list(scan_dataset(folder)[0]["tags"]) == ["clear primary"]


def test_missing_folder_names_it_and_the_cure(tmp_path):
    with pytest.raises(DataError, match="no such folder; point DATA at") as raised:
        scan_dataset(tmp_path / "absent")
    assert str(tmp_path / "absent") in str(raised.value)


def test_missing_labels_file_names_it_and_the_cure(dataset):
    folder = dataset()
    (folder / "train_v2.csv").unlink()
    with pytest.raises(DataError, match=r"train_v2\.csv: no labels file; copy train_v2\.csv from"):
        scan_dataset(folder)


def test_no_labelled_chip_names_the_folder_and_the_cure(dataset):
    folder = dataset(["clear"] * 2)
    for path in (folder / "train-jpg").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="not one of the 2 labelled chips found; unpack") as raised:
        scan_dataset(folder)
    assert str(folder / "train-jpg") in str(raised.value)


def test_missing_column_is_named_beside_those_found(dataset):
    folder = dataset()
    write_labels(folder, "train_0,clear", header="image_name,labels")
    with pytest.raises(DataError, match=r"no column 'tags' \(found: image_name, labels\)"):
        scan_dataset(folder)


def test_unknown_tag_is_named_with_line_and_suggestion(dataset):
    folder = dataset()
    write_labels(folder, "train_0,clear", "train_1,clear primery")
    expected = r"train_v2\.csv, line 3: unknown tag 'primery'; did you mean 'primary'\?"
    with pytest.raises(DataError, match=expected):
        scan_dataset(folder)


def test_line_of_unknown_tag_counts_blank_lines(dataset):
    folder = dataset()
    write_labels(folder, "", "train_0,clear", "", "train_1,clear primery")
    with pytest.raises(DataError, match="line 5"):
        scan_dataset(folder)


def test_chip_listed_twice_is_an_error(dataset):
    folder = dataset()
    write_labels(folder, "train_0,clear", "train_1,haze", "train_0,haze")
    with pytest.raises(DataError, match="train_0 is listed twice; keep one"):
        scan_dataset(folder)


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe\x00", b'image_name,tags\ntrain_0,"clear\n', b"image_name,tags\na,b\na,b,c\n"],
    ids=["empty", "binary", "open quote", "ragged"],
)
def test_labels_file_that_is_no_table_is_an_error(dataset, content):
    folder = dataset()
    (folder / "train_v2.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"train_v2\.csv: not a CSV table"):
        scan_dataset(folder)


def test_tags_parted_by_commas_are_an_error_about_the_table(dataset):
    folder = dataset(["clear primary"])
    write_labels(folder, "train_0,clear,primary")
    with pytest.raises(DataError, match=r"train_v2\.csv"):
        scan_dataset(folder)


def test_labels_file_without_rows_is_an_error_about_the_table(dataset):
    folder = dataset(["clear primary"])
    write_labels(folder)
    with pytest.raises(DataError, match=r"train_v2\.csv"):
        scan_dataset(folder)


def test_real_sample_is_complete(sample):
    catalogue, problems = scan_dataset(sample)
    submission = pd.read_csv(sample / "sample_submission_v2.csv")
    assert catalogue["labelled"].sum() == 700
    assert set(catalogue["chip"][~catalogue["labelled"]]) == set(submission["image_name"])
    assert all(problem.action != "left out" for problem in problems)
