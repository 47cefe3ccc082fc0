"""Dependencies: equal to what Python really imports, and what makes a stage run again."""

import json
import logging
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from snakemake.api import SnakemakeApi
from snakemake.logging import logger
from snakemake.settings.types import (
    ConfigSettings,
    DAGSettings,
    ExecutionSettings,
    OutputSettings,
    ResourceSettings,
)

from planet_lib import dependencies
from planet_lib.config import load_profile
from planet_lib.data.labels import LABELS
from planet_lib.dependencies import digest_dependencies, list_dependencies

ROOT = Path(__file__).parents[1]
MODULES = sorted(path.relative_to(ROOT) for path in (ROOT / "planet_lib").rglob("*.py"))
FINGERPRINTED = ("planet_lib.training.fit", "planet_lib.training.out_of_fold")
PARTS = {
    "__init__.py": "",
    "a.py": "A = 1",
    "b.py": "from package import a",
    "room/__init__.py": "from package.room import window",
    "room/door.py": "DOOR = 1",
    "room/window.py": "WINDOW = 1",
    "tables/one.csv": "1",
    "tables/deep/two.csv": "2",
    "tables/README.md": "What they are.",
    "words.txt": "words",
}
ROOM = {"room/__init__.py", "room/window.py"}
FIND_IMPORTS = """\
import ast, importlib, json, sys
import cv2, keras, IPython, matplotlib.pyplot, pandas, papermill, scipy, sklearn, skimage, nbconvert
found = []
for modules, source in json.load(sys.stdin):
    for name in [name for name in sys.modules if name.split(".")[0] == "planet_lib"]:
        del sys.modules[name]
    for name in modules:
        importlib.import_module(name)
    tree = ast.parse(source)
    tree.body = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    exec(compile(tree, "notebook", "exec"), {})
    names = [name for name in sys.modules if name.split(".")[0] == "planet_lib"]
    found.append([sys.modules[name].__file__ for name in names])
print(json.dumps(found))
"""


@pytest.fixture
def package(tmp_path, monkeypatch) -> Callable[..., Path]:
    """Give a function that writes a package with one more module, and returns that module."""

    def write(source: str, **changed: str) -> Path:
        folder = tmp_path / f"copy-{len(list(tmp_path.iterdir()))}" / "package"
        monkeypatch.setattr(dependencies, "PACKAGE", folder)
        for name, text in (PARTS | {"room/entry.py": source} | changed).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return folder / "room" / "entry.py"

    return write


def list_names(entry: Path) -> set[str]:
    return {str(path.relative_to(dependencies.PACKAGE)) for path in list_dependencies(entry)}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import os, numpy.linalg\nfrom collections import abc", set()),
        ("import package.a", {"a.py"}),
        ("from package import a", {"a.py"}),
        ("from package.a import A as name", {"a.py"}),
        ("from package import b", {"a.py", "b.py"}),
        ("def f():\n    if f:\n        from package.b import a", {"a.py", "b.py"}),
        ("import package.room.door as d", {"room/door.py"}),
        ("from . import door", {"room/door.py"}),
        ("from .door import DOOR", {"room/door.py"}),
        ("from ..a import A", {"a.py"}),
        ("try:\n    import package.a\nexcept ImportError:\n    pass", {"a.py"}),
        ("open('../words.txt')\nopen('nothing.txt')", set()),
        ("'package.a'\n# import package.a\nTEXT = 'import package.a'", set()),
    ],
)
def test_module_depends_on_what_it_imports(package, source, expected):
    assert list_names(package(source)) == {"__init__.py", "room/entry.py"} | ROOM | expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("PATH = 'words.txt'", {"words.txt"}),
        ("PATH = FOLDER / 'tables'", {"tables/one.csv", "tables/deep/two.csv"}),
        ("PATH = f'tables/{name}'", {"tables/one.csv", "tables/deep/two.csv"}),
        ("NAME = 'room'", set()),
        ("NAME = 'words'", set()),
        ("'words.txt'", set()),
    ],
)
def test_module_depends_on_the_data_beside_it_that_it_names(package, source, expected):
    package("", **{"named.py": source})
    found = list_names(dependencies.PACKAGE / "named.py")
    assert found == {"__init__.py", "named.py"} | expected


