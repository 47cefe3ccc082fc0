"""The chip store of a run: decoded chips and their haze-free copies as memory-mapped arrays.

``data/chips.csv`` has one row for each row of ``data/raw.npy`` and ``data/dehazed.npy``. Next to
each array is its manifest, on which later stages depend.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from planet_lib.config import INPUTS
from planet_lib.data.arrays import discard_array, is_unmodified
from planet_lib.errors import StageError
from planet_lib.files import suggest_stage

CATALOGUE = "data/chips.csv"
PROBLEMS = "data/problems.csv"
AGREEMENT = "data/agreement.csv"


def discard_changed_stores(run_dir: Path) -> list[Path]:
    """Remove stores that are incomplete or were modified after writing; return their files."""
    discarded = []
    for name in ("raw", "dehazed"):
        path = run_dir / "data" / f"{name}.npy"
        exists = path.exists() or path.with_suffix(".stamp").exists()
        if exists and not is_unmodified(path):
            discard_array(path)
            discarded.append(path)
    return discarded


def open_store(run_dir: Path, name: str) -> np.ndarray:
    """Open a store, ``raw`` or ``dehazed``, without loading it.

    Returns
    -------
    memmap of shape (N, 256, 256, 3), uint8
        RGB, read-only.

    Raises
    ------
    StageError
        The store is not there yet, or damaged.
    """
    path = run_dir / "data" / f"{name}.npy"
    if not path.with_suffix(".json").exists():
        raise StageError(f"{path}: not there yet; {suggest_stage(run_dir)}")
    try:
        return np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise StageError(
            f"{path}: damaged ({error}); delete {run_dir / 'data'} and run again"
        ) from None


class ChannelStack:
    """Several stores read as one with the channels of all.

    Parameters
    ----------
    stores : sequence of ndarray of shape (N, H, W, 3)
    """

    def __init__(self, stores: Sequence[np.ndarray]) -> None:
        self.stores = stores
        count, height, width, _ = stores[0].shape
        self.shape = (count, height, width, sum(store.shape[3] for store in stores))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, row: int) -> np.ndarray:
        return np.concatenate([store[row] for store in self.stores], axis=-1)


def open_input(run_dir: Path, input_mode: str) -> np.ndarray | ChannelStack:
    """Open the input of a network: ``raw``, ``dehazed`` or ``both``.

    Returns
    -------
    memmap or ChannelStack of shape (N, 256, 256, C), uint8
        RGB of each store of `INPUTS`: C is 3 or 6.

    Raises
    ------
    ValueError
        The input mode is unknown.
    StageError
        A store is not there yet, or damaged.
    """
    if input_mode not in INPUTS:
        raise ValueError(f"input_mode is {input_mode!r}; allowed: {', '.join(INPUTS)}")
    stores = [open_store(run_dir, name) for name in INPUTS[input_mode]]
    return stores[0] if len(stores) == 1 else ChannelStack(stores)


def load_catalogue(run_dir: Path) -> pd.DataFrame:
    """Load the table of a run's stored chips.

    Returns
    -------
    DataFrame
        Row i describes row i of the stores: ``chip``, ``path``, ``tiff``, ``labelled``, ``tags``,
        ``split`` (train, validation, test or unlabelled) and ``group`` (the same for chips that
        are connected as neighbours or duplicates).

    Raises
    ------
    StageError
        The catalogue does not exist yet.
    """
    path = run_dir / CATALOGUE
    if not path.exists():
        raise StageError(f"{path}: not there yet; {suggest_stage(run_dir)}")
    return pd.read_csv(
        path, keep_default_na=False, dtype={"chip": str, "path": str, "tiff": str, "tags": str}
    )


def load_agreement(run_dir: Path) -> pd.DataFrame:
    """Load how well each TIFF matches its JPEG; the table is empty if there are no TIFFs.

    Returns
    -------
    DataFrame
        ``chip`` and the fields of `planet_lib.data.tiff.Agreement`.
    """
    path = run_dir / AGREEMENT
    return pd.read_csv(path) if path.exists() else pd.DataFrame(columns=["chip", "correlation"])
