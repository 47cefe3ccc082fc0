"""Executing notebooks: strict about parameters, plain about failures, quiet on stderr."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from planet_lib.errors import ConfigError, StageError
from planet_lib.report.execute import execute_notebook

PYTHON = {"name": "python3", "display_name": "Python 3", "language": "python"}
PARAMETERS = """\
flag: bool = True  # a switch
sizes: list = [1, 2]  # of anything
name: str = "a"  # a word
nothing: object = 3  # may be None
rate: float = 0.5  # a small number
options: dict = {}  # of the builder
"""
VALUES = {
    "flag": False,
    "sizes": [4, 4, 4],
    "name": 'it\'s a "word"',
    "nothing": None,
    "rate": 1e-4,
    "options": {"blocks": [1, 2], "weights": None, "deep": {"on": True}},
}


@pytest.fixture
def executed(tmp_path) -> Path:
    return tmp_path / "run" / "notebooks" / "copy.ipynb"


@pytest.fixture
def unfinished(tmp_path) -> Path:
    return tmp_path / "run" / "unfinished" / "copy.ipynb"


def write_notebook(folder: Path, *cells: str, parameters: str = PARAMETERS) -> Path:
    path = folder / "source.ipynb"
    notebook = new_notebook(
        cells=[
            new_code_cell(parameters, metadata={"tags": ["parameters"]}),
            *map(new_code_cell, cells),
        ],
        metadata={"kernelspec": PYTHON},
    )
    nbformat.write(notebook, path)
    return path


def read_text(path: Path) -> str:
    """Gather what an executed notebook's cells printed."""
    cells = nbformat.read(path, 4).cells
    return "".join(output.get("text", "") for cell in cells for output in cell.get("outputs", []))


def fail(notebook: Path, executed: Path, **parameters) -> str:
    with pytest.raises(StageError) as failure:
        execute_notebook(notebook, executed, parameters)
    return str(failure.value)


def test_parameters_keep_types_and_output_is_labelled(tmp_path, executed, unfinished, capfd):
    notebook = write_notebook(
        tmp_path,
        f"assert dict(flag=flag, sizes=sizes, name=name, nothing=nothing, rate=rate, "
        f"options=options) == {VALUES!r}\nassert type(rate) is float and flag is False",
        "import os, sys, warnings\nprint('one')\nprint('tw', end='')\nprint('o')\nprint(rate)",
        "os.write(2, b'native noise')\nprint('noise', file=sys.stderr)",
        "print(os.getcwd())",
    )
    source = notebook.read_bytes()
    execute_notebook(notebook, executed, VALUES)
    assert read_text(executed).startswith("one\ntwo\n0.0001\n")
    assert notebook.read_bytes() == source
    assert list(unfinished.parent.iterdir()) == []
    out, err = capfd.readouterr()
    assert out.splitlines()[:3] == ["copy | one", "copy | two", "copy | 0.0001"]
    assert out.splitlines()[-1] == f"copy | {tmp_path}"
    assert err == ""


@pytest.mark.parametrize(
    ("parameter", "suggestion"),
    [("sises", "did you mean 'sizes'?"), ("xyz", "allowed: flag, name, nothing")],
)
def test_unknown_parameter_is_refused_before_anything_runs(
    tmp_path, executed, parameter, suggestion
):
    notebook = write_notebook(tmp_path)
    with pytest.raises(ConfigError) as refused:
        execute_notebook(notebook, executed, {parameter: 1})
    assert repr(parameter) in str(refused.value)
    assert suggestion in str(refused.value)
    assert not executed.parent.exists()


def test_failing_cell_keeps_the_half_run_copy_and_no_other(tmp_path, executed, unfinished, capfd):
    notebook = write_notebook(tmp_path, "print('before')", "1 / 0", "print('after')")
    executed.parent.mkdir(parents=True)
    executed.write_text("what an earlier run left")
    message = fail(notebook, executed)
    assert message.startswith("copy: ZeroDivisionError: division by zero")
    assert str(unfinished) in message
    assert "\n" not in message
    assert not executed.exists()
    assert "before" in read_text(unfinished)
    assert "after" not in read_text(unfinished)
    assert "ZeroDivisionError" in unfinished.read_text()
    assert capfd.readouterr().err == ""
    write_notebook(tmp_path, "print('mended')")
    execute_notebook(notebook, executed, {})
    assert "mended" in read_text(executed)
    assert not unfinished.exists()


def test_own_error_shows_as_its_own_words(tmp_path, executed, unfinished):
    notebook = write_notebook(
        tmp_path, "from planet_lib.errors import DataError\nraise DataError('chip 3: too dark')"
    )
    message = fail(notebook, executed)
    assert message == f"copy: chip 3: too dark (half-run copy: {unfinished})"


def test_error_of_many_lines_shows_as_one(tmp_path, executed):
    notebook = write_notebook(tmp_path, "raise ValueError('first\\nsecond')")
    assert "\n" not in fail(notebook, executed)


def test_killed_kernel_is_told_from_a_finished_one(tmp_path, executed, unfinished):
    notebook = write_notebook(
        tmp_path, "import os\nos.write(2, b'last words')", "os.kill(os.getpid(), 9)"
    )
    message = fail(notebook, executed)
    assert message.startswith("copy: its process was killed")
    assert str(unfinished) in message
    assert not executed.exists()
    chatter = unfinished.with_suffix(".stderr.txt")
    assert str(chatter) in message
    assert "last words" in chatter.read_text()


def test_last_line_without_a_newline_is_shown(tmp_path, executed, capfd):
    execute_notebook(write_notebook(tmp_path, "print('end', end='')"), executed, {})
    assert "copy | end" in capfd.readouterr().out


@pytest.mark.slow
def test_two_at_once_do_not_clash(tmp_path):
    notebook = write_notebook(tmp_path, "import time\ntime.sleep(0.5)\nprint(name)")
    command = (
        "import sys; from pathlib import Path\n"
        "from planet_lib.report.execute import execute_notebook\n"
        "execute_notebook(Path(sys.argv[1]), Path(sys.argv[2]), {'name': sys.argv[3]})"
    )
    copies = {name: tmp_path / "run" / "notebooks" / f"{name}.ipynb" for name in ("left", "right")}
    processes = {
        name: subprocess.Popen(
            [sys.executable, "-c", command, notebook, copy, name],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        for name, copy in copies.items()
    }
    for name, process in processes.items():
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out, err) == (0, f"{name} | {name}\n", "")
        assert name in read_text(copies[name])
