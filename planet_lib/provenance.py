"""Which code made a result: the commit and the versions of the packages that decide it."""

import platform
import subprocess
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("keras", "tensorflow-cpu", "tensorflow", "numpy", "opencv-python-headless", "pandas",
            "scikit-learn", "papermill", "nbconvert", "snakemake")  # fmt: skip


def identify_commit() -> str:
    """Name the commit of this checkout, with ``-dirty`` where files differ from it.

    Returns
    -------
    str
        ``not a git checkout`` where the code came as an archive, also one unpacked inside another
        repository; one that says so where git is not installed.
    """
    try:
        if Path(_ask_git("rev-parse", "--show-toplevel") or "/") != ROOT:
            return "not a git checkout"
        return _ask_git("describe", "--always", "--dirty", "--exclude=*")
    except FileNotFoundError:
        return "unknown: git is not installed"


def _ask_git(*arguments: str) -> str:
    command = ["git", "-C", ROOT, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def list_versions() -> dict[str, str]:
    """List the versions of Python and of those of `PACKAGES` that are installed."""
    installed = {package.metadata["Name"]: package.version for package in metadata.distributions()}
    return {"python": platform.python_version()} | {
        name: installed[name] for name in PACKAGES if name in installed
    }
