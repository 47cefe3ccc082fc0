"""The catalogue of a data set: one table of its chips, whatever the layout of its files."""

import hashlib
from pathlib import Path

import pandas as pd

from planet_lib.data.kaggle import LABELS_FILE, list_read, scan_kaggle
from planet_lib.data.problems import Problem
from planet_lib.errors import DataError


def scan_dataset(folder: Path) -> tuple[pd.DataFrame, list[Problem]]:
    """List the chips of a data set without decoding them.

    Parameters
    ----------
    folder : Path
        A data set in Kaggle's layout, as `planet_lib.data.kaggle.scan_kaggle` reads it.

    Returns
    -------
    catalogue : DataFrame
        One row per chip, labelled ones first: ``chip`` (file name without ending), ``path`` (of
        the JPEG, or of the TIFF if there is no JPEG, relative to `folder`), ``tiff`` (path of the
        TIFF, or empty), ``labelled`` (bool), ``tags`` (str, each tag once, empty if unlabelled).
    problems : list of Problem
        What is left out, replaced or there twice; none of it stops the work.

    Raises
    ------
    DataError
        The folder or every labelled chip is missing, or its tables cannot be used.
    """
    if not folder.is_dir():
        raise DataError(
            f"{folder}: no such folder; point DATA at the folder that has {LABELS_FILE}"
        )
    return scan_kaggle(folder)


def sign_dataset(folder: Path) -> str:
    """Digest what `scan_dataset` and the chip store read, to see when it changes.

    Tables count by their content, chips by their names, sizes and times.
    """
    digest = hashlib.sha256()
    tables, chips = list_read(folder)
    for path in tables:
        digest.update(f"{path.relative_to(folder)} {path.stat().st_size}\n".encode())
        digest.update(path.read_bytes())
    for path in chips:
        status = path.stat() if path.exists() else path.lstat()
        line = f"{path.relative_to(folder)} {status.st_size} {status.st_mtime_ns}\n"
        digest.update(line.encode())
    return digest.hexdigest()
