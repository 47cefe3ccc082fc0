"""The notebooks have the same form, and name the command that makes their missing input."""

import ast
import re
from pathlib import Path

import nbformat
import papermill
import pytest

from planet_lib.config import load_profile
from planet_lib.errors import StageError
from planet_lib.report.execute import execute_notebook

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MOST_LINES = 15


def read(path):
    return nbformat.read(path, as_version=4).cells


def code_of(path):
    return [cell.source for cell in read(path) if cell.cell_type == "code"]


every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def test_notebooks_are_those_of_the_reports():
    assert [path.stem for path in NOTEBOOKS] == [
        "01_explore",
        "01_places",
        "02_dehaze",
        "03_ensemble",
        "03_train",
        "04_detection",
        "04_evaluate",
        "05_find_mines",
        "06_scenes",
    ]


@every_notebook
def test_cells_are_short_and_define_nothing(path):
    for source in code_of(path):
        assert len(source.splitlines()) <= MOST_LINES
        kinds = {type(node) for node in ast.walk(ast.parse(source))}
        assert not kinds & {ast.FunctionDef, ast.ClassDef, ast.Lambda}


@every_notebook
def test_opening_is_the_same(path):
    title, parameters, imports = read(path)[:3]
    assert re.match(r"# .+\n\n\*\*.+\?\*\*\n", title.source)
    for word in ("*Reads*", "*Writes*", "*Takes*"):
        assert word in title.source
    assert parameters.metadata["tags"] == ["parameters"]
    assert imports.source.startswith("import ")
    assert "from planet_lib.report.trial import " in imports.source


@every_notebook
def test_parameters_are_typed_literals_with_an_explanation(path):
    parameters = papermill.inspect_notebook(str(path))
    assert len(parameters) == len(read(path)[1].source.splitlines())
    for name, parameter in parameters.items():
        assert parameter["inferred_type_name"] != "None", name
        assert parameter["help"], name
        ast.literal_eval(parameter["default"])


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


def test_training_defaults_are_those_of_the_profile():
    defaults = papermill.inspect_notebook(str(NOTEBOOKS[0].with_name("03_train.ipynb")))
    defaults = {name: ast.literal_eval(p["default"]) for name, p in defaults.items()}
    profile = load_profile("default")
    assert defaults["seed"] == profile.seed
    for name, value in profile.networks[defaults["model"]].model_dump().items():
        assert defaults[name] == value, name
    # from the syntax tree: importing the module would import TensorFlow
    body = ast.parse((ROOT / "planet_lib" / "training" / "train.py").read_text()).body
    (train_run,) = [node for node in body if getattr(node, "name", "") == "train_run"]
    taken = {argument.arg for argument in train_run.args.args + train_run.args.kwonlyargs}
    assert taken == {*defaults, "on_epoch"}


@pytest.mark.slow
@every_notebook
def test_missing_input_names_the_command(path, tmp_path):
    with pytest.raises(StageError, match=r"not there yet; run 'make report NAME=new' first"):
        execute_notebook(path, tmp_path / "n" / path.name, {"run_dir": str(tmp_path / "runs/new")})