def test_circular_imports_end(package):
    entry = package("import package.a", **{"a.py": "import package.room.entry"})
    assert list_names(entry) == {"__init__.py", "room/entry.py", "a.py"} | ROOM


def test_notebook_depends_on_what_its_code_imports(package, tmp_path):
    package("")
    cells = [new_markdown_cell("import package.a"), new_code_cell("from package.room import door")]
    nbformat.write(new_notebook(cells=cells), tmp_path / "book.ipynb")
    found = list_dependencies(tmp_path / "book.ipynb")
    assert tmp_path / "book.ipynb" in found
    found.remove(tmp_path / "book.ipynb")
    names = {str(path.relative_to(dependencies.PACKAGE)) for path in found}
    assert names == {"__init__.py", "room/door.py"} | ROOM


def test_digest_is_that_of_the_meaning(package):
    source = "from package import b\ndef f(x):\n    return x + 1"
    same = (
        '"""Of it."""\nfrom package import (\n  b,\n)\ndef f( x ):\n  "Of f."\n  return x+1  # why'
    )
    before = digest_dependencies(package(source))
    assert digest_dependencies(package(same)) == before
    assert digest_dependencies(package(source, **{"a.py": '"""Of it."""\nA = 1  # why'})) == before
    assert digest_dependencies(package(source, **{"room/door.py": "DOOR = 2"})) == before
    assert digest_dependencies(package(source.replace("+", "-"))) != before
    assert digest_dependencies(package(source, **{"a.py": "A = 2"})) != before
    assert digest_dependencies(package(source, **{"room/window.py": "WINDOW = 2"})) != before


def test_digest_changes_with_a_byte_of_data(package):
    digests = set()
    for content in ("words", "word"):
        package("", **{"named.py": "PATH = 'words.txt'", "words.txt": content})
        digests.add(digest_dependencies(dependencies.PACKAGE / "named.py"))
    assert len(digests) == 2


def test_every_data_file_of_the_package_belongs_to_a_module():
    files = (ROOT / "planet_lib").rglob("*")
    data = {path for path in files if path.is_file() and path.suffix not in (".py", ".pyc", ".md")}
    assert data <= set(list_dependencies(*(ROOT / module for module in MODULES)))


class Graph:
    """A copy of the repository with a finished run, all of whose results are empty files."""

    def __init__(self, folder: Path) -> None:
        self.root, self.run_dir = folder, folder / "runs" / "empty"
        self.run_dir.mkdir(parents=True)
        hidden = shutil.ignore_patterns("__pycache__")
        for part in ("planet_lib", "notebooks"):
            shutil.copytree(ROOT / part, folder / part, ignore=hidden)
        for snakefile in ("Snakefile", "scenes.smk"):
            shutil.copy2(ROOT / snakefile, folder)
        profile = load_profile("sample").model_dump()
        self.settings = {
            "name": "x",
            "data": None,
            "source": "",
            "labels": list(LABELS),
            "credit": "",
            "signature": "",
            "profile": profile,
            "searches": {"a": {"record": "searched/a.json"}},
            "boundaries": None,
        }
        self.jobs = self.plan(force=True)
        for job in self.jobs:
            for output in job["output"]:
                path = self.run_dir / output
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
        self._run("touch")

    def plan(self, *, force: bool = False) -> list[dict]:
        """List the jobs of a dry run."""
        return self._run("dryrun", DAGSettings(forceall=force))

    def _run(self, executor: str, dag_settings: DAGSettings | None = None) -> list[dict]:
        jobs = []
        handler = logging.Handler()
        handler.emit = lambda record: jobs.append(vars(record))
        with SnakemakeApi(OutputSettings(dryrun=executor == "dryrun", printshellcmds=True)) as api:
            workflow = api.workflow(
                resource_settings=ResourceSettings(cores=2),
                config_settings=ConfigSettings(config=self.settings),
                snakefile=self.root / "Snakefile",
                workdir=self.run_dir,
            )
            dag = workflow.dag(dag_settings)
            logger.addHandler(handler)
            try:
                dag.execute_workflow(executor, execution_settings=ExecutionSettings(lock=False))
            finally:
                logger.removeHandler(handler)
        jobs = [job for job in jobs if "rule_name" in job]
        for job in jobs:
            job["output"] = [output.removesuffix(" (update)") for output in job["output"]]
        return jobs


