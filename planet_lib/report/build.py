"""Make a report: check what the user asks for and run the graph of its stages."""

import fcntl
import os
import re
import selectors
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from planet_lib.config import BASE_PROFILE, load_profile
from planet_lib.data.archives import name_contents
from planet_lib.data.catalogue import LABELS_FILE, scan_dataset, sign_dataset
from planet_lib.data.labels import LABELS
from planet_lib.data.mining_watch_download import fetch_gallery
from planet_lib.data.problems import summarize_problems
from planet_lib.data.readers import find_reader, prepare_dataset
from planet_lib.data.store import discard_changed_stores
from planet_lib.environment import isolate_environment
from planet_lib.errors import ConfigError, DataError, StageError
from planet_lib.files import read_json, write_json
from planet_lib.report.progress import ReportProgress

ROOT = Path(__file__).parents[2]
SETTINGS = "report.json"
GRACE_SECONDS = 30  # in which stages that are interrupted write what they have
TICK_SECONDS = 1.0  # between two looks at the progress


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
    if profile:
        load_profile(profile)  # first, for a wrong profile gives a wrong name
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
            folder = prepare_dataset(data, run_dir / "dataset")
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
    return _locate_page(name)


def _locate_page(name: str) -> Path:
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
    """Run the graph and show its progress."""
    at_once = 1 if shutil.which("nvidia-smi") else 2  # two networks would share one GPU's memory
    threads = str(max(1, cores // at_once))
    progress = ReportProgress(
        os.path.relpath(_locate_page(run_dir.name)), at_once=min(at_once, cores), stream=sys.stdout
    )
    said: list[str] = []

    def read_graph(line: str) -> None:
        said.append(line.strip())
        progress.read_graph(line)

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
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=[lock],  # no other graph starts beside stages that outlive this process
        start_new_session=True,
    ) as graph, _stop_together(graph):  # fmt: skip
        pipes = {graph.stdout: progress.read_stage, graph.stderr: read_graph}
        try:
            _read_lines(pipes, progress.show)
        finally:
            progress.clear()
    if graph.returncode:
        failed = any(line.startswith("Error in rule") for line in said)
        reason = "see the errors above" if failed else " ".join(said[-3:])
        raise StageError(
            f"{run_dir}: not complete, {reason}; "
            "finished stages are kept, the same command continues from there"
        )
    if any(line.startswith("Nothing to be done") for line in said):
        print("nothing to do: every page is up to date")


def _read_lines(readers: dict[BinaryIO, Callable[[str], None]], tick: Callable[[], None]) -> None:
    """Give each pipe's lines to its reader until all are closed; call `tick` every second or so."""
    with selectors.DefaultSelector() as selector:
        for pipe in readers:
            selector.register(pipe, selectors.EVENT_READ)
        begun = dict.fromkeys(readers, b"")
        while selector.get_map():
            for key, _ in selector.select(timeout=TICK_SECONDS):
                pipe = key.fileobj
                if not (read := os.read(key.fd, 2**16)):
                    selector.unregister(pipe)
                    read = b"\n"
                *lines, begun[pipe] = re.split(rb"[\r\n]", begun[pipe] + read)
                for line in lines:
                    readers[pipe](line.decode(errors="replace"))
            tick()


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
