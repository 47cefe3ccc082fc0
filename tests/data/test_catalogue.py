"""The catalogue of a data set: every chip, problems of its labels, and unusable data sets."""

import shutil
from pathlib import Path

import pandas as pd
import pytest

from planet_lib.data.catalogue import scan_dataset, sign_dataset
from planet_lib.data.problems import Problem, summarize_problems
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


def test_row_with_no_tag_is_an_unlabelled_chip(dataset):
    folder = dataset(["clear"] * 4)
    write_labels(folder, "train_1", "train_0,clear", "train_2,", "train_3,  ")
    catalogue, problems = scan_dataset(folder)
    assert list(catalogue["chip"]) == ["train_0", "train_1", "train_2", "train_3"]
    assert list(catalogue["labelled"]) == [True, False, False, False]
    assert set(catalogue["tags"][1:]) == {""}
    assert problems == [
        Problem(f"train_{i}", "no label at all", "used as an unlabelled chip") for i in (1, 2, 3)
    ]


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
    "semicolons": (
        b"image_name;tags\na;clear\n",
        "no column 'image_name'.*separated by semicolons: save it with commas",
    ),
    "tabs": (b"image_name\ttags\na\tclear\n", "separated by tabs: save it with commas"),
    "web page": (b"<!DOCTYPE html>\n<title>Sign in</title>", "a web page; download"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "run git lfs pull"),
    "cleaned to the same name": (b"image_name,tags\na,clear\nx/a.jpg,haze\n", "a is listed twice"),
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


NAMES = {
    "ending": "train_{}.jpg",
    "other ending": "train_{}.TIF",
    "folder": "train-jpg/train_{}.jpg",
    "folder of Windows": r"C:\chips\train_{}.JPG",
    "spaces": " train_{}\t",
}


@pytest.mark.parametrize("kind", NAMES)
def test_names_of_chips_are_read_without_ending_folder_and_spaces(dataset, kind):
    folder = dataset(["clear"] * 3)
    expected, _ = scan_dataset(folder)
    write_labels(folder, *(f"{NAMES[kind].format(i)},clear " for i in range(3)))
    catalogue, problems = scan_dataset(folder)
    assert catalogue.equals(expected)
    assert problems == [
        Problem("train_v2.csv", "names with an ending, a folder or spaces", "read without them")
    ]


def test_tags_without_a_name_are_listed(dataset):
    folder = dataset(["clear"] * 2)
    write_labels(folder, "train_0,clear", ",haze", "train_1,clear")
    catalogue, problems = scan_dataset(folder)
    assert len(catalogue) == 2
    assert problems == [
        Problem("train_v2.csv, line 3", "tags without the name of a chip", "left out")
    ]


def test_table_of_the_test_chips_is_no_table_of_labels(dataset):
    folder = dataset(["clear"] * 2, test=2)
    write_labels(folder, "test_0,clear primary", "test_1,clear primary")
    with pytest.raises(DataError, match=r"train_v2\.csv: lists chips of test-jpg, such as test_0"):
        scan_dataset(folder)


def test_names_that_no_file_has_are_shown_beside_those_of_the_files(dataset):
    folder = dataset(["clear"] * 2)
    write_labels(folder, "chip-1,clear")
    with pytest.raises(DataError, match="lists 'chip-1', the folder has 'train_0'"):
        scan_dataset(folder)


def test_labels_under_another_name_are_pointed_out(dataset):
    folder = dataset(["clear"] * 2)
    (folder / "train_v2.csv").rename(folder / "train.csv")
    (folder / "sample_submission.csv").write_text("image_name,tags\n")
    with pytest.raises(DataError, match=r"if train\.csv has the labels, rename it to train_v2"):
        scan_dataset(folder)


def test_labelled_chip_that_is_among_the_test_chips_too_stays_labelled(dataset):
    folder = dataset(["clear"] * 2, test=1)
    shutil.copy(folder / "train-jpg/train_1.jpg", folder / "test-jpg")
    catalogue, problems = scan_dataset(folder)
    assert list(catalogue["path"][catalogue["labelled"]]) == [
        "train-jpg/train_0.jpg",
        "train-jpg/train_1.jpg",
    ]
    assert problems == [
        Problem("test-jpg/train_1.jpg", "a chip of that name is in train-jpg", "left out")
    ]


