"""Memory-mapped arrays on disk: filled on all cores, and never on a disk too full for them."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from tqdm import tqdm

BLOCK_ROWS = 32  # that a thread takes at once


def fill_array(
    path: Path,
    shape: tuple[int, ...],
    dtype: type,
    fill: Callable[[int, np.ndarray], None],
    description: str,
) -> None:
    """Fill a new ``.npy`` file row by row, on all cores, memory flat.

    Parameters
    ----------
    path : Path
        A manifest of the same name with ``.json`` speaks of an earlier file and is removed.
    shape : tuple of int
    dtype : type
    fill : callable
        Called with each row's number and the row, which it writes.
    description : str
        Of the progress bar.

    Raises
    ------
    OSError
        The disk is too full for the array; nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".json").unlink(missing_ok=True)
    store = _allocate_array(path, shape, dtype)

    def fill_block(first: int) -> int:
        rows = range(first, min(first + BLOCK_ROWS, len(store)))
        for row in rows:
            fill(row, store[row])
        return len(rows)

    with (
        tqdm(desc=description, total=len(store), unit="chip", mininterval=2) as progress,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        for done in pool.map(fill_block, range(0, len(store), BLOCK_ROWS)):
            progress.update(done)


def compact_array(path: Path, kept: np.ndarray) -> None:
    """Keep some rows of a ``.npy`` file: those where `kept`, bool of shape (N,), is true."""
    store = np.load(path, mmap_mode="r")
    partial = path.with_name(path.name + ".partial")
    compact = _allocate_array(partial, (int(kept.sum()), *store.shape[1:]), store.dtype)
    for target, row in enumerate(np.flatnonzero(kept)):
        compact[target] = store[row]
    compact.flush()
    os.replace(partial, path)


def _allocate_array(path: Path, shape: tuple[int, ...], dtype: type) -> np.memmap:
    """Make an empty store, or say at once that the disk is too full for it.

    Without the room, a later write to the map would be a bus error that nobody can catch.
    """
    store = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    if hasattr(os, "posix_fallocate"):
        try:
            with path.open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        except OSError as error:
            path.unlink()
            needed = f"{store.nbytes / 1e9:.1f} GB are needed"
            raise OSError(error.errno, f"{error.strerror}; {needed}", str(path)) from None
    return store
