"""Make a report: check what the user asks for and run the graph of its stages."""

import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from planet_lib.config import load_profile
from planet_lib.data.archives import name_contents
from planet_lib.data.catalogue import LABELS_FILE, scan_dataset, sign_dataset
from planet_lib.data.kaggle_archives import unpack_dataset
from planet_lib.data.problems import summarize_problems
from planet_lib.data.store import discard_changed_stores
from planet_lib.environment import isolate_environment
from planet_lib.errors import ConfigError, DataError, StageError
from planet_lib.files import read_json, write_json

ROOT = Path(__file__).parents[2]
SETTINGS = "report.json"
GRACE_SECONDS = 30  # in which stages that are interrupted write what they have


def name_report(data: Path | None, profile: str) -> str:
    """Name a report after its data and profile, where the user gives no name.

    >>> name_report(None, "default"), name_report(None, "smoke")
    ('default', 'smoke')
    >>> name_report(Path("kaggle/My chips.zip"), "default"), name_report(Path("amazon"), "smoke")
    ('my-chips', 'amazon-smoke')
    """
    if data is None:
        return profile
    stem = (
        re.sub(r"[^a-z0-9.]+", "-", name_contents(data.resolve().name).lower()).strip("-.")
        or "chips"
    )
    return stem if profile == "default" else f"{stem}-{profile}"


def make_report(
    name: str | None, *, data: Path | None, profile: str, cores: int, replace: bool = False
) -> Path:
    """Make a report, or bring it up to date.

    Parameters
    ----------
    name : str or None
        Of the folder ``reports/<name>`` for the pages and ``runs/<name>`` for all else; None
        names it after the data and the profile.
    data : Path or None
        A folder with Kaggle's files, packed or not, or one archive; None makes synthetic chips.
    profile : str
        Name of a file in ``config/``, without its ending.
    cores : int
        Largest number of stages that run at once.
    replace : bool
        Whether the report takes the place of one of that name with another profile or other data.

    Returns
    -------
    Path
        The report's front page.

    Raises
    ------
    ConfigError, DataError
        The name, the profile, the data set or the environment is wrong, or another report has the
        name; nothing was started.
    StageError
        The same report is already being made, or a stage failed; finished stages are kept.
    """
    loaded = load_profile(profile)
    name = name_report(data, profile) if name is None else name
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ConfigError(f"NAME={name!r} is no folder name; use letters, digits and dashes")
    settings = {
        "name": name,
        "given": None if data is None else str(data.resolve()),
        "data": None,
        "source": "synthetic chips",
        "signature": "",
        "profile_name": profile,
        "profile": loaded.model_dump(),
    }
    if data is not None and not data.exists():
        raise DataError(f"{data}: no such folder; point DATA at the folder that has {LABELS_FILE}")
    run_dir = ROOT / "runs" / name
    environment = isolate_environment(ROOT / "runs" / ".settings", os.environ)
    run_dir.mkdir(parents=True, exist_ok=True)
    with _hold(run_dir / "lock", name) as lock:
        if not replace:
            _refuse_other(run_dir / SETTINGS, settings)
        if data is not None:
            folder = unpack_dataset(data, run_dir / "dataset")
            _, problems = scan_dataset(folder)
            for kind in summarize_problems(problems).itertuples():
                print(f"{kind.example}{_count_others(kind.files)}: {kind.problem}; {kind.action}")
            settings |= {
                "data": str(folder.resolve()),
                "source": data.resolve().name,
                "signature": sign_dataset(folder),
            }
        write_json(run_dir / SETTINGS, settings)
        for path in discard_changed_stores(run_dir):
            print(f"{os.path.relpath(path)}: changed since it was written; it is made again")
        _run_graph(run_dir, cores, environment, lock)
    return ROOT / "reports" / name / "index.html"


@contextmanager
def _hold(path: Path, name: str) -> Iterator[int]:
    """Hold a lock, and yield its file descriptor.

    The system releases it with the last process that has the descriptor, however that ends.
    """
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StageError(
                f"{path.parent}: {name!r} is already being made; wait, or choose another NAME"
            ) from None
        yield file.fileno()


def _refuse_other(path: Path, settings: dict) -> None:
    """Refuse to replace a report of another profile or other data."""
    if not path.exists():
        return
    earlier = read_json(path)
    for key, option in (("profile_name", "PROFILE"), ("given", "DATA")):
        if earlier.get(key, settings[key]) != settings[key]:
            raise ConfigError(
                f"reports/{settings['name']} was made with {option}={earlier[key] or '(synthetic)'}"
                f", not {settings[key] or '(synthetic)'}; choose another NAME, or replace it with "
                "REPLACE=yes"
            )


def _run_graph(run_dir: Path, cores: int, environment: dict[str, str], lock: int) -> None:
    """Run the graph and show its progress; the stages themselves write to stdout."""
    at_once = 1 if shutil.which("nvidia-smi") else 2  # two networks would share one GPU's memory
    threads = str(max(1, cores // at_once))
    with subprocess.Popen(
        [
            sys.executable, "-m", "snakemake",
            "--snakefile", ROOT / "Snakefile",
            "--directory", run_dir,
            "--configfile", run_dir / SETTINGS,
            "--cores", str(cores),
            "--resources", f"network={at_once}",
            "--keep-going", "--rerun-incomplete", "--nolock",
        ],
        env=environment
        | {
            "PYTHONPATH": str(ROOT),  # the stages run this checkout, whatever else is installed
            "TF_NUM_INTRAOP_THREADS": threads,
        },
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        pass_fds=[lock],  # no other graph starts beside stages that outlive this process
        start_new_session=True,
    ) as graph, _stop_together(graph):  # fmt: skip
        said, stage = [], ""
        for line in graph.stderr:
            said.append(line.strip())
            if finished := re.search(r"\(Rule: (\w+)\)", line):
                stage = finished[1]
            if progress := re.match(r"(\d+) of (\d+) steps", line):
                print(f"[{progress[1]}/{progress[2]}] {stage}", flush=True)
    if graph.returncode:
        failed = any(line.startswith("Error in rule") for line in said)
        reason = "see the errors above" if failed else " ".join(said[-3:])
        raise StageError(
            f"{run_dir}: not complete, {reason}; "
            "finished stages are kept, the same command continues from there"
        )
    if any(line.startswith("Nothing to be done") for line in said):
        print("nothing to do: every page is up to date")


@contextmanager
def _stop_together(graph: subprocess.Popen) -> Iterator[None]:
    """Stop the graph with its stages where this process is interrupted or asked to end."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    earlier = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except BaseException:
        os.killpg(graph.pid, signal.SIGINT)
        try:
            graph.communicate(timeout=GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(graph.pid, signal.SIGKILL)
        raise
    finally:
        signal.signal(signal.SIGTERM, earlier)


def _count_others(files: int) -> str:
    """Count the files of a kind beside its example."""
    return f" and {files - 1:,} more" if files > 1 else ""
