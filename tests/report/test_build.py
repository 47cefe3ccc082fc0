"""The report as a whole: made, up to date, partly made again, failed and repaired."""

import fcntl
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from zipfile import ZipFile

import nbformat
import numpy as np
import pandas as pd
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell
from PIL import Image

import planet_lib.report.build
from planet_lib.data.arrays import fill_array
from planet_lib.data.labels import LABELS
from planet_lib.errors import ConfigError, DataError, StageError
from planet_lib.evaluation.submission import check_submission
from planet_lib.files import write_json
from planet_lib.report.build import make_report
from planet_lib.scenes.options import SearchOptions

ROOT = Path(__file__).parents[2]
PARTS = ("Makefile", "Snakefile", "notebooks", "planet_lib", "config", "pyproject.toml")
COMMAND = "make report DATA=path/to/chips NAME=my-chips"
"""As the README has it."""
PROFILE = """\
networks: {cnn: {image_px: 32, epochs: 1}}
ensemble: {epochs: 1, seeds: 1}
samples_per_label: 2
gallery_chips: 2
"""
SHORTER = {
    "planet_lib/data/splits.py": ("FOLDS = 5", "FOLDS = 3"),
    "notebooks/02_dehaze.ipynb": ("truth_chips: int = 80", "truth_chips: int = 4"),
}
"""What makes the copy's stages shorter."""
RUNS = ("cnn-raw", "cnn-dehazed", "ensemble-both")
PAGES = {
    "index.html",
    "01_explore.html",
    "02_dehaze.html",
    "03_train-cnn-raw.html",
    "03_train-cnn-dehazed.html",
    "03_ensemble.html",
    "04_evaluate.html",
    "05_find_mines.html",
}
LABEL_SETS = (
    "clear primary",
    "clear primary agriculture road",
    "partly_cloudy primary water",
    "haze primary",
    "cloudy",
    "clear artisinal_mine primary water",
)
LABELLED, UNLABELLED = 60, 6


def write_chips(folder: Path) -> Path:
    """Write a data set in Kaggle's layout: smooth colours, darker from set to set."""
    rng = np.random.default_rng(1)
    for name, stem, count in (("train-jpg", "train", LABELLED), ("test-jpg", "test", UNLABELLED)):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            colours = rng.integers(20, 200, (8, 8, 3), dtype=np.uint8) // (1 + i % 6)
            chip = Image.fromarray(colours).resize((256, 256), Image.Resampling.BICUBIC)
            chip.save(folder / name / f"{stem}_{i}.jpg")
    tags = [LABEL_SETS[i % len(LABEL_SETS)] for i in range(LABELLED)]
    tags[0] += " primary"  # a problem, for the front page
    names = [f"train_{i}" for i in range(LABELLED)]
    table = pd.DataFrame({"image_name": names, "tags": tags})
    table.to_csv(folder / "train_v2.csv", index=False)
    return folder


@pytest.fixture
def elsewhere(tmp_path, monkeypatch) -> Path:
    """Make reports below a temporary folder, without their graph."""
    monkeypatch.setattr(planet_lib.report.build, "ROOT", tmp_path)
    monkeypatch.setattr(planet_lib.report.build, "run_graph", lambda *_, **__: None)
    return tmp_path


def make(name: str | None = "x", **settings: object) -> Path:
    return make_report(name, **{"data": None, "profile": "smoke", "cores": 1} | settings)


@pytest.mark.parametrize("name", ["../x", "..", ".", "", "/x", "a/b", "a/", ".hidden"])
def test_name_that_is_no_folder_name_is_refused(elsewhere, name):
    with pytest.raises(ConfigError, match="is no folder name; use letters"):
        make(name)
    assert list(elsewhere.iterdir()) == []


def test_wrong_data_are_refused_before_anything_is_made(elsewhere):
    with pytest.raises(DataError, match="no such folder"):
        make(data=elsewhere / "missing")
    assert list(elsewhere.iterdir()) == []


