"""Explain a full memory or disk in training by an error that names the cure."""

import errno
import functools
import os
from collections.abc import Callable
from pathlib import Path

from planet_lib.errors import StageError

FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
OUT_OF_MEMORY = ("ResourceExhausted", "RESOURCE_EXHAUSTED", "out of memory", "Out of memory")


def explain_failures(train: Callable[..., dict]) -> Callable[..., dict]:
    """Decorate a training so that a full disk or memory raises a `StageError`.

    Parameters
    ----------
    train : callable
        Takes the run's folder as its first argument.
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
                f"{run_dir}: {cure} and run again; finished epochs are kept"
            ) from error

    return explain


def _find_cure(error: Exception) -> str | None:
    """Recognise the errors of every backend by name and message, so that none is imported."""
    message = f"{type(error).__name__}: {error}"
    if any(
        getattr(error, "errno", None) == code or os.strerror(code) in message for code in FULL_DISK
    ):
        return "the disk is full; free some space"
    if isinstance(error, MemoryError) or any(words in message for words in OUT_OF_MEMORY):
        return "out of memory; lower batch_size or image_px"
    return None
