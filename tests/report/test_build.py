"""The report as a whole: made, up to date, partly remade, failing and mended."""

import fcntl
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell
from PIL import Image

import planet_lib.report.build
from planet_lib.config import INPUTS, load_profile
from planet_lib.data.labels import LABELS
from planet_lib.errors import ConfigError, DataError, StageError
from planet_lib.evaluation.submission import check_submission
from planet_lib.report.build import describe_data, make_report
from planet_lib.report.contents import list_pages

ROOT = Path(__file__).parents[2]
PARTS = ("Snakefile", "notebooks", "planet_lib", "config", "pyproject.toml")
RUNS = [f"{network}-{kind}" for network in ("cnn", "densenet") for kind in INPUTS]
PAGES = {
    "index.html",
    "01_explore.html",
    "02_dehaze.html",
    *(f"03_train-{run}.html" for run in RUNS),
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
    names = [f"train_{i}" for i in range(LABELLED)]
    table = pd.DataFrame({"image_name": names, "tags": tags})
    table.to_csv(folder / "train_v2.csv", index=False)
    return folder


def settings(*, data=None) -> dict:
    profile = load_profile("smoke").model_dump()
    return {"name": "x", "data": data, "source": "chips", "profile": profile}


@pytest.fixture
def elsewhere(tmp_path, monkeypatch) -> Path:
    """Make reports below a temporary folder, without their graph."""
    monkeypatch.setattr(planet_lib.report.build, "ROOT", tmp_path)
    monkeypatch.setattr(planet_lib.report.build, "_run_graph", lambda *_: None)
    return tmp_path


def make(name: str = "x", *, data: Path | None = None) -> Path:
    return make_report(name, data=data, profile="smoke", cores=1)


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
        with pytest.raises(StageError, match="'x' is being made already; wait, or choose another"):
            make()
        make("y")
    make()


def test_lock_is_released_after_a_failure(elsewhere, monkeypatch):
    def fail(*_):
        raise StageError("a stage failed")

    with monkeypatch.context() as patched:
        patched.setattr(planet_lib.report.build, "_run_graph", fail)
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


def test_pages_are_listed_in_reading_order():
    pages = [link.href for link in list_pages(settings()["profile"])]
    assert set(pages) == PAGES - {"index.html"}
    assert pages == sorted(pages, key=lambda page: page[:2])


def test_pages_say_which_chips_they_show():
    assert describe_data(settings())["synthetic"]
    real = describe_data(settings(data="/chips"))
    assert not real["synthetic"]
    assert real["data_note"] == "the chips of chips"


class Workshop:
    """A copy of the repository with a small data set, in which reports are made for real."""

    def __init__(self, folder: Path) -> None:
        self.root, self.data = folder / "repository", write_chips(folder / "chips")
        self.root.mkdir()
        for part in PARTS:
            source = ROOT / part
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, self.root / part)
        self.report, self.run = self.root / "reports" / "tiny", self.root / "runs" / "tiny"

    def make(self, *, name="tiny", profile="smoke", data: Path | None = None):
        arguments = ("--data", data or self.data, "--profile", profile, "--name", name)
        return subprocess.run(
            [sys.executable, "-m", "planet_lib", "report", *arguments],
            cwd=self.root,
            env=os.environ | {"PYTHONPATH": str(self.root)},
            capture_output=True,
            text=True,
            check=False,
        )

    def add_cell(self, notebook: str, cell: nbformat.NotebookNode) -> None:
        path = self.root / "notebooks" / notebook
        content = nbformat.read(path, 4)
        content.cells.append(cell)
        nbformat.write(content, path)

    def stamp_models(self) -> dict[str, int]:
        folders = [self.run / "models" / run for run in RUNS]
        files = [folder / name for folder in folders for name in ("run.json", "model.keras")]
        return {str(file): file.stat().st_mtime_ns for file in files}


def assert_made(done: subprocess.CompletedProcess) -> None:
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""


def list_numbers(content) -> list:
    if isinstance(content, dict):
        content = list(content.values())
    if isinstance(content, list):
        return [number for part in content for number in list_numbers(part)]
    return [content] if isinstance(content, int | float) else []


@pytest.fixture(scope="module")
def workshop(tmp_path_factory) -> Workshop:
    workshop = Workshop(tmp_path_factory.mktemp("workshop"))
    assert_made(workshop.make())
    return workshop


@pytest.mark.slow
def test_report_has_its_pages(workshop):
    assert {path.name for path in workshop.report.glob("*.html")} == PAGES
    assert list((workshop.run / "unfinished").iterdir()) == []