def test_same_report_is_not_made_twice_at_once(elsewhere):
    make()
    with (elsewhere / "runs" / "x" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(StageError, match="'x' is already being made; wait, or choose another"):
            make()
        make("y")
    make()


def test_lock_is_released_after_a_failure(elsewhere, monkeypatch):
    def fail(*_, **__):
        raise StageError("a stage failed")

    with monkeypatch.context() as patched:
        patched.setattr(planet_lib.report.build, "run_graph", fail)
        with pytest.raises(StageError, match="a stage failed"):
            make()
    make()


def test_settings_change_with_the_data(elsewhere):
    data = write_chips(elsewhere / "chips")
    make(data=data)
    before = json.loads((elsewhere / "runs" / "x" / "report.json").read_text())
    make(data=data)
    assert json.loads((elsewhere / "runs" / "x" / "report.json").read_text()) == before
    assert before["data"] == str(data)
    os.utime(data / "train-jpg" / "train_3.jpg", (0, 0))
    make(data=data)
    after = json.loads((elsewhere / "runs" / "x" / "report.json").read_text())
    assert after["signature"] != before["signature"]


def test_table_that_appears_later_changes_the_settings(elsewhere):
    data = write_chips(elsewhere / "chips")
    settings = elsewhere / "runs" / "x" / "report.json"
    make(data=data)
    signatures = {json.loads(settings.read_text())["signature"]}
    for name in ("test_v2_file_mapping.csv", "sample_submission_v2.csv"):
        (data / name).write_text("old,new\nfile_0.tif,file_1.tif\n")
        make(data=data)
        signatures.add(json.loads(settings.read_text())["signature"])
    assert len(signatures) == 3


def test_archive_that_is_added_later_updates_the_report(elsewhere):
    data = write_chips(elsewhere / "chips")
    make(data=data)
    shutil.make_archive(str(data / "test-jpg-additional"), "zip", data / "test-jpg")
    make(data=data)
    settings = json.loads((elsewhere / "runs" / "x" / "report.json").read_text())
    assert settings["data"] == str(elsewhere / "runs" / "x" / "dataset")


def test_problems_of_the_data_are_said_before_the_work(elsewhere, capsys):
    data = write_chips(elsewhere / "chips")
    for i in range(2):
        (data / "train-jpg" / f"train_{i}.jpg").unlink()
    make(data=data)
    assert "train_0 and 1 more: label without a chip; left out\n" in capsys.readouterr().out


@pytest.mark.parametrize("change", ["profile", "data"])
def test_report_of_another_kind_is_replaced_only_when_asked(elsewhere, change):
    make()
    other = (
        {"data": write_chips(elsewhere / "chips")} if change == "data" else {"profile": "sample"}
    )
    settings = elsewhere / "runs" / "x" / "report.json"
    before = settings.read_text()
    with pytest.raises(ConfigError, match=r"reports/x was made with .*choose another NAME"):
        make(**other)
    assert settings.read_text() == before
    make(**other, replace=True)
    assert settings.read_text() != before


def test_scenes_are_jobs_of_the_report(elsewhere):
    settings = elsewhere / "runs" / "x" / "report.json"
    make()
    assert json.loads(settings.read_text())["searches"] == {}
    (elsewhere / "amazon.tif").touch()
    make(scenes=elsewhere / "amazon.tif", search=SearchOptions(scaling="tci"))
    (search,) = json.loads(settings.read_text())["searches"].values()
    assert search["scene"] == str(elsewhere / "amazon.tif")
    assert search["options"]["scaling"] == "tci"


def test_wrong_scenes_are_refused_before_anything_is_made(elsewhere):
    with pytest.raises(DataError, match=r"missing: no such folder; point SCENES at"):
        make(scenes=elsewhere / "missing")
    with pytest.raises(ConfigError, match=r"scaling: for the search of scenes only; give SCENES"):
        make(search=SearchOptions(scaling="tci"))
    assert list(elsewhere.iterdir()) == []


def test_report_without_a_name_is_named_after_data_and_profile(elsewhere):
    data = write_chips(elsewhere / "Kaggle_chips")
    assert make(None, data=data) == elsewhere / "reports" / "kaggle-chips-smoke" / "index.html"


def test_store_that_was_changed_is_made_again(elsewhere, capsys):
    make()
    store = elsewhere / "runs" / "x" / "data" / "raw.npy"
    fill_array(store, (2, 4), np.uint8, lambda row, out: out.fill(row), "")
    write_json(store.with_suffix(".json"), {})
    make()
    assert store.exists()
    store.write_bytes(store.read_bytes()[:-1] + b"\7")
    capsys.readouterr()
    make()
    assert not store.exists()
    assert not store.with_suffix(".json").exists()  # which the graph then makes again
    assert "raw.npy: changed since it was written; it is made again" in capsys.readouterr().out


class Workshop:
    """A copy of the repository in which reports on a small data set are made for real."""

    def __init__(self, root: Path, data: Path) -> None:
        self.root, self.data = root, data
        self.report, self.run = root / "reports" / "tiny", root / "runs" / "tiny"

    def make(self, *, name: str = "tiny", data: Path | None = None) -> subprocess.CompletedProcess:
        arguments = ("--data", data or self.data, "--profile", "tiny", "--name", name)
        return self._call("planet_lib", "report", *arguments)

    def make_by_command(self, command: str) -> subprocess.CompletedProcess:
        """Run a command of the README in an environment that is set up already."""
        folder = self.root / ".venv"
        folder.mkdir()
        (folder / "bin").symlink_to(Path(sys.executable).parent)
        (self.root / "requirements.lock").touch()
        (folder / "ready").write_text(f"{self.root}\n")
        return subprocess.run(
            command,
            shell=True,
            cwd=self.root,
            env=os.environ | {"PYTHONPATH": str(self.root), "PROFILE": "tiny"},
            capture_output=True,
            text=True,
            check=False,
        )

    def make_files(self, *paths: str) -> subprocess.CompletedProcess:
        """Make files of the run by hand, with what they depend on."""
        return self._call(
            "snakemake", *paths, "--snakefile", self.root / "Snakefile", "--directory", self.run,
            "--configfile", self.run / "report.json", "--cores", "2", "--quiet", "all",
        )  # fmt: skip

    def execute_by_hand(self, notebook: str, **parameters: object) -> subprocess.CompletedProcess:
        """Execute a notebook as a user does, from the root of the repository."""
        given = [word for name, value in parameters.items() for word in ("-p", name, str(value))]
        path = self.root / "notebooks" / f"{notebook}.ipynb"
        return self._call("papermill", path, self.root / "by-hand.ipynb", *given)

    def _call(self, *command: str | Path) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", *command],
            cwd=self.root,
            env=os.environ | {"PYTHONPATH": str(self.root)},
            capture_output=True,
            text=True,
            check=False,
        )

    def replace(self, path: str, old: str, new: str) -> None:
        file = self.root / path
        text = file.read_text()
        assert text.count(old) == 1
        file.write_text(text.replace(old, new))

    def add_cell(self, notebook: str, cell: nbformat.NotebookNode) -> None:
        path = self.root / "notebooks" / notebook
        content = nbformat.read(path, 4)
        content.cells.insert(2, cell)
        nbformat.write(content, path)

    def stamp_results(self) -> dict[str, int]:
        """List the times of what the trainings wrote."""
        folders = [self.run / "models" / run for run in RUNS]
        files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
        return {str(file): file.stat().st_mtime_ns for file in files}