def name_job(job: dict) -> str:
    return " ".join([job["rule_name"], *job["wildcards"].values()])


@pytest.fixture(scope="module")
def graph(tmp_path_factory) -> Iterator[Graph]:
    here = Path.cwd()
    with pytest.MonkeyPatch.context() as patched:
        folder = tmp_path_factory.mktemp("graph")
        patched.setattr(dependencies, "PACKAGE", folder / "planet_lib")
        yield Graph(folder)
    os.chdir(here)


def find_imports(entries: list[tuple[list[str], str]]) -> list[set[Path]]:
    """Import modules, then run a notebook's imports; list the package's modules loaded by each."""
    found = subprocess.run(
        [sys.executable, "-c", FIND_IMPORTS],
        input=json.dumps(entries),
        env=os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = json.loads(found.stdout.splitlines()[-1])
    return [{Path(file).relative_to(ROOT) for file in files} for files in loaded]


def read_command(job: dict, run_dir: Path) -> tuple[list[str], str]:
    """Read from a job's command which modules it imports and which notebook's code it executes."""
    *_, stage, function, arguments = shlex.split(job["shellcmd"])
    modules, code = [stage, function.partition(":")[0]], ""
    if modules[1] == "planet_lib.report.execute":
        notebook = nbformat.read(run_dir / json.loads(arguments)["notebook"], 4)
        code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    return modules, code


@pytest.fixture(scope="module")
def loaded(graph) -> dict[str, set[Path]]:
    """Give the modules that Python loads for each job's command and for each fingerprint."""
    entries = {name: ([name], "") for name in FINGERPRINTED}
    entries |= {
        name_job(job): read_command(job, graph.run_dir) for job in graph.jobs if job["shellcmd"]
    }
    return dict(zip(entries, find_imports(list(entries.values())), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("module", FINGERPRINTED)
def test_code_of_a_fingerprint_is_what_python_loads(graph, loaded, module):
    entry = graph.root.joinpath(*module.split(".")).with_suffix(".py")
    found = {path.relative_to(graph.root) for path in list_dependencies(entry)}
    assert {path for path in found if path.suffix == ".py"} == loaded[module]


@pytest.mark.slow
def test_inputs_of_a_stage_are_the_modules_that_python_loads(graph, loaded):
    for job in graph.jobs:
        if job["shellcmd"]:
            files = {(graph.run_dir / file).resolve() for file in job["input"]}
            modules = {file.relative_to(graph.root) for file in files if file.suffix == ".py"}
            assert modules == loaded[name_job(job)], name_job(job)


@pytest.mark.slow
def test_changed_module_reruns_the_stages_that_load_it_and_what_follows_from_them(graph, loaded):
    assert graph.plan() == []
    sources = {output: name_job(job) for job in graph.jobs for output in job["output"]}
    before = {
        name_job(job): {sources[file] for file in job["input"] if file in sources}
        for job in graph.jobs
    }
    for module in MODULES:
        expected = {job for job in before if module in loaded.get(job, ())}
        while following := {job for job in before if before[job] & expected} - expected:
            expected |= following
        path = graph.root / module
        shutil.copy2(path, graph.root / "kept")
        path.write_text(path.read_text() + "\nCHANGED = 1\n")
        assert {name_job(job) for job in graph.plan()} == expected, module
        shutil.move(graph.root / "kept", path)
