"""The failures of a machine in training, told with their cure: memory or disk are too small."""

import errno
import functools
import os
from collections.abc import Callable
from pathlib import Path

from planet_lib.errors import StageError

FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
OUT_OF_MEMORY = ("ResourceExhausted", "RESOURCE_EXHAUSTED", "out of memory", "Out of memory")


def explain_failures(train: Callable[..., dict]) -> Callable[..., dict]:
    """Wrap a training so that a full disk and a full memory end in a `StageError`.

    Parameters
    ----------
    train : callable
        Takes the run's folder first.
    """

    @functools.wraps(train)
    def explain(run_dir: Path, **settings: object) -> dict:
        try:
            return train(run_dir, **settings)
        except Exception as error:
            cure = _find_cure(error)
            if cure is None:
                raise
            raise StageError(
                f"{run_dir}: {cure} and run again; the epochs before are kept"
            ) from error

    return explain


def _find_cure(error: Exception) -> str | None:
    """Tell backends' errors by their names and words, so that none need be imported."""
    said = f"{type(error).__name__}: {error}"
    if any(
        getattr(error, "errno", None) == code or os.strerror(code) in said for code in FULL_DISK
    ):
        return "the disk is full; make room"
    if isinstance(error, MemoryError) or any(words in said for words in OUT_OF_MEMORY):
        return "memory does not suffice; lower batch_size or image_px"
    return None
