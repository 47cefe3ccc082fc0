"""The catalogue of a data set in Kaggle's layout, and the reader of one chip."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from planet_lib.errors import DataError
from planet_lib.labels import INDEX, LABELS, WEATHER, encode_tags, suggest

CHIP_PX = 256
LABELS_FILE = "train_v2.csv"
LABELLED_FOLDER = "train-jpg"
UNLABELLED_FOLDERS = ("test-jpg", "test-jpg-additional")
READABLE_MODES = ("RGB", "CMYK")
COMPETITION_CHIPS = {"labelled": 40_479, "unlabelled": 61_191}


@dataclass(frozen=True)
class Problem:
    """One thing found in the data, for the exploration page."""

    file: str
    problem: str
    action: str


def read_chip(path: Path) -> np.ndarray:
    """Read a chip as RGB.

    Planet's JPEGs have four components and no Adobe marker; Pillow converts them as OpenCV does,
    within one level, where TensorFlow's decoder silently returns black.

    Parameters
    ----------
    path : Path

    Returns
    -------
    ndarray of shape (256, 256, 3), uint8
        RGB.

    Raises
    ------
    DataError
        The file is missing, unreadable, truncated, or of another size or mode.
    """
    try:
        with Image.open(path) as image:
            if image.size != (CHIP_PX, CHIP_PX):
                width, height = image.size
                raise DataError(f"{path}: {width} x {height} px, expected {CHIP_PX} x {CHIP_PX}")
            if image.mode not in READABLE_MODES:
                allowed = " or ".join(READABLE_MODES)
                raise DataError(f"{path}: colour mode {image.mode}, expected {allowed}")
            return np.asarray(image.convert("RGB"))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, SyntaxError, ValueError, RuntimeError, Image.DecompressionBombError) as error:
        reason = str(error).replace(f" {str(path)!r}", "")
        raise DataError(f"{path}: cannot be decoded ({reason})") from None


def read_catalogue(folder: Path) -> tuple[pd.DataFrame, list[Problem]]:
    """List the chips of a data set without decoding them.

    Parameters
    ----------
    folder : Path
        Kaggle's layout: ``train_v2.csv``, ``train-jpg/`` and, where there, ``test-jpg/`` and
        ``test-jpg-additional/``.

    Returns
    -------
    catalogue : DataFrame
        One row a chip file: ``chip`` (file name without its ending), ``path`` (relative to
        `folder`), ``labelled`` (bool), ``tags`` (str, each tag once, empty if unlabelled).
    problems : list of Problem
        What is odd about the labels; none of it stops the work.

    Raises
    ------
    DataError
        No such folder, no labels file, a column is missing, an unknown tag, no labelled chip.
    """
    if not folder.is_dir():
        raise DataError(
            f"{folder}: no such folder; point DATA at the folder that has {LABELS_FILE}"
        )
    labels = _read_labels(folder / LABELS_FILE)
    files = {p.stem: p for p in _list_chips(folder / LABELLED_FOLDER)}
    present = labels["image_name"].isin(files)
    if not present.any():
        raise DataError(
            f"{folder / LABELLED_FOLDER}: not one of the {len(labels)} labelled chips found; "
            f"unpack the competition's chips to {LABELLED_FOLDER}/"
        )
    problems = [
        *_find_label_problems(labels),
        *(
            Problem(name, "label without a chip", "left out")
            for name in labels["image_name"][~present]
        ),
        *(
            Problem(name, "chip without a label", "left out")
            for name in sorted(files.keys() - set(labels["image_name"]))
        ),
    ]
    labels = labels[present]
    rows = [
        (name, f"{LABELLED_FOLDER}/{files[name].name}", True, " ".join(dict.fromkeys(tags.split())))
        for name, tags in zip(labels["image_name"], labels["tags"], strict=True)
    ]
    rows += [
        (path.stem, f"{name}/{path.name}", False, "")
        for name in UNLABELLED_FOLDERS
        for path in _list_chips(folder / name)
    ]
    return pd.DataFrame(rows, columns=["chip", "path", "labelled", "tags"]), problems


def _list_chips(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.jpg"), key=lambda p: (len(p.stem), p.stem))


def _read_labels(path: Path) -> pd.DataFrame:
    try:
        with warnings.catch_warnings(action="error", category=pd.errors.ParserWarning):
            labels = pd.read_csv(
                path, dtype=str, keep_default_na=False, index_col=False, skip_blank_lines=False
            )
    except FileNotFoundError:
        raise DataError(
            f"{path}: no labels file; copy {LABELS_FILE} from the competition's data page there"
        ) from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a CSV table ({str(error).strip()})") from None
    except pd.errors.ParserWarning:
        raise DataError(f"{path}: a row has more than its two columns; quote or mend it") from None
    for column in ("image_name", "tags"):
        if column not in labels:
            found = ", ".join(map(str, labels.columns))
            raise DataError(f"{path}: no column {column!r} (found: {found}); download it again")
    if labels["image_name"].eq("").all():
        raise DataError(f"{path}: has no rows; download it again")
    for line, tags in enumerate(labels["tags"], start=2):
        for tag in tags.split():
            if tag not in INDEX:
                raise DataError(f"{path}, line {line}: unknown tag {tag!r}; {suggest(tag, LABELS)}")
    labels = labels[labels["image_name"] != ""]
    repeated = labels["image_name"][labels["image_name"].duplicated()]
    if len(repeated):
        raise DataError(f"{path}: {repeated.iloc[0]} is listed twice; keep one of its rows")
    return labels


def _find_label_problems(labels: pd.DataFrame) -> Iterator[Problem]:
    encoded = encode_tags(labels["tags"])
    weather = encoded[:, : len(WEATHER)].sum(axis=1)
    cloudy_land = (encoded[:, INDEX["cloudy"]] == 1) & (encoded[:, len(WEATHER) :].sum(axis=1) > 0)
    for position, (name, tags) in enumerate(zip(labels["image_name"], labels["tags"], strict=True)):
        tags = tags.split()
        if len(set(tags)) < len(tags):
            yield Problem(name, "a tag is repeated", "counted once")
        if weather[position] == 0:
            yield Problem(name, "no weather label", "kept; its weather is masked in training")
        if weather[position] > 1:
            yield Problem(name, "more than one weather label", "kept as it is")
        if cloudy_land[position]:
            yield Problem(name, "cloudy, with land labels", "kept as it is")
