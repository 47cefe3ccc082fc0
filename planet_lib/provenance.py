"""Which code made a result: the commit and the versions of the packages that decide it."""

import platform
import subprocess
from importlib import metadata
from pathlib import Path

PACKAGES = ("keras", "tensorflow-cpu", "tensorflow", "numpy", "opencv-python-headless", "pandas",
            "scikit-learn", "papermill", "nbconvert", "snakemake")  # fmt: skip


def identify_commit() -> str:
    """Name the commit of this checkout, with ``-dirty`` where files differ from it."""
    commit = subprocess.run(
        ["git", "-C", Path(__file__).parents[1], "describe", "--always", "--dirty", "--exclude=*"],
        capture_output=True, text=True, check=False,
    ).stdout.strip()  # fmt: skip
    return commit or "not a git checkout"


def list_versions() -> dict[str, str]:
    """List the versions of Python and of those of `PACKAGES` that are installed."""
    installed = {package.metadata["Name"]: package.version for package in metadata.distributions()}
    return {"python": platform.python_version()} | {
        name: installed[name] for name in PACKAGES if name in installed
    }
