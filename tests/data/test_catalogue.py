"""The catalogue of a data set: every chip, problems of its labels, and unusable data sets."""

from pathlib import Path

import pandas as pd
import pytest

from planet_lib.data.catalogue import Problem, scan_dataset
from planet_lib.errors import DataError


def write_labels(folder: Path, *lines: str) -> None:
    (folder / "train_v2.csv").write_text("\n".join(["image_name,tags", *lines, ""]))


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


@pytest.mark.parametrize(
    ("tags", "kept", "problem", "action"),
    [
        ("water", "water", "no weather label", "kept; its weather is masked in training"),
        ("clear water clear", "clear water", "a tag is repeated", "counted once"),
        ("clear haze", "clear haze", "more than one weather label", "kept as it is"),
        ("cloudy road", "cloudy road", "cloudy, with land labels", "kept as it is"),
    ],
)
def test_problem_of_a_label_is_listed_and_its_chip_kept(dataset, tags, kept, problem, action):
    catalogue, problems = scan_dataset(dataset(["clear primary", tags]))
    assert list(catalogue["tags"]) == ["clear primary", kept]
    assert problems == [Problem("train_1", problem, action)]


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


def test_labels_file_saved_by_a_spreadsheet_reads(dataset):
    folder = dataset(["clear"])
    text = "\r\n".join(["image_name,tags", '"train_0"," clear  primary "', ""])
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


UNUSABLE_LABELS = {
    "other column": (
        b"image_name,labels\na,b\n",
        r"no column 'tags' \(found: image_name, labels\)",
    ),
    "unknown tag": (
        b"image_name,tags\n\ntrain_0,clear\ntrain_1,clear primery\n",
        "line 4: unknown tag 'primery'; did you mean 'primary'",
    ),
    "chip twice": (b"image_name,tags\na,clear\na,haze\n", "a is listed twice; keep one"),
    "empty": (b"", "not a CSV table"),
    "no rows": (b"image_name,tags\n", "no rows; download it again"),
    "binary": (b"\xff\xfe\x00", "not a CSV table"),
    "open quote": (b'image_name,tags\ntrain_0,"clear\n', "not a CSV table"),
    "ragged": (b"image_name,tags\na,b\na,b,c\n", "not a CSV table"),
    "tags separated by commas": (
        b"image_name,tags\ntrain_0,clear,primary\n",
        "more than two columns",
    ),
}


@pytest.mark.parametrize("kind", UNUSABLE_LABELS)
def test_unusable_labels_file_is_an_error_that_names_it(dataset, kind):
    content, reason = UNUSABLE_LABELS[kind]
    folder = dataset(["clear"])
    (folder / "train_v2.csv").write_bytes(content)
    with pytest.raises(DataError, match=rf"train_v2\.csv.*{reason}"):
        scan_dataset(folder)


def test_real_sample_is_complete(sample):
    catalogue, problems = scan_dataset(sample)
    submission = pd.read_csv(sample / "sample_submission_v2.csv")
    assert catalogue["labelled"].sum() == 700
    assert set(catalogue["chip"][~catalogue["labelled"]]) == set(submission["image_name"])
    assert all(problem.action != "left out" for problem in problems)
