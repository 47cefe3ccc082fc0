"""The notebooks keep the house's form, and say what to run where their input is missing."""

import ast
import inspect
import re
from pathlib import Path

import nbformat
import papermill
import pytest

from planet_lib.config import load_profile
from planet_lib.errors import StageError
from planet_lib.report.execute import execute_notebook
from planet_lib.training.train import train_run

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
MOST_LINES = 16


def read(path):
    return nbformat.read(path, as_version=4).cells


def code_of(path):
    return [cell.source for cell in read(path) if cell.cell_type == "code"]


every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def test_notebooks_are_the_six_of_the_report():
    assert [path.stem for path in NOTEBOOKS] == [
        "01_explore",
        "02_dehaze",
        "03_ensemble",
        "03_train",
        "04_evaluate",
        "05_find_mines",
    ]


@every_notebook
def test_cells_are_short_and_define_nothing(path):
    for source in code_of(path):
        assert source.count("\n") < MOST_LINES
        kinds = {type(node) for node in ast.walk(ast.parse(source))}
        assert not kinds & {ast.FunctionDef, ast.ClassDef, ast.Lambda}


@every_notebook
def test_opening_is_the_same(path):
    title, parameters, imports = read(path)[:3]
    assert re.match(r"# .+\n\n\*\*.+\?\*\*\n", title.source)
    for word in ("*Reads*", "*Writes*", "*Takes*"):
        assert word in title.source
    assert parameters.metadata["tags"] == ["parameters"]
    assert imports.source.startswith("from pathlib import Path")


@every_notebook
def test_parameters_are_typed_and_explained(path):
    for name, parameter in papermill.inspect_notebook(str(path)).items():
        assert parameter["inferred_type_name"] != "None", name
        assert parameter["help"], name


@every_notebook
def test_markdown_stands_before_each_figure(path):
    cells = read(path)
    for position, cell in enumerate(cells):
        if (
            cell.cell_type == "code"
            and "show_figure(" in cell.source
            and "import" not in cell.source
        ):
            before = cells[position - 1]
            code_alone = before.cell_type == "code" and "show_figure(" not in before.source
            assert before.cell_type == "markdown" or code_alone


def test_training_defaults_are_the_profile_s():
    defaults = papermill.inspect_notebook(str(NOTEBOOKS[0].with_name("03_train.ipynb")))
    defaults = {name: ast.literal_eval(p["default"]) for name, p in defaults.items()}
    profile = load_profile("default")
    assert defaults["seed"] == profile.seed
    for name, value in profile.networks[defaults["model"]].model_dump().items():
        assert defaults[name] == value, name
    taken = set(inspect.signature(train_run).parameters) - {"on_epoch"}
    assert taken == set(defaults)


@pytest.mark.slow
@every_notebook
def test_missing_input_names_the_command(path, tmp_path):
    with pytest.raises(StageError, match=r"not there yet; run 'make report NAME=new' first"):
        execute_notebook(path, tmp_path / "n" / path.name, {"run_dir": str(tmp_path / "runs/new")})
