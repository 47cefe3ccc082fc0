"""Files that are complete or absent, and errors that name the command which makes them."""

import pytest

from planet_lib.data.store import load_catalogue, open_store
from planet_lib.errors import StageError
from planet_lib.files import read_json, write_json


def test_json_round_trip(tmp_path):
    content = {"f2": 0.5, "labels": {"clear": None}, "runs": ["cnn-raw"]}
    write_json(tmp_path / "new" / "a.json", content)
    assert read_json(tmp_path / "new" / "a.json") == content
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.json"]


def test_json_that_cannot_be_written_leaves_the_old_file(tmp_path):
    write_json(tmp_path / "a.json", {"old": 1})
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"new": object()})
    assert read_json(tmp_path / "a.json") == {"old": 1}


def test_damaged_json_names_the_file_and_the_cure(tmp_path):
    (tmp_path / "a.json").write_text('{"f2": ')
    with pytest.raises(StageError, match=r"a\.json: damaged .*; delete it and run again"):
        read_json(tmp_path / "a.json")


@pytest.mark.parametrize(
    ("run", "command"), [("default", "'make report'"), ("amazon", "'make report NAME=amazon'")]
)
def test_what_is_not_there_yet_names_the_command(tmp_path, run, command):
    run_dir = tmp_path / "runs" / run
    for read in (
        lambda: open_store(run_dir, "raw"),
        lambda: load_catalogue(run_dir),
        lambda: read_json(run_dir / "results" / "evaluate.json"),
    ):
        with pytest.raises(StageError, match=f"not there yet; run {command} first") as raised:
            read()
        assert str(run_dir) in str(raised.value)


def test_command_names_the_run_below_the_last_runs_folder(tmp_path):
    with pytest.raises(StageError, match="NAME=amazon"):
        load_catalogue(tmp_path / "runs" / "mine" / "runs" / "amazon")