def assert_made(done: subprocess.CompletedProcess) -> None:
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""


def read_weights(model: Path) -> bytes:
    with ZipFile(model) as archive:
        return archive.read("model.weights.h5")


def list_numbers(content) -> list:
    if isinstance(content, dict):
        content = list(content.values())
    if isinstance(content, list):
        return [number for part in content for number in list_numbers(part)]
    return [content] if isinstance(content, int | float) else []


ENDLESS = """
rule endless:
    output: "done"
    shell: "touch started; sleep 1000; touch done"
"""
START = """
import signal
import sys
from pathlib import Path
from planet_lib.report import build
# Where the tests run in the background, the shell has it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
build.ROOT = Path(sys.argv[1])
build.make_report("x", data=None, profile="smoke", cores=1)
"""


def wait_for(condition, seconds=60):
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.1)
    return condition()


def is_free(lock: Path) -> bool:
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@pytest.mark.slow
@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_stages_end_with_the_report_or_keep_its_lock(tmp_path, kind):
    (tmp_path / "Snakefile").write_text(ENDLESS)
    command = [sys.executable, "-c", START, tmp_path]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) as report:
        run_dir = tmp_path / "runs" / "x"
        assert wait_for((run_dir / "started").exists)
        stages = psutil.Process(report.pid).children(recursive=True)
        report.send_signal(kind)
        try:
            report.wait(60)
        finally:
            report.kill()
    if kind == signal.SIGKILL:
        assert not is_free(run_dir / "lock")
        for stage in filter(psutil.Process.is_running, stages):
            stage.kill()
    assert wait_for(lambda: is_free(run_dir / "lock"))
    assert not (run_dir / "done").exists()


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Workshop:
    """Give a finished report, in a folder with a space, that no test changes."""
    folder = tmp_path_factory.mktemp("a folder")
    workshop = Workshop(folder / "repository", write_chips(folder / "chips"))
    workshop.root.mkdir()
    for part in PARTS:
        source = ROOT / part
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, workshop.root / part)
    assert COMMAND in (ROOT / "README.md").read_text()
    (workshop.root / "config" / "tiny.yaml").write_text(PROFILE)
    for path, (old, new) in SHORTER.items():
        workshop.replace(path, old, new)
    command = COMMAND.replace("path/to/chips", f"'{workshop.data}'").replace("my-chips", "tiny")
    assert_made(workshop.make_by_command(command))
    return workshop


