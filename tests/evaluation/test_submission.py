"""The submission lists every chip once with known labels; a wrong one is not written."""

import io

import numpy as np
import pandas as pd
import pytest

from planet_lib.data.catalogue import scan_dataset
from planet_lib.data.labels import encode_tags
from planet_lib.errors import DataError
from planet_lib.evaluation.submission import check_submission, write_submission

NAMES = np.array(["test_10", "test_2", "file_0"], dtype=object)
TAGS = ["clear primary", "haze", "partly_cloudy primary water"]


def make_table(**changes: list) -> pd.DataFrame:
    return pd.DataFrame({"image_name": NAMES, "tags": TAGS} | changes)


def test_submission_has_every_chip_once_in_the_given_order(tmp_path):
    path = tmp_path / "submission.csv"
    write_submission(path, NAMES, encode_tags(TAGS).astype(bool))
    assert path.read_text().splitlines()[0] == "image_name,tags"
    pd.testing.assert_frame_equal(pd.read_csv(path, dtype=object), make_table().astype(object))
    assert list(tmp_path.iterdir()) == [path]


def test_submission_of_no_chip_is_the_header(tmp_path):
    write_submission(tmp_path / "a.csv", np.array([], dtype=object), np.zeros((0, 17), bool))
    assert (tmp_path / "a.csv").read_text() == "image_name,tags\n"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"image_name": ["test_10", "test_10", "file_0"]}, "test_10 is listed twice"),
        ({"image_name": ["test_10", "test_2", "file_9"]}, "file_0 is missing"),
        ({"tags": ["clear", " ", "haze"]}, "test_2 has no label"),
        ({"tags": ["clear", "hase", "haze"]}, "test_2: unknown tag 'hase'; did you mean 'haze'"),
    ],
    ids=["twice", "missing", "no label", "unknown tag"],
)
def test_wrong_table_is_an_error(changes, expected):
    with pytest.raises(DataError, match=expected):
        check_submission(make_table(**changes), expected=set(NAMES))


def test_chip_that_is_not_expected_is_an_error():
    with pytest.raises(DataError, match="test_2 is not among the chips to label"):
        check_submission(make_table(), expected={"test_10", "file_0"})


def test_right_table_passes():
    check_submission(make_table(), expected=set(NAMES))


def test_chip_without_tags_in_a_file_is_an_error():
    table = pd.read_csv(io.StringIO("image_name,tags\ntest_2,\n"))
    with pytest.raises(DataError, match="test_2 has no label"):
        check_submission(table, expected={"test_2"})


@pytest.mark.parametrize(
    ("names", "tags"), [(["a", "a"], ["clear", "haze"]), (["a", "b"], ["clear", ""])]
)
def test_wrong_submission_keeps_the_old_file(tmp_path, names, tags):
    path = tmp_path / "submission.csv"
    path.write_text("old")
    with pytest.raises(DataError):
        write_submission(path, np.array(names), encode_tags(tags))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_submission_of_the_real_sample_lists_the_chips_that_kaggle_asks_for(sample, tmp_path):
    catalogue, _ = scan_dataset(sample)
    names = catalogue["chip"][~catalogue["labelled"]].to_numpy()
    write_submission(tmp_path / "a.csv", names, encode_tags(["clear primary"] * len(names)))
    asked = set(pd.read_csv(sample / "sample_submission_v2.csv")["image_name"])
    check_submission(pd.read_csv(tmp_path / "a.csv"), expected=asked)
