"""The repository stays clean: what a user's reports and runs write is ignored by git."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs a git checkout")


def run_git(*arguments: str) -> list[str]:
    command = ["git", "-C", str(ROOT), *arguments]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    return finished.stdout.splitlines()


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


def test_only_a_readme_is_tracked_among_reports_and_runs():
    assert run_git("ls-files", "reports", "runs") == ["reports/README.md"]