@pytest.fixture
def workshop(finished, tmp_path) -> Workshop:
    """Give a copy of the finished report that a test may change."""
    return Workshop(shutil.copytree(finished.root, tmp_path / "copy"), finished.data)


@pytest.mark.slow
def test_report_has_its_pages(finished):
    assert {path.name for path in finished.report.glob("*.html")} == PAGES
    for page in finished.report.glob("*.html"):
        assert "the chips of chips" in page.read_text()
    assert list((finished.run / "unfinished").iterdir()) == []


@pytest.mark.slow
def test_results_keep_their_contract(finished):
    results = json.loads((finished.report / "results.json").read_text())
    assert all(map(math.isfinite, list_numbers(results)))
    data, provenance = results["data"], results["provenance"]
    assert (data["source"], data["labelled"], data["unlabelled"]) == ("chips", 60, 6)
    assert len(data["sha256"]) == 64
    assert sum(data["splits"].values()) == LABELLED
    (kind,) = data["problems"]
    assert kind == {
        "problem": "a tag is repeated",
        "action": "counted once",
        "files": 1,
        "example": "train_0",
    }
    assert "a tag is repeated" in (finished.report / "index.html").read_text()
    assert set(results["runs"]) == set(RUNS)
    assert results["best_run"] in results["runs"]
    for name, run in results["runs"].items():
        assert 0 <= run["f2_interval"][0] <= run["f2"] <= run["f2_interval"][1] <= 1
        assert run["seconds"] > 0
        if name == "ensemble-both":
            assert run["model_file"] is None
        else:
            assert (finished.root / run["model_file"]).is_file()
        assert set(run["labels"]) == set(LABELS)
        for label in run["labels"].values():
            assert {"precision", "recall", "f2", "support", "threshold"} <= set(label)
    assert {"commit", "versions", "seed", "config", "host"} <= set(provenance)
    assert provenance["seed"] == provenance["config"]["seed"]
    assert set(provenance["stages"]) == {
        path.stem for path in (finished.run / "seconds").glob("*.tsv")
    }


@pytest.mark.slow
def test_submission_is_one_that_kaggle_takes(finished):
    table = pd.read_csv(finished.report / "submission.csv", keep_default_na=False)
    assert list(table.columns) == ["image_name", "tags"]
    check_submission(table, expected={f"test_{i}" for i in range(UNLABELLED)})


