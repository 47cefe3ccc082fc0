"""Execute a notebook strictly: known parameters only, and a failure keeps its half-run copy."""

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import nbformat
import papermill
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from planet_lib.errors import ConfigError, PlanetError, StageError, suggest
from planet_lib.report.trial import mark_stage

OWN_ERRORS = {kind.__name__ for kind in (PlanetError, *PlanetError.__subclasses__())}


class _LabelledLines:
    """A text stream that puts a notebook's name before each whole line."""

    def __init__(self, stream: TextIO, label: str) -> None:
        self.stream, self.label, self.pending = stream, label, ""

    def write(self, text: str) -> int:
        *lines, self.pending = (self.pending + text).split("\n")
        for line in lines:
            self.stream.write(f"{self.label} | {line}\n")
        return len(text)

    def flush(self) -> None:
        self.stream.flush()

    def end_line(self) -> None:
        if self.pending:
            self.write("\n")


def execute_notebook(notebook: Path, executed: Path, parameters: Mapping[str, object]) -> None:
    """Execute a notebook with parameters, in its own folder, into a copy.

    Parameters
    ----------
    notebook : Path
        Has one cell tagged ``parameters``.
    executed : Path
        Where the executed copy goes once it is whole. What a failure leaves behind stands
        meanwhile in the folder ``unfinished`` beside that of `executed`.
    parameters : mapping
        Values that replace the notebook's defaults, types kept.

    Raises
    ------
    ConfigError
        The notebook has no such parameter.
    StageError
        It is no notebook, or a cell failed; the message says which copy shows where.
    """
    try:
        known = papermill.inspect_notebook(str(notebook))
    except (nbformat.reader.NotJSONError, nbformat.ValidationError) as error:
        raise StageError(f"{notebook}: not a notebook ({str(error)[:60]!r})") from None
    for name in parameters:
        if name not in known:
            raise ConfigError(f"{notebook}: no parameter {name!r}; {suggest(name, known)}")
    unfinished = locate_unfinished(executed)
    for folder in (executed.parent, unfinished.parent):
        folder.mkdir(parents=True, exist_ok=True)
    executed.unlink(missing_ok=True)
    for left in unfinished.parent.glob(f"{executed.stem}.*"):
        left.unlink()
    lines = _LabelledLines(sys.stdout, executed.stem)
    chatter = unfinished.with_suffix(".stderr.txt")
    try:
        with (
            tempfile.TemporaryDirectory(prefix="planet-") as sockets,
            _divert_stderr(chatter),
            mark_stage(),
        ):
            papermill.execute_notebook(
                str(notebook),
                str(unfinished),
                parameters=dict(parameters),
                cwd=str(notebook.parent),
                kernel_name="python3",
                config=_talk_through(Path(sockets)),
                extra_arguments=["--IPKernelApp.capture_fd_output=False"],
                coalesce_streams=True,
                progress_bar=False,
                stdout_file=lines,
            )
    except PapermillExecutionError as error:
        reason = error.evalue if error.ename in OWN_ERRORS else f"{error.ename}: {error.evalue}"
        reason = " ".join(reason.split())
        raise StageError(f"{executed.stem}: {reason} (half-run copy: {unfinished})") from None
    except DeadKernelError:
        raise StageError(
            f"{executed.stem}: its process was killed, perhaps for want of memory "
            f"(half-run copy: {unfinished}; what it said: {chatter})"
        ) from None
    finally:
        lines.end_line()
    chatter.unlink()
    os.replace(unfinished, executed)


def locate_unfinished(executed: Path) -> Path:
    """Say where the copy of a notebook stands while, or if, it is not whole."""
    return executed.resolve().parents[1] / "unfinished" / executed.name


@contextmanager
def _divert_stderr(path: Path) -> Iterator[None]:
    """Send what native libraries write to stderr, the kernel's too, into a file."""
    sys.stderr.flush()
    stderr = os.dup(2)
    with path.open("wb") as file:
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def _talk_through(folder: Path) -> Config:
    """Connect to the kernel by files of its own, since kernels started at once race for ports."""
    config = Config()
    config.KernelManager.transport = "ipc"
    config.KernelManager.ip = str(folder / "kernel")
    return config
