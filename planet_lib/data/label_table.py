"""Read Kaggle's tables of chips and their tags, and say what is wrong with one."""

import csv
import re
import warnings
from pathlib import Path

import pandas as pd

from planet_lib.data.content import UNKNOWN, name_content
from planet_lib.data.folders import strip_ending
from planet_lib.data.labels import INDEX, LABELS
from planet_lib.data.problems import Problem
from planet_lib.errors import DataError, suggest

DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "bars"}
COLUMNS = ("image_name", "tags")


def clean_name(name: str) -> str:
    r"""Clean the name of a chip of spaces, folders and the ending of a picture.

    >>> clean_name("train-jpg/train_0.jpg "), clean_name(r"C:\\chips\\train_0.TIF")
    ('train_0', 'train_0')
    """
    return strip_ending(re.split(r"[/\\]", name.strip())[-1].strip()).strip()


def has_columns(path: Path) -> bool:
    """Tell whether a file is a table of chips and tags."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return set(COLUMNS) <= set(next(csv.reader(file), ()))
    except (OSError, UnicodeDecodeError, csv.Error):
        return False


def read_names(path: Path) -> list[str]:
    """Read the names of the chips in a table, cleaned; a name may be there more than once.

    Raises
    ------
    DataError
        The file is no such table.
    """
    return [name for name in map(clean_name, _read(path, COLUMNS[:1])["image_name"]) if name]


def read_tags(path: Path) -> tuple[pd.DataFrame, list[Problem]]:
    """Read the tags of chips.

    Returns
    -------
    labels : DataFrame
        ``image_name``, cleaned, and ``tags``, as they are; each chip once.
    problems : list of Problem
        Rows and names that are not used as they are.

    Raises
    ------
    DataError
        The file is no such table, or it has an unknown tag or a chip twice.
    """
    labels = _read(path, COLUMNS)
    if labels["image_name"].str.strip().eq("").all():
        raise DataError(f"{path}: has no rows; download it again")
    problems = []
    for line, (name, tags) in enumerate(zip(*map(labels.get, COLUMNS), strict=True), start=2):
        for tag in tags.split():
            if tag not in INDEX:
                raise DataError(f"{path}, line {line}: unknown tag {tag!r}; {suggest(tag, LABELS)}")
        if tags.strip() and not clean_name(name):
            row = f"{path.name}, line {line}"
            problems.append(Problem(row, "tags without the name of a chip", "left out"))
    cleaned = labels["image_name"].map(clean_name)
    if (cleaned != labels["image_name"]).any():
        problems.append(
            Problem(path.name, "names with an ending, a folder or spaces", "read without them")
        )
    labels = labels.assign(image_name=cleaned)[cleaned != ""]
    repeated = labels["image_name"][labels["image_name"].duplicated()]
    if len(repeated):
        raise DataError(f"{path}: {repeated.iloc[0]} is listed twice; keep one of its rows")
    return labels, problems


def check_columns(path: Path, columns: tuple[str, ...], found: list[str]) -> None:
    """Raise a DataError with the cure if a table lacks a column."""
    for column in columns:
        if column not in found:
            listed = ", ".join(map(str, found))
            raise DataError(f"{path}: no column {column!r} (found: {listed}); {_cure(found)}")


def _cure(found: list[str]) -> str:
    for delimiter, name in DELIMITERS.items():
        if any(delimiter in str(column) for column in found):
            return f"its columns are separated by {name}: save it with commas"
    return "rename its columns, or download it again"


def _read(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    """Read a table as text, a row for each line."""
    try:
        with warnings.catch_warnings(action="error", category=pd.errors.ParserWarning):
            table = pd.read_csv(
                path, dtype=str, keep_default_na=False, index_col=False, skip_blank_lines=False
            )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a CSV table ({_explain(path, error)})") from None
    except pd.errors.ParserWarning:
        raise DataError(f"{path}: a row has more than two columns; quote or correct it") from None
    if (content := _name_odd_content(path)) and not set(columns) <= set(table.columns):
        raise DataError(f"{path}: not a CSV table ({content})")
    check_columns(path, columns, list(table.columns))
    return table


def _explain(path: Path, error: Exception) -> str:
    return _name_odd_content(path) or " ".join(str(error).split())


def _name_odd_content(path: Path) -> str | None:
    """Name the content of a file that is not text of the kind of a table."""
    with path.open("rb") as file:
        content = name_content(file.read(64))
    return None if content == UNKNOWN else content