@pytest.mark.slow
def test_haze_constant_retrains_the_networks_that_see_its_pixels_and_no_other(workshop):
    before = workshop.stamp_results()
    weights = workshop.run / "models" / "cnn-dehazed" / "model.keras"
    old = read_weights(weights)
    workshop.replace(
        "planet_lib/haze/boundary_constraint.py", "DARK_LEVELS = (6, ", "DARK_LEVELS = (16, "
    )
    done = workshop.make_files("models/cnn-raw/run.json", "models/cnn-dehazed/run.json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert read_weights(weights) != old
    after = workshop.stamp_results()
    assert set(before) <= set(after)
    changed = [Path(path) for path, stamp in after.items() if before.get(path) != stamp]
    assert {path.parent.name for path in changed if path.suffix == ".keras"} == {"cnn-dehazed"}
    assert {path.parent.name for path in changed if path.suffix == ".npy"} == {"cnn-dehazed"}


@pytest.mark.slow
def test_training_by_hand_is_a_trial_that_leaves_the_report_alone(workshop):
    settings = {"run_dir": "../runs/tiny", "model": "cnn", "input_mode": "raw", "image_px": 32}
    before, pages = workshop.stamp_results(), set(workshop.report.iterdir())
    done = workshop.execute_by_hand("03_train", **settings, epochs=2)
    assert done.returncode == 0, done.stderr
    assert workshop.stamp_results() == before
    (trained,) = workshop.run.glob("trials/*/models/cnn-raw/run.json")
    assert json.loads(trained.read_text())["epochs"] == 2
    assert "`epochs = 2` (report: `1`)" in (workshop.root / "by-hand.ipynb").read_text()
    again = workshop.make()
    assert "nothing to do" in again.stdout
    assert set(workshop.report.iterdir()) == pages


@pytest.mark.slow
def test_failure_is_shown_and_repaired_without_training_again(workshop):
    models = workshop.stamp_results()
    whole = (workshop.root / "notebooks" / "05_find_mines.ipynb").read_bytes()
    workshop.add_cell("05_find_mines.ipynb", new_code_cell('raise ValueError("boom")'))
    workshop.add_cell("04_evaluate.ipynb", new_markdown_cell("An explanation that is new."))
    figure = workshop.root / "planet_lib" / "report" / "figures" / "explore.py"
    figure.write_text(figure.read_text() + "# A comment.\n")
    pages = {path.name: path.stat().st_mtime_ns for path in workshop.report.glob("*.html")}
    failed = workshop.make()
    assert failed.returncode == 1
    assert failed.stderr.count("\n") == 1
    assert failed.stderr.startswith("error: ")
    (error,) = [line for line in failed.stdout.splitlines() if line.startswith("error: ")]
    page = workshop.run / "unfinished" / "05_find_mines.html"
    assert "05_find_mines: ValueError: boom" in error
    assert f"half-run copy as a page: {page}" in failed.stdout
    assert "boom" in page.read_text()
    assert "boom" in page.with_suffix(".ipynb").read_text()
    assert "An explanation that is new." in (workshop.report / "04_evaluate.html").read_text()
    after = {path.name: path.stat().st_mtime_ns for path in workshop.report.glob("*.html")}
    rendered = {name for name in after if after[name] != pages[name]}
    assert rendered == {"01_explore.html", "04_evaluate.html"}

    (workshop.root / "notebooks" / "05_find_mines.ipynb").write_bytes(whole)
    assert_made(workshop.make())
    assert "boom" not in (workshop.report / "05_find_mines.html").read_text()
    assert list((workshop.run / "unfinished").iterdir()) == []
    assert workshop.stamp_results() == models

    index = (workshop.report / "index.html").stat().st_mtime_ns
    assert_made(done := workshop.make())
    assert done.stdout.splitlines()[:2] == [
        "train_0: a tag is repeated; counted once",
        "nothing to do: all is up to date",
    ]
    assert (workshop.report / "index.html").stat().st_mtime_ns == index


@pytest.mark.slow
def test_too_many_unreadable_chips_are_one_line(workshop, tmp_path):
    data = shutil.copytree(workshop.data, tmp_path / "damaged")
    for chip in ("train_7", "train_8"):
        path = data / "train-jpg" / f"{chip}.jpg"
        path.write_bytes(path.read_bytes()[:400])
    failed = workshop.make(name="damaged", data=data)
    assert failed.returncode == 1
    (error,) = [line for line in failed.stdout.splitlines() if line.startswith("error: ")]
    assert "2 of 66 chips cannot be used, more than 1%" in error
    assert "train_7.jpg" in error
    assert failed.stderr.count("\n") == 1
    assert "Traceback" not in failed.stdout + failed.stderr
    assert not (workshop.root / "reports" / "damaged" / "index.html").exists()
