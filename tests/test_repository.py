"""The repository: what reports and runs write is ignored by git, and the citation is up to date."""

import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]

needs_git = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs a git checkout")


def run_git(*arguments: str) -> list[str]:
    command = ["git", "-C", str(ROOT), *arguments]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    return finished.stdout.splitlines()


@needs_git
@pytest.mark.parametrize(
    "path",
    [
        "reports/planet-sample/submission.csv",
        "reports/my-chips/index.html",
        "runs/sample/models/cnn-raw/model.keras",
    ],
)
def test_files_of_a_report_are_ignored(path):
    assert run_git("check-ignore", path) == [path]


@needs_git
def test_only_a_readme_is_tracked_among_reports_and_runs():
    assert run_git("ls-files", "reports", "runs") == ["reports/README.md"]


def test_citation_has_the_version_of_the_package_and_what_the_format_requires():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert citation["version"] == project["version"]
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    for reference in citation["references"]:
        assert {"type", "title", "authors"} <= set(reference)
    assert "https://github.com/mumuxi15/metis_proj" in [x["url"] for x in citation["references"]]


def test_binder_installs_the_lock_file_and_makes_the_report_of_the_notebooks():
    (requirement,) = (ROOT / ".binder" / "requirements.txt").read_text().splitlines()
    assert (ROOT / ".binder" / requirement.removeprefix("--requirement ")).resolve() == (
        ROOT / "requirements.lock"
    )
    assert "planet report --profile smoke --name default" in (
        (ROOT / ".binder" / "postBuild").read_text()
    )