@pytest.mark.slow
def test_results_keep_their_contract(workshop):
    results = json.loads((workshop.report / "results.json").read_text())
    assert all(map(math.isfinite, list_numbers(results)))
    data, provenance = results["data"], results["provenance"]
    assert (data["source"], data["labelled"], data["unlabelled"]) == ("chips", 60, 6)
    assert len(data["sha256"]) == 64
    assert sum(data["splits"].values()) == LABELLED
    assert set(results["runs"]) == set(RUNS)
    assert results["best_run"] in results["runs"]
    for run in results["runs"].values():
        assert 0 <= run["f2_interval"][0] <= run["f2"] <= run["f2_interval"][1] <= 1
        assert run["seconds"] > 0
        assert (workshop.root / run["model_file"]).is_file()
        assert set(run["labels"]) == set(LABELS)
        for label in run["labels"].values():
            assert {"precision", "recall", "f2", "support", "threshold"} <= set(label)
    assert {"commit", "versions", "seed", "config", "host"} <= set(provenance)
    assert provenance["seed"] == provenance["config"]["seed"]


@pytest.mark.slow
def test_submission_is_one_that_kaggle_takes(workshop):
    table = pd.read_csv(workshop.report / "submission.csv", keep_default_na=False)
    assert list(table.columns) == ["image_name", "tags"]
    check_submission(table, expected={f"test_{i}" for i in range(UNLABELLED)})


@pytest.mark.slow
def test_second_run_has_nothing_to_do(workshop):
    before = (workshop.report / "index.html").stat().st_mtime_ns
    done = workshop.make()
    assert_made(done)
    assert done.stdout.splitlines()[0] == "nothing to do: every page is up to date"
    assert (workshop.report / "index.html").stat().st_mtime_ns == before


@pytest.mark.slow
def test_store_changed_by_hand_is_made_anew_without_retraining(workshop):
    networks = [path for path in workshop.stamp_models() if path.endswith(".keras")]
    before = [workshop.stamp_models()[path] for path in networks]
    store = workshop.run / "data" / "raw.npy"
    whole = store.read_bytes()
    store.write_bytes(whole[:-1] + b"\7")
    done = workshop.make()
    assert_made(done)
    assert "runs/tiny/data/raw.npy: not as it was written; it is made anew" in done.stdout
    assert store.read_bytes() == whole
    assert [workshop.stamp_models()[path] for path in networks] == before
    assert_made(done := workshop.make())
    assert done.stdout.startswith("nothing to do")


@pytest.mark.slow
def test_edited_evaluation_does_not_retrain(workshop):
    models = workshop.stamp_models()
    workshop.add_cell("04_evaluate.ipynb", new_markdown_cell("An explanation that is new."))
    assert_made(workshop.make())
    assert "An explanation that is new." in (workshop.report / "04_evaluate.html").read_text()
    assert workshop.stamp_models() == models


@pytest.mark.slow
def test_failing_notebook_is_shown_and_mended(workshop):
    models = workshop.stamp_models()
    whole = (workshop.root / "notebooks" / "02_dehaze.ipynb").read_bytes()
    workshop.add_cell("01_explore.ipynb", new_markdown_cell("Another branch."))
    workshop.add_cell("02_dehaze.ipynb", new_code_cell('raise ValueError("boom")'))
    failed = workshop.make()
    assert failed.returncode == 1
    assert failed.stderr.count("\n") == 1
    assert failed.stderr.startswith("error: ")
    (error,) = [line for line in failed.stdout.splitlines() if line.startswith("error: ")]
    page = workshop.run / "unfinished" / "02_dehaze.html"
    assert "02_dehaze: ValueError: boom" in error
    assert str(page) in error
    assert "boom" in page.read_text()
    assert "boom" in page.with_suffix(".ipynb").read_text()
    assert "Another branch." in (workshop.report / "01_explore.html").read_text()

    (workshop.root / "notebooks" / "02_dehaze.ipynb").write_bytes(whole)
    assert_made(workshop.make())
    assert "boom" not in (workshop.report / "02_dehaze.html").read_text()
    assert workshop.stamp_models() == models


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


@pytest.mark.slow
def test_ensemble_is_a_run_among_the_networks_in_a_folder_with_a_space(tmp_path):
    workshop = Workshop(tmp_path / "a folder")
    (workshop.root / "config" / "tiny.yaml").write_text(
        "networks: {cnn: {image_px: 32, epochs: 1}}\nensemble: {epochs: 1, seeds: 1}\n"
    )
    assert_made(workshop.make(profile="tiny"))
    assert (workshop.report / "03_ensemble.html").exists()
    ensemble = json.loads((workshop.report / "results.json").read_text())["runs"]["ensemble-both"]
    assert 0 < ensemble["f2"] <= 1
    assert ensemble["model_file"] is None