@pytest.mark.parametrize("ending", [".jpeg", ".JPG", ".png", ".WebP"])
def test_other_endings_of_pictures_are_chips(dataset, ending):
    folder = dataset(["clear"] * 2, test=1)
    expected = scan_dataset(folder)[0]
    for path in list(folder.glob("*/*.jpg")):
        path.rename(path.with_suffix(ending))
    catalogue, problems = scan_dataset(folder)
    assert list(catalogue["chip"]) == list(expected["chip"])
    assert set(map(Path, catalogue["path"])) == {
        path.relative_to(folder) for path in folder.glob("*/*")
    }
    assert problems == []


def test_files_of_operating_systems_are_no_chips(dataset):
    folder = dataset(["clear"] * 2)
    expected = scan_dataset(folder)
    for name in ("._train_0.jpg", ".DS_Store", "Thumbs.db", "desktop.ini"):
        (folder / "train-jpg" / name).write_bytes(b"\0\5\26\7")
    catalogue, problems = scan_dataset(folder)
    assert catalogue.equals(expected[0])
    assert problems == expected[1]


def test_what_else_is_among_the_chips_is_listed(dataset):
    folder = dataset(["clear"] * 2) / "train-jpg"
    (folder / "train_2.jpg.part").write_bytes(b"")
    (folder / "train_0.png").write_bytes(b"")
    (folder / "more").mkdir()
    _, problems = scan_dataset(folder.parent)
    assert {(problem.file, problem.action) for problem in problems} == {
        ("train-jpg/train_2.jpg.part", "left out"),
        ("train-jpg/train_0.png", "left out, the first is read"),
        ("train-jpg/more/", "left out"),
    }


def test_chips_that_the_submission_must_hold_and_lacks_are_counted(dataset):
    folder = dataset(["clear"] * 2, test=3)
    asked = "\n".join(["image_name,tags", *(f"test_{i}.jpg,clear" for i in (0, 1, 7, 8))])
    (folder / "sample_submission_v2.csv").write_text(asked)
    kinds = summarize_problems(scan_dataset(folder)[1])
    assert kinds[["action", "files", "example"]].to_numpy().tolist() == [
        ["not in submission.csv", 2, "test_7"],
        ["in submission.csv even so", 1, "test_2"],
    ]
    (folder / "sample_submission_v2.csv").write_text("<html>")
    (problem,) = scan_dataset(folder)[1]
    assert problem.file == "sample_submission_v2.csv"


@pytest.mark.parametrize(
    "name",
    [
        "train_v2.csv",
        "sample_submission_v2.csv",
        "test_v2_file_mapping.csv",
        "unpacked/problems.csv",
        "train-jpg/train_1.jpg",
        "train-jpg/new.part",
        "test-jpg/test_0.jpg",
        "test-jpg-additional/file_0.png",
        "train-tif-v2/train_0.tif",
        "test-tif-v2/file_0.tif",
    ],
)
def test_every_file_that_is_read_is_in_the_signature(dataset, name):
    folder = dataset(["clear"] * 2, test=1)
    path = folder / name
    before = sign_dataset(folder)
    path.parent.mkdir(exist_ok=True)
    if path.exists():
        path.write_bytes(path.read_bytes() + b"\n")
    else:
        path.write_bytes(b"new")
    changed = sign_dataset(folder)
    assert changed != before
    path.unlink()
    assert sign_dataset(folder) != changed


def test_signature_stays_without_a_change(dataset):
    folder = dataset(["clear"] * 2)
    before = sign_dataset(folder)
    (folder / "train_v2.csv").touch()
    (folder / "train-jpg/.DS_Store").write_bytes(b"")
    assert sign_dataset(folder) == before


def test_problems_are_counted_by_kind(dataset):
    folder = dataset(["clear clear", "clear", "cloudy road", "haze haze"])
    kinds = summarize_problems(scan_dataset(folder)[1])
    assert list(kinds.itertuples(index=False, name=None)) == [
        ("a tag is repeated", "counted once", 2, "train_0"),
        ("cloudy, with land labels", "kept as it is", 1, "train_2"),
    ]
    assert summarize_problems([]).empty
