"""List the chips of a folder."""

import os
from pathlib import Path

from planet_lib.data.problems import Problem

PICTURE_ENDINGS = (".jpg", ".jpeg", ".png", ".webp")
TIFF_ENDINGS = (".tif", ".tiff")
SAME_NAME = "another file has the name of the chip"
SYSTEM_FILES = ("thumbs.db", "desktop.ini")
"""Files that Windows adds; those that macOS adds are hidden."""


def is_tiff(path: Path) -> bool:
    """Tell by a chip's file name whether it is a TIFF."""
    return path.suffix.lower() in TIFF_ENDINGS


def strip_ending(name: str) -> str:
    """Strip the ending of a picture, if there is one, from a file name.

    >>> strip_ending("train_0.JPEG"), strip_ending("train_0.v2")
    ('train_0', 'train_0.v2')
    """
    stem, ending = os.path.splitext(name)
    return stem if ending.lower() in PICTURE_ENDINGS + TIFF_ENDINGS else name


def list_visible(folder: Path) -> list[os.DirEntry]:
    """List a folder without the files that operating systems add to it."""
    with os.scandir(folder) as entries:
        return [
            entry
            for entry in entries
            if not entry.name.startswith(".") and entry.name.lower() not in SYSTEM_FILES
        ]


def list_chips(
    folder: Path, endings: tuple[str, ...] = PICTURE_ENDINGS
) -> tuple[dict[str, Path], list[Problem]]:
    """List the chips of a folder by name.

    Parameters
    ----------
    folder : Path
    endings : tuple of str
        Endings of the files that are chips, in lower case.

    Returns
    -------
    chips : dict of str to Path
        From the file name without its ending; shorter names first, so that numbers are in order.
    problems : list of Problem
        What else is in the folder; none of it is read.
    """
    chips: dict[str, Path] = {}
    problems = []
    for entry in sorted(list_visible(folder), key=_sort_by_number):
        name = f"{folder.name}/{entry.name}"
        stem, ending = os.path.splitext(entry.name)
        if entry.is_dir():
            problems.append(Problem(f"{name}/", "a folder among the chips", "left out"))
        elif ending.lower() not in endings:
            problems.append(Problem(name, f"no chip: its ending is {ending!r}", "left out"))
        elif stem in chips:
            problems.append(Problem(name, SAME_NAME, "left out, the first is read"))
        else:
            chips[stem] = folder / entry.name
    return chips, problems


def _sort_by_number(entry: os.DirEntry) -> tuple[int, str, str]:
    stem, ending = os.path.splitext(entry.name)
    return len(stem), stem, ending
