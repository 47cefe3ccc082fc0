"""The data sets that a report can be made from: each layout of files has one reader.

A reader says which labels its chips know and where they lie. Nothing behind it asks which it was.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from planet_lib.data.chips import CHIP_PX, decode_chip, read_file
from planet_lib.data.folders import is_tiff
from planet_lib.data.kaggle import list_read, scan_kaggle
from planet_lib.data.kaggle_archives import list_parts, unpack_dataset
from planet_lib.data.labels import ALL_LABELS, LABELS, MINE
from planet_lib.data.mining_watch import (
    CREDIT,
    GALLERY,
    GALLERY_CHIP_PX,
    GROUND_DISTANCE_M,
    is_mining_watch,
    list_points,
    list_sheets,
    read_sheet,
    scan_gallery,
)
from planet_lib.data.neighbours import find_neighbours
from planet_lib.data.problems import Problem
from planet_lib.data.tiff import read_tiff, stretch_to_visual
from planet_lib.errors import DataError

KAGGLE_GROUND_DISTANCE_M = 3.0
ReadChip = Callable[[int, np.ndarray], str]
"""Writes the pixels of a row of the catalogue into an array; returns the digest of the chip."""


@dataclass(frozen=True)
class Reader:
    """How one layout of files is read.

    Attributes
    ----------
    labels : tuple of str
        The labels that the chips are known to have or not to have.
    chip_px : int
        Side of a chip, in pixels.
    credit : str
        Whom the pages credit, or empty.
    profile : str
        The profile of a report for which the user names none.
    scan : callable
        From the folder to the catalogue of its chips, without decoding them, and the problems that
        were found.
    open_chips : callable
        From the folder and the catalogue to a function `ReadChip`, for any thread.
    pair_chips : callable
        From the catalogue, the decoded chips and the rows without a duplicate before them to a
        table of pairs of rows, ``first`` and ``second``, that are to be kept in one split.
    list_read : callable
        From the folder to the tables and the files of chips that all this depends on.
    """

    labels: tuple[str, ...]
    chip_px: int
    credit: str
    profile: str
    scan: Callable[[Path], tuple[pd.DataFrame, list[Problem]]]
    open_chips: Callable[[Path, pd.DataFrame], ReadChip]
    pair_chips: Callable[[pd.DataFrame, np.ndarray, np.ndarray], pd.DataFrame]
    list_read: Callable[[Path], tuple[list[Path], list[Path]]]


def find_reader(folder: Path) -> Reader:
    """Find the reader of a data set's layout.

    Parameters
    ----------
    folder : Path
        Kaggle's files, packed or not, or the layout of Amazon Mining Watch.

    Raises
    ------
    DataError
        The folder has files of both, packed or not.
    """
    if not is_mining_watch(folder):
        return KAGGLE
    if mixed := list_parts(folder):
        raise DataError(
            f"{folder}: has {mixed[0].relative_to(folder)} of Kaggle and {GALLERY} of Mining "
            "Watch; move one of the two data sets to a folder of its own"
        )
    return MINING_WATCH


def prepare_dataset(source: Path, target: Path) -> Path:
    """Unpack what is packed, and return the folder to read.

    Parameters
    ----------
    source, target : Path
        As for `planet_lib.data.kaggle_archives.unpack_dataset`.
    """
    return source if find_reader(source) is MINING_WATCH else unpack_dataset(source, target)


def _scan_kaggle(folder: Path) -> tuple[pd.DataFrame, list[Problem]]:
    catalogue, problems = scan_kaggle(folder)
    return catalogue.assign(
        known=ALL_LABELS,
        kind="",
        series="",
        clear=np.nan,
        start="",
        end="",
        longitude=np.nan,
        latitude=np.nan,
        ground_distance_m=KAGGLE_GROUND_DISTANCE_M,
    ), problems


def _open_kaggle(folder: Path, catalogue: pd.DataFrame) -> ReadChip:
    paths = [folder / path for path in catalogue["path"]]

    def read(row: int, out: np.ndarray) -> str:
        data = read_file(paths[row])
        if is_tiff(paths[row]):
            out[...] = stretch_to_visual(read_tiff(paths[row]))
        else:
            decode_chip(data, paths[row], out)
        return hashlib.sha256(data).hexdigest()

    return read


def _scan_gallery(folder: Path) -> tuple[pd.DataFrame, list[Problem]]:
    catalogue, problems = scan_gallery(folder)
    return catalogue.assign(
        tiff="", labelled=True, known=MINE, ground_distance_m=GROUND_DISTANCE_M
    ), problems


def _open_gallery(folder: Path, catalogue: pd.DataFrame) -> ReadChip:
    cells = catalogue["cell"].to_numpy()
    paths = [folder / path for path in catalogue["path"]]
    read_once = cache(read_sheet)

    def read(row: int, out: np.ndarray) -> str:
        out[...] = read_once(paths[row])[cells[row]]
        return hashlib.sha256(out).hexdigest()

    return read


def _pair_places(catalogue: pd.DataFrame, chips: np.ndarray, once: np.ndarray) -> pd.DataFrame:
    """Pair each chip with the next one of its place."""
    places = catalogue["place"].to_numpy()
    order = np.argsort(places, kind="stable")
    same = places[order][1:] == places[order][:-1]
    return pd.DataFrame({"first": order[:-1][same], "second": order[1:][same]})


def _list_gallery(folder: Path) -> tuple[list[Path], list[Path]]:
    return list_points(folder), list_sheets(folder)


KAGGLE = Reader(
    labels=LABELS,
    chip_px=CHIP_PX,
    credit="",
    profile="default",
    scan=_scan_kaggle,
    open_chips=_open_kaggle,
    pair_chips=lambda catalogue, chips, once: find_neighbours(chips, once),
    list_read=list_read,
)
MINING_WATCH = Reader(
    labels=(MINE,),
    chip_px=GALLERY_CHIP_PX,
    credit=CREDIT,
    profile="mining",
    scan=_scan_gallery,
    open_chips=_open_gallery,
    pair_chips=_pair_places,
    list_read=_list_gallery,
)
