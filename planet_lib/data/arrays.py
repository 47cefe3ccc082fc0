"""Memory-mapped arrays on disk: filled on all cores and stamped when they are complete.

Blocks are written to the file, not to a memory map of it. That saves a page fault for every 4 KiB,
and it makes the file's modification time that of the last write, so that the stamp is reliable.
"""

import hashlib
import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from tqdm import tqdm

from planet_lib.files import map_over_cores, replace_file

BLOCK_ROWS = 8  # filled by a thread between two writes: 1.5 MB of chips stay in its cache


def fill_array(
    path: Path,
    shape: tuple[int, ...],
    dtype: type,
    fill: Callable[[int, np.ndarray], None],
    description: str,
) -> str:
    """Fill a new ``.npy`` file row by row on all cores, in constant memory, and stamp it.

    Parameters
    ----------
    path : Path
        The manifest of an earlier file, the same name with ``.json``, is removed.
    shape : tuple of int
    dtype : type
    fill : callable
        Called with the number of each row and the row, which it overwrites completely.
    description : str
        Text of the progress bar.

    Returns
    -------
    str
        Digest of the rows: the SHA-256 of their SHA-256 digests, in hexadecimal digits.

    Raises
    ------
    OSError
        The disk is too full for the array; nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    discard_array(path)
    offset = _allocate_array(path, shape, dtype)
    own = threading.local()

    def fill_block(first: int) -> list[bytes]:
        if not hasattr(own, "block"):
            own.block = np.empty((BLOCK_ROWS, *shape[1:]), dtype)
        block = own.block[: shape[0] - first]
        for row, out in enumerate(block, start=first):
            fill(row, out)
        _write_rows(path, offset, first, block)
        return [hashlib.sha256(row).digest() for row in block]

    digests = []
    with tqdm(desc=description, total=shape[0], unit="chip", mininterval=2) as progress:
        for rows in map_over_cores(fill_block, range(0, shape[0], BLOCK_ROWS)):
            digests += rows
            progress.update(len(rows))
    _stamp_array(path)
    return _combine(digests)


def compact_array(path: Path, kept: np.ndarray) -> str:
    """Keep only the rows of a ``.npy`` file where `kept`, bool of shape (N,), is true.

    Returns the digest of the remaining rows, as `fill_array` does.
    """
    store = np.load(path, mmap_mode="r")
    digests = []
    with replace_file(path) as partial:
        offset = _allocate_array(partial, (int(kept.sum()), *store.shape[1:]), store.dtype)
        for target, row in enumerate(np.flatnonzero(kept)):
            _write_rows(partial, offset, target, store[row : row + 1])
            digests.append(hashlib.sha256(store[row]).digest())
    _stamp_array(path)
    return _combine(digests)


def discard_array(path: Path) -> None:
    """Remove the manifest of a ``.npy`` file, then its stamp and the file."""
    for left in (path.with_suffix(".json"), path.with_suffix(".stamp"), path):
        left.unlink(missing_ok=True)


def is_unmodified(path: Path) -> bool:
    """Tell whether a ``.npy`` file is complete and has not been written to since."""
    stamp = path.with_suffix(".stamp")
    return path.exists() and stamp.exists() and stamp.read_text() == _read_stamp(path)


def _combine(digests: Iterable[bytes]) -> str:
    return hashlib.sha256(b"".join(digests)).hexdigest()


def _stamp_array(path: Path) -> None:
    path.with_suffix(".stamp").write_text(_read_stamp(path))


def _read_stamp(path: Path) -> str:
    status = path.stat()
    return f"{status.st_size} bytes, written at {status.st_mtime_ns} ns\n"


def _write_rows(path: Path, offset: int, first: int, rows: np.ndarray) -> None:
    with path.open("r+b") as file:
        file.seek(offset + first * rows[0].nbytes)
        file.write(rows.data)


def _allocate_array(path: Path, shape: tuple[int, ...], dtype: type) -> int:
    """Create an empty ``.npy`` file, or fail at once if the disk is too full for it.

    Returns the offset of its first row in bytes.
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
    return store.offset
