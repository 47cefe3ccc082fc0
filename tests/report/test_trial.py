"""A notebook run by hand is a trial: it has a place of its own and leaves the report as it is."""

import json
from pathlib import Path

import nbformat
import pytest

from planet_lib.errors import ConfigError, StageError
from planet_lib.report import trial
from planet_lib.report.trial import check_parameter, mark_stage, open_run

PAGE = "03_train-cnn-raw"
REPORT = {"run_dir": "../runs/made", "epochs": 30, "input_mode": "raw"}


@pytest.fixture
def run(tmp_path, monkeypatch) -> Path:
    """Give a finished run with one network, in a checkout of its own."""
    monkeypatch.setattr(trial, "NOTEBOOKS", tmp_path / "notebooks")
    folder = tmp_path / "runs" / "made"
    for name in ("data", "models/cnn-raw", "results", "notebooks"):
        (folder / name).mkdir(parents=True)
    (folder / "data" / "raw.json").write_text('{"pixels_sha256": "1"}')
    (folder / "data" / "raw.npy").write_text("many pixels")
    (folder / "models" / "cnn-raw" / "run.json").write_text('{"fingerprint": "1"}')
    (folder / "results" / "evaluate.json").write_text("{}")
    notebook = nbformat.v4.new_notebook(metadata={"papermill": {"parameters": REPORT}})
    nbformat.write(notebook, folder / "notebooks" / f"{PAGE}.ipynb")
    return folder


@pytest.fixture
def shown(monkeypatch) -> list[str]:
    """Give the list of what a notebook displays."""
    texts = []
    monkeypatch.setattr(trial, "display", lambda markdown: texts.append(markdown.data))
    return texts


def read_tree(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and "trials" not in path.parts
    }


def test_stage_of_a_report_works_on_the_run_itself(run, shown):
    with mark_stage():
        assert open_run("../runs/made", PAGE, REPORT) == run
    assert shown == []


def test_trial_changes_nothing_of_the_report(run, shown):
    before = read_tree(run)
    place = open_run("../runs/made", PAGE, REPORT)
    assert place.parent == run / "trials"
    assert (place / "data" / "raw.npy").read_text() == "many pixels"
    (place / "models" / "cnn-raw" / "run.json").write_text("another network")
    (place / "results" / "evaluate.json").write_text("other scores")
    assert read_tree(run) == before


def test_later_notebooks_see_what_a_trial_wrote(run, shown):
    first = open_run("../runs/made", PAGE, REPORT)
    (first / "models" / "cnn-raw" / "run.json").write_text("another network")
    second = open_run("../runs/made", "04_evaluate", {})
    assert (second / "models" / "cnn-raw" / "run.json").read_text() == "another network"


@pytest.mark.parametrize("manifest", ["data/raw.json", "models/cnn-raw/run.json"])
def test_trial_starts_again_from_a_report_that_was_made_again(run, shown, manifest):
    first = open_run("../runs/made", PAGE, REPORT)
    (run / manifest).write_text('{"fingerprint": "2"}')
    second = open_run("../runs/made", PAGE, REPORT)
    assert second != first
    assert first.exists()


def test_trial_shows_how_it_differs_from_the_report(run, shown):
    open_run("../runs/made", PAGE, REPORT)
    open_run("../runs/made", PAGE, REPORT | {"epochs": 2, "another_variable": 1})
    open_run("../runs/made", "03_train-densenet-raw", REPORT)
    same, other, unknown = shown
    assert "Its parameters are those of the report" in same
    assert "`epochs = 2` (report: `30`)" in other
    assert "input_mode" not in other
    assert "no page `03_train-densenet-raw`" in unknown


@pytest.mark.parametrize("folder", [".", "notebooks", "runs/made"])
def test_run_is_found_from_any_folder(run, shown, monkeypatch, folder):
    (run.parents[1] / "notebooks").mkdir()
    monkeypatch.chdir(run.parents[1] / folder)
    assert open_run("../runs/made", PAGE, REPORT).is_relative_to(run)


def test_missing_run_names_the_command(run):
    with pytest.raises(StageError, match="run 'make report NAME=other' first"):
        open_run("../runs/other", PAGE, REPORT)


def test_parameter_that_the_data_contradict_is_refused():
    check_parameter("method", "dark_channel", json.loads('"dark_channel"'))
    with pytest.raises(ConfigError, match=r"clahe is True, but .* made with False; change clahe"):
        check_parameter("clahe", True, False)
