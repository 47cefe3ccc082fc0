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

from planet_lib.config import BASE_PROFILE, load_profile
from planet_lib.data.archives import name_contents
from planet_lib.data.catalogue import LABELS_FILE
from planet_lib.data.labels import LABELS
from planet_lib.data.mining_watch_download import fetch_gallery
from planet_lib.data.readers import find_reader, prepare_dataset, sign_dataset
from planet_lib.data.store import discard_changed_stores
from planet_lib.environment import isolate_environment
from planet_lib.errors import ConfigError, DataError, StageError
from planet_lib.files import read_json, write_json

ROOT = Path(__file__).parents[2]
SETTINGS = "report.json"
GRACE_SECONDS = 30  # in which stages that are interrupted write what they have


FETCHED = Path("mining-watch")
"""The value of DATA that stands for the data set of Amazon Mining Watch."""


def name_report(data: Path | None, profile: str | None) -> str:
    """Name a report after its data and, where the user names one, its profile.

    >>> name_report(None, None), name_report(None, "smoke")
    ('default', 'smoke')
    >>> name_report(Path("kaggle/My chips.zip"), None), name_report(Path("amazon"), "smoke")
    ('my-chips', 'amazon-smoke')
    """
    if data is None:
        return profile or BASE_PROFILE
    stem = (
        re.sub(r"[^a-z0-9.]+", "-", name_contents(data.resolve().name).lower()).strip("-.")
        or "chips"
    )
    return stem if profile in (None, BASE_PROFILE) else f"{stem}-{profile}"


def make_report(
    name: str | None, *, data: Path | None, profile: str | None, cores: int, replace: bool = False
) -> Path:
    """Make a report, or bring it up to date.

    Parameters
    ----------
    name : str or None
        Of the folder ``reports/<name>`` for the pages and ``runs/<name>`` for all else; None
        names it after the data and the profile.
    data : Path or None
        A folder with Kaggle's files, packed or not, or one archive; a folder in the layout of
        Amazon Mining Watch; ``mining-watch``, to download that on first use; None makes synthetic
        chips.
    profile : str or None
        Name of a file in ``config/``, without its ending; None takes the one for the data.
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
    name = name_report(data, profile) if name is None else name
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ConfigError(f"NAME={name!r} is no folder name; use letters, digits and dashes")
    if data == FETCHED and not data.exists():
        data = _fetch_once(ROOT / "downloads" / FETCHED)
    reader = find_reader(data) if data else None
    profile = profile or (reader.profile if reader else BASE_PROFILE)
    loaded = load_profile(profile)
    if reader and reader.labels != LABELS and loaded.ensemble:
        raise ConfigError(
            f"{data}: its chips tell only {', '.join(reader.labels)}, and the ensemble learns all "
            f"labels; take PROFILE={reader.profile}, or set ensemble: null"
        )
    settings = {
        "name": name,
        "labels": list(reader.labels if reader else LABELS),
        "credit": reader.credit if reader else "",
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
        if data is not None:
            folder = prepare_dataset(data, run_dir / "dataset")
            reader.scan(folder)
            settings |= {
                "data": str(folder.resolve()),
                "source": data.resolve().name,
                "signature": sign_dataset(folder),
            }
        if not replace:
            _refuse_other(run_dir / SETTINGS, settings, given=data)
        write_json(run_dir / SETTINGS, settings)
        for path in discard_changed_stores(run_dir):
            print(f"{os.path.relpath(path)}: changed since it was written; it is made again")
        _run_graph(run_dir, cores, environment, lock)
    return ROOT / "reports" / name / "index.html"


def _fetch_once(folder: Path) -> Path:
    """Download the data of Amazon Mining Watch unless a call before has done so."""
    if not folder.exists():
        partial = folder.with_name(f"partial-{folder.name}")
        fetch_gallery(partial)
        os.replace(partial, folder)
    return folder


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


def _refuse_other(path: Path, settings: dict, *, given: Path | None) -> None:
    """Refuse to replace a report of another profile or other data."""
    if not path.exists():
        return
    earlier = read_json(path)
    for key, option in (("profile_name", "PROFILE"), ("data", "DATA")):
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
