"""Files that are whole or not there, JSON, and work shared out over the machine's cores."""

import base64
import json
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from planet_lib.errors import StageError

Item = TypeVar("Item")
Result = TypeVar("Result")


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Write a file so that a reader sees the old one or the whole new one.

    Parameters
    ----------
    path : Path
        The file; its folder is made.

    Yields
    ------
    Path
        Where to write, in the same folder and with the same ending. It takes the place of `path`
        when the block ends, and is removed where the block raises.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"partial-{path.name}")
    try:
        yield partial
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_json(path: Path, content: dict) -> None:
    """Write JSON, as a whole or not at all."""
    with replace_file(path) as partial:
        partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict:
    """Read a file that an earlier stage of the report wrote.

    Raises
    ------
    StageError
        The file is missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StageError(f"{path}: not there yet; {suggest_stage(path)}") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise StageError(f"{path}: damaged ({error}); delete it and run again") from None


def embed_file(content: bytes, media_type: str) -> str:
    """Write a file as a ``data:`` URL, for a page that is one file."""
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def suggest_stage(path: Path) -> str:
    """Name the command that makes a file below ``runs/<name>/``."""
    parts = path.absolute().parts
    runs = [name for folder, name in pairwise(parts) if folder == "runs"]
    name = runs[-1] if runs else "default"
    return (
        "run 'make report' first" if name == "default" else f"run 'make report NAME={name}' first"
    )


def count_cores() -> int:
    """Count the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def map_over_cores(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Call a function with each item on all cores, in threads; yield the results in order.

    It pays where the function spends its time in NumPy, OpenCV or a decoder, which release
    Python's lock.
    """
    with ThreadPoolExecutor(count_cores()) as pool:
        yield from pool.map(function, items)
