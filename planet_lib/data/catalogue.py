"""The catalogue of a data set in Kaggle's layout: its chips, and problems of its labels."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from planet_lib.data.labels import INDEX, LABELS, WEATHER, encode_tags
from planet_lib.data.tiff import read_file_mapping
from planet_lib.errors import DataError, suggest

LABELS_FILE = "train_v2.csv"
JPEG_FOLDERS = ("train-jpg", "test-jpg", "test-jpg-additional")
TIFF_FOLDERS = ("train-tif-v2", "test-tif-v2")
LABELLED_FOLDERS = (JPEG_FOLDERS[0], TIFF_FOLDERS[0])
MAPPING_FILE = "test_v2_file_mapping.csv"
COMPETITION_CHIPS = {"labelled": 40_479, "unlabelled": 61_191}


@dataclass(frozen=True)
class Problem:
    """A problem of one file or label, for the exploration page."""

    file: str
    problem: str
    action: str


def scan_dataset(folder: Path) -> tuple[pd.DataFrame, list[Problem]]:
    """List the chips of a data set without decoding them.

    Parameters
    ----------
    folder : Path
        Kaggle's layout: ``train_v2.csv``, ``train-jpg/`` and, where there, ``test-jpg/`` and
        ``test-jpg-additional/``; in addition, or instead, ``train-tif-v2/`` and ``test-tif-v2/``
        with ``test_v2_file_mapping.csv``.

    Returns
    -------
    catalogue : DataFrame
        One row per chip: ``chip`` (file name without suffix), ``path`` (of the JPEG, or of the TIFF
        if there is no JPEG, relative to `folder`), ``tiff`` (path of the TIFF, or empty),
        ``labelled`` (bool), ``tags`` (str, each tag once, empty if unlabelled).
    problems : list of Problem
        Problems of the labels; none of them stops the work.

    Raises
    ------
    DataError
        The folder, the labels file, a column or every labelled chip is missing, or a tag is
        unknown.
    """
    if not folder.is_dir():
        raise DataError(
            f"{folder}: no such folder; point DATA at the folder that has {LABELS_FILE}"
        )
    labels = _read_labels(folder / LABELS_FILE)
    tiffs = _find_tiffs(folder)
    jpegs = {
        path.stem: f"{name}/{path.name}"
        for name in JPEG_FOLDERS
        for path in _list_chips(folder / name, "jpg")
    }
    pictures = tiffs | jpegs
    files = {
        chip: path for chip, path in pictures.items() if path.partition("/")[0] in LABELLED_FOLDERS
    }
    present = labels["image_name"].isin(files.keys())
    if not present.any():
        raise DataError(
            f"{folder / JPEG_FOLDERS[0]}: not one of the {len(labels)} labelled chips found; "
            f"unpack the competition's chips to {JPEG_FOLDERS[0]}/"
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
        (name, files[name], tiffs.get(name, ""), True, " ".join(dict.fromkeys(tags.split())))
        for name, tags in zip(labels["image_name"], labels["tags"], strict=True)
    ]
    unlabelled = sorted(
        pictures.keys() - files.keys(),
        key=lambda chip: (chip.split("_")[0] != "test", len(chip), chip),
    )
    rows += [(chip, pictures[chip], tiffs.get(chip, ""), False, "") for chip in unlabelled]
    return pd.DataFrame(rows, columns=["chip", "path", "tiff", "labelled", "tags"]), problems


def _list_chips(folder: Path, ending: str) -> list[Path]:
    return sorted(folder.glob(f"*.{ending}"), key=lambda p: (len(p.stem), p.stem))


def _find_tiffs(folder: Path) -> dict[str, str]:
    """Map the name of each chip, as its JPEG has it, to its TIFF, relative to `folder`."""
    files = [path for name in TIFF_FOLDERS for path in _list_chips(folder / name, "tif")]
    table = folder / MAPPING_FILE
    mapping = read_file_mapping(table) if files and table.exists() else {}
    found: dict[str, str] = {}
    for path in files:
        chip = Path(mapping.get(path.name, path.name)).stem
        if chip in found:
            raise DataError(
                f"{path}: {MAPPING_FILE} maps it and {found[chip]} to {chip}; "
                "remove the table if the files have been renamed"
            )
        found[chip] = f"{path.parent.name}/{path.name}"
    return found


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
        raise DataError(f"{path}: a row has more than two columns; quote or correct it") from None
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
