"""Label a folder of pictures with any trained network, prepared as the network's card describes."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import keras
import numpy as np
import pandas as pd
from tqdm import tqdm

from planet_lib.data.labels import LABELS, MINE, WEATHER
from planet_lib.data.pictures import Picture, list_pictures, read_picture
from planet_lib.errors import DataError
from planet_lib.evaluation.metrics import resolve_cloudy
from planet_lib.evaluation.submission import write_submission
from planet_lib.files import map_over_cores, replace_file
from planet_lib.haze import remove_haze
from planet_lib.networks.card import read_card
from planet_lib.networks.files import PRETRAINED, load_network
from planet_lib.networks.locate import MODEL, check_network
from planet_lib.networks.predict import predict_chips

PICTURES_AT_ONCE = 8  # read into memory, each with up to hundreds of chips
CHIPS_AT_ONCE = 128  # at least, that the network predicts
TABLE_ENDINGS = (".csv", ".parquet")
SAME_DISTANCE = 0.02  # relative difference of ground distances that is not resampled


@dataclass(frozen=True)
class LabelledFolder:
    """What `label_folder` did with the pictures of a folder.

    Attributes
    ----------
    labelled : int
        Pictures with predictions.
    resized : int
        Of these, those without a ground distance that had another size than the network's chips.
    left_out : list of str
        A line for each picture that cannot be read.
    """

    labelled: int
    resized: int
    left_out: list[str]


def label_folder(
    folder: Path,
    table: Path,
    *,
    model: Path = PRETRAINED,
    kaggle: bool = False,
    replace: bool = False,
) -> LabelledFolder:
    """Label every picture in a folder and the folders below it, and write a table.

    A picture whose ground distance is known is resampled to that of the network's chips; where it
    then shows more ground, its parts are predicted by themselves, and of each land label the
    highest probability counts, of the weather the mean. Other pictures are resized to a chip.

    Parameters
    ----------
    folder : Path
        Holds JPEG, PNG, WebP or TIFF pictures, as `planet_lib.data.pictures.read_picture` reads.
    table : Path
        The file to write, CSV or Parquet by its ending. One row for each picture, in the order of
        their paths: ``file`` (relative to `folder`), the probability of each label, the mine
        first, ``labels`` (those at or above the network's threshold, with spaces between them) and
        ``problem`` (why the picture cannot be read, or empty).
    model : Path
        Folder of a network with ``model.keras`` and ``card.json``; by default the network
        pretrained on synthetic chips.
    kaggle : bool
        Whether to write ``image_name,tags`` instead, as Kaggle's competition asks for.
    replace : bool
        Whether `table` may exist already.

    Returns
    -------
    LabelledFolder

    Raises
    ------
    DataError
        The table exists or cannot be written, no picture in the folder can be read, or the network
        is missing, damaged or does not fit the table.
    """
    _check_table(table, replace=replace, kaggle=kaggle)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; give a folder of pictures")
    paths = list_pictures(folder)
    if not paths:
        raise DataError(f"{folder}: no pictures in it; JPEG, PNG, WebP or TIFF are expected")
    if kaggle:
        _check_names(paths)
    network = load_network(check_network(model) / MODEL)
    card = read_card(model)
    if kaggle and card["known"] != list(LABELS):
        raise DataError(f"{model}: has not Kaggle's labels; leave out --format kaggle")
    rows, resized = [], 0
    waiting: list[_Prepared] = []
    with tqdm(total=len(paths), desc="labelling", unit="picture", mininterval=2) as progress:
        for start in range(0, len(paths), PICTURES_AT_ONCE):
            part = paths[start : start + PICTURES_AT_ONCE]
            waiting += map_over_cores(lambda path: _prepare(path, card), part)
            is_last = start + PICTURES_AT_ONCE >= len(paths)
            if is_last or sum(len(each.chips) for each in waiting) >= CHIPS_AT_ONCE:
                rows += _predict(network, card, waiting)
                resized += sum(each.resized for each in waiting)
                waiting = []
            progress.update(len(part))
    problems = [row for row in rows if isinstance(row, str)]
    if len(problems) == len(rows):
        raise DataError(f"{problems[0]}; none of {len(paths)} pictures can be read")
    _write(table, folder, paths, rows, card, kaggle=kaggle)
    return LabelledFolder(len(rows) - len(problems), resized, problems)


@dataclass(frozen=True)
class _Prepared:
    """The chips that a picture is cut into, or why there are none."""

    chips: np.ndarray  # (K, chip_px, chip_px, C), uint8
    resized: bool = False
    problem: str = ""


def _prepare(path: Path, card: dict) -> _Prepared:
    chip_px = card["chip_px"]
    try:
        picture = read_picture(path)
    except DataError as error:
        return _Prepared(
            np.empty((0, chip_px, chip_px, card["input"]["channels"])), False, str(error)
        )
    chips, resized = cut_chips(picture, chip_px, card["ground_distance_m"])
    return _Prepared(np.stack([_stack_pictures(chip, card) for chip in chips]), resized)


def cut_chips(
    picture: Picture, chip_px: int, ground_distance_m: float
) -> tuple[list[np.ndarray], bool]:
    """Cut a picture into chips of a network's size.

    Parameters
    ----------
    picture : Picture
    chip_px : int
        Side of the chips.
    ground_distance_m : float
        Of the chips, in metres a pixel.

    Returns
    -------
    chips : list of ndarray of shape (chip_px, chip_px, 3), uint8
        They cover the picture, with one more along each side than needed, so that they overlap. A
        picture that shows less ground than a chip is continued by its mirror image.
    resized : bool
        Whether the picture was resized to one chip without knowing its ground distance.
    """
    rgb = picture.rgb
    if picture.ground_distance_m is None:
        resized = rgb.shape[:2] != (chip_px, chip_px)
        return [_resize(rgb, chip_px, chip_px) if resized else rgb], resized
    scale = picture.ground_distance_m / ground_distance_m
    if abs(scale - 1) > SAME_DISTANCE:
        height, width = (max(1, round(side * scale)) for side in rgb.shape[:2])
        rgb = _resize(rgb, height, width)
    missing = [(0, max(0, chip_px - side)) for side in rgb.shape[:2]]
    rgb = np.pad(rgb, (*missing, (0, 0)), mode="symmetric")
    rows, columns = (_place(side, chip_px) for side in rgb.shape[:2])
    return [rgb[y : y + chip_px, x : x + chip_px] for y in rows for x in columns], False


def _place(side: int, chip_px: int) -> list[int]:
    """Place chips along a side: one more than needed to cover it, so that they overlap."""
    count = 1 if side == chip_px else -(-side // chip_px) + 1
    return [round(start) for start in np.linspace(0, side - chip_px, count)]


def _resize(rgb: np.ndarray, height: int, width: int) -> np.ndarray:
    shrinks = height < rgb.shape[0]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(rgb, (width, height), interpolation=method)


def _stack_pictures(chip: np.ndarray, card: dict) -> np.ndarray:
    """Stack the pictures of a chip that the card lists: raw, haze-free, or both."""
    pictures = {"raw": chip}
    if card["haze"]:
        pictures["dehazed"] = remove_haze(chip, **card["haze"])
    return np.concatenate([pictures[name] for name in card["input"]["pictures"]], axis=-1)


def _predict(
    network: keras.Model, card: dict, prepared: Sequence[_Prepared]
) -> list[np.ndarray | str]:
    """Predict each picture: the probabilities of the card's labels, or its problem."""
    counts = [len(each.chips) for each in prepared]
    if not sum(counts):
        return [each.problem for each in prepared]
    chips = np.concatenate([each.chips for each in prepared]).astype(np.uint8)
    predicted = predict_chips(network, chips, image_px=card["input"]["image_px"])
    weather = np.isin(card["labels"], WEATHER)
    return [
        np.where(weather, part.mean(axis=0), part.max(axis=0)) if len(part) else each.problem
        for each, part in zip(prepared, np.split(predicted, np.cumsum(counts)[:-1]), strict=True)
    ]


def _write(
    table: Path,
    folder: Path,
    paths: Sequence[Path],
    rows: Sequence[np.ndarray | str],
    card: dict,
    *,
    kaggle: bool,
) -> None:
    read = np.array([not isinstance(row, str) for row in rows])
    probabilities = np.full((len(rows), len(card["labels"])), np.nan, np.float32)
    probabilities[read] = [row for row in rows if not isinstance(row, str)]
    known = np.isin(card["labels"], card["known"])
    chosen = (probabilities >= card["thresholds"]["flat"]) & known
    if known.all() and card["labels"] == list(LABELS):
        chosen[read] = resolve_cloudy(chosen[read], probabilities[read])
    if kaggle:
        names = np.array([path.stem for path in paths])
        write_submission(table, names[read], chosen[read])
        return
    content = pd.DataFrame(probabilities, columns=card["labels"])[card["known"]]
    first = [MINE] if MINE in content else []
    content = content[[*first, *content.columns.drop(first)]]
    content.insert(0, "file", [path.relative_to(folder).as_posix() for path in paths])
    content["labels"] = [
        " ".join(label for label, is_chosen in zip(card["labels"], row, strict=True) if is_chosen)
        for row in chosen
    ]
    content["problem"] = [
        row.removeprefix(f"{path}: ") if isinstance(row, str) else ""
        for row, path in zip(rows, paths, strict=True)
    ]
    with replace_file(table) as partial:
        if table.suffix == ".parquet":
            content.to_parquet(partial, index=False)
        else:
            content.to_csv(partial, index=False)


def _check_table(table: Path, *, replace: bool, kaggle: bool) -> None:
    """Refuse, before any work, a table that cannot be written or would be lost."""
    if not table.parent.is_dir():
        raise DataError(f"{table.parent}: no such folder; make it first")
    if table.is_dir():
        raise DataError(f"{table}: a folder; give the name of a file to write")
    if table.exists() and not replace:
        raise DataError(f"{table}: exists and is kept; choose another name, or add --replace")
    if table.suffix not in TABLE_ENDINGS:
        raise DataError(f"{table}: its ending is none of {', '.join(TABLE_ENDINGS)}")
    if kaggle and table.suffix != ".csv":
        raise DataError(f"{table}: Kaggle's table is CSV; end its name with .csv")
    if not os.access(table.parent, os.W_OK):
        raise DataError(f"{table.parent}: cannot be written to; choose another folder")


def _check_names(paths: Sequence[Path]) -> None:
    """Refuse two pictures of one name, which Kaggle's table cannot tell apart."""
    by_name: dict[str, Path] = {}
    for path in paths:
        if path.stem in by_name:
            raise DataError(
                f"{path}: {by_name[path.stem]} has the same name; rename it, or leave out "
                "--format kaggle"
            )
        by_name[path.stem] = path
