"""The chip store of a run: decoded chips and their haze-free copies as memory-mapped arrays.

``data/chips.csv`` has one row for each row of ``data/raw.npy`` and ``data/dehazed.npy``. Next to
each array is its manifest, on which later stages depend.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from planet_lib.config import INPUTS
from planet_lib.data.arrays import discard_array, is_unmodified
from planet_lib.data.problems import read_problems, summarize_problems
from planet_lib.errors import StageError
from planet_lib.files import suggest_stage

CATALOGUE = "data/chips.csv"
PROBLEMS = "data/problems.csv"
AGREEMENT = "data/agreement.csv"
NUMBERS = ("longitude", "latitude", "clear")  # NaN where empty
TEXTS = ("chip", "path", "tiff", "tags", "known", "start", "end", "kind", "series")


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
    memmap of shape (N, S, S, 3), uint8
        RGB, read-only; S is 256 for Kaggle's chips.

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
        return cv2.merge([store[row] for store in self.stores])


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
        ``known`` (the labels that the tags say yes or no about, or ``all``), ``split`` (train,
        validation, test or unlabelled), ``group`` (the same for chips that are kept in one split),
        ``ground_distance_m`` (side of a pixel), ``longitude`` and ``latitude`` (degrees, NaN where
        unknown), ``start`` and ``end`` (ISO dates between which the chip was taken, or empty),
        ``kind`` (mine, or what a chip without one shows, or empty), ``series`` (of chips that were
        collected together, or empty) and ``clear`` (share of clear observations that a composite
        asked for, 0 to 1, or NaN).

    Raises
    ------
    StageError
        The catalogue does not exist yet.
    """
    path = run_dir / CATALOGUE
    if not path.exists():
        raise StageError(f"{path}: not there yet; {suggest_stage(run_dir)}")
    return pd.read_csv(
        path,
        keep_default_na=False,
        na_values={column: [""] for column in NUMBERS},
        dtype=dict.fromkeys(TEXTS, str),
    )


def count_problems(run_dir: Path) -> pd.DataFrame:
    """Count what a run left out, replaced or found twice, as `summarize_problems` does.

    Raises
    ------
    StageError
        The run has no data yet.
    """
    path = run_dir / PROBLEMS
    if not path.exists():
        raise StageError(f"{path}: not there yet; {suggest_stage(run_dir)}")
    return summarize_problems(read_problems(path))


def load_agreement(run_dir: Path) -> pd.DataFrame:
    """Load how well each TIFF matches its JPEG; the table is empty if there are no TIFFs.

    Returns
    -------
    DataFrame
        ``chip`` and the fields of `planet_lib.data.tiff.Agreement`.
    """
    path = run_dir / AGREEMENT
    return pd.read_csv(path) if path.exists() else pd.DataFrame(columns=["chip", "correlation"])
