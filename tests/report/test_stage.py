"""Stages: functions of the package called with JSON; a user's mistake is one line."""

import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from pydantic import ValidationError

from planet_lib.report.stage import run_command, run_stage

STORE = {"folder": "missing", "run_dir": "run", "source": "chips", "seed": 1}
HAZE = {"run_dir": "run", "method": "dark_channel", "clahe": False}
EXECUTE = {"executed": "run/notebooks/x.ipynb", "parameters": {"sise": 1}}
SITE = {
    "site": [{"name": "01", "title": "One", "summary": ""}],
    "report": "x",
    "data_note": "",
    "synthetic": True,
}
RENDER = SITE | {"notebook": "run/notebooks/x.ipynb", "page": "02.html"}
PUBLISH = SITE | {"run_dir": "run", "report_dir": "pages", "profile": {}}
PUBLISH |= {"detection": False, "scenes": False}
MISTAKES = [
    ("data.ingest:store_chips", STORE, "missing/train_v2.csv: no labels file"),
    ("features.statistics:store_statistics", {"run_dir": "run"}, "run/data/raw.npy: not there yet"),
    ("features.statistics:store_statistics", {"run_dir": "runs/mine"}, "make report NAME=mine"),
    ("data.haze_free:store_haze_free", HAZE, "run/data/raw.npy: not there yet"),
    ("report.execute:execute_notebook", {"notebook": "no.ipynb"} | EXECUTE, "no.ipynb: No such"),
    ("report.execute:execute_notebook", {"notebook": "junk.ipynb"} | EXECUTE, "not a notebook"),
    (
        "report.execute:execute_notebook",
        {"notebook": "book.ipynb"} | EXECUTE,
        "did you mean 'size'",
    ),
    ("report.pages:render_page", RENDER, "02.html is not a page"),
    ("report.publish:publish_index", PUBLISH, "run/results/explore.json: not there yet"),
]


@pytest.fixture(autouse=True)
def workplace(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "junk.ipynb").write_text("no notebook")
    cell = new_code_cell("size: int = 1  # of it", metadata={"tags": ["parameters"]})
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(new_notebook(cells=[cell], metadata={"kernelspec": kernel}), "book.ipynb")
    return tmp_path


@pytest.mark.parametrize(("function", "arguments", "words"), MISTAKES)
def test_mistake_is_one_line(function, arguments, words, capsys):
    stage = f"planet_lib.{function}"
    assert run_command(lambda: run_stage(stage, json.dumps(arguments))) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert words in err


@pytest.mark.parametrize("wrong", [{"seed": "many"}, {"sede": 1}])
def test_arguments_that_the_function_does_not_take_are_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        run_stage("planet_lib.data.ingest:store_chips", json.dumps(STORE | wrong))


def test_stage_is_a_command_with_an_exit_code(workplace):
    arguments = {"folder": "made", "chips": 2, "unlabelled": 0, "seed": 1, "enrich": 0.0}
    codes = []
    for folder in ("made", "junk.ipynb"):
        command = [sys.executable, "-m", "planet_lib.report.stage"]
        command += ["planet_lib.synthetic.dataset:write_dataset"]
        command += [json.dumps(arguments | {"folder": folder})]
        codes.append(subprocess.run(command, capture_output=True, check=False).returncode)
    assert codes == [0, 1]
    assert (workplace / "made" / "train_v2.csv").exists()
