"""Run a graph of stages with Snakemake, here or on a cluster, and show its progress."""

import fcntl
import os
import re
import selectors
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from planet_lib import dependencies
from planet_lib.errors import ConfigError, StageError
from planet_lib.report.progress import ReportProgress

ROOT = Path(__file__).parents[2]
FROM_RUN = Path("../..")  # from runs/<name> to `ROOT`: a repository that is moved stays up to date
STAGE = f"exec 2>&1; {shlex.quote(sys.executable)} -m planet_lib.report.stage"
"""The shell command of a rule that calls a function of the package."""
GRACE_SECONDS = 30  # in which stages that are interrupted write what they have
TICK_SECONDS = 1.0  # between two looks at the progress


def list_code(*entries: str) -> list[str]:
    """List the modules and notebooks that a rule runs, and all files of the package they need."""
    root = dependencies.PACKAGE.parent
    paths = [root / entry for entry in ("planet_lib/report/stage.py", *entries)]
    files = dependencies.list_dependencies(*paths)
    return [str(FROM_RUN / file.relative_to(root)) for file in files]


def check_name(name: str) -> None:
    """Refuse a NAME that cannot be that of a folder."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ConfigError(f"NAME={name!r} is no folder name; use letters, digits and dashes")


@contextmanager
def hold_run(run_dir: Path) -> Iterator[int]:
    """Hold the lock of a run, and yield its file descriptor.

    The system releases it with the last process that has the descriptor, however that ends.

    Raises
    ------
    StageError
        Another process holds it.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    with (run_dir / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StageError(
                f"{run_dir}: {run_dir.name!r} is already being made; wait, or choose another NAME"
            ) from None
        yield file.fileno()


def run_graph(
    snakefile: Path,
    settings: Path,
    *,
    result: str,
    cores: int,
    at_once: int,
    cluster: Path | None,
    environment: Mapping[str, str],
    lock: int,
) -> None:
    """Run a graph and show its progress.

    Parameters
    ----------
    snakefile : Path
    settings : Path
        The graph's configuration, in the folder of the run.
    result : str
        What the progress says is being made.
    cores : int
        Largest number of cores in use at once.
    at_once : int
        Largest number of stages with a network that run at once on this machine.
    cluster : Path or None
        Folder of a Snakemake profile, see docs/cluster.md.
    environment : mapping of str
        Of the stages, as from `planet_lib.environment.isolate_environment`.
    lock : int
        As from `hold_run`.

    Raises
    ------
    ConfigError
        `cluster` is no profile.
    StageError
        A stage failed; finished ones are kept.
    """
    if cluster and not (cluster / "config.yaml").is_file():
        raise ConfigError(f"{cluster}: no Snakemake profile (it has no config.yaml)")
    run_dir, at_once = settings.parent, min(at_once, cores)
    progress = ReportProgress(result, at_once=at_once, stream=sys.stdout)
    said: list[str] = []

    def read_graph(line: str) -> None:
        said.append(line.strip())
        progress.read_graph(line)

    with subprocess.Popen(
        [
            sys.executable, "-m", "snakemake",
            "--snakefile", snakefile,
            "--directory", run_dir,
            "--configfile", settings,
            "--cores", str(cores),
            "--resources", f"network={at_once}",
            "--keep-going", "--rerun-incomplete", "--nolock",
            *(["--profile", cluster.resolve()] if cluster else []),
        ],
        env={
            **environment,
            "PYTHONPATH": str(snakefile.parent),  # run this checkout, whatever is installed
            "TF_NUM_INTRAOP_THREADS": str(max(1, cores // at_once)),
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
        print("nothing to do: all is up to date")


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
