"""Label a folder of pictures with any trained network, prepared as the network's card describes."""

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from tqdm import tqdm

from planet_lib.data.labels import LABELS, MINE, WEATHER
from planet_lib.data.pictures import CutPicture, cut_picture, list_pictures, read_picture
from planet_lib.errors import DataError
from planet_lib.evaluation.metrics import resolve_cloudy
from planet_lib.evaluation.submission import write_submission
from planet_lib.files import map_over_cores, replace_file
from planet_lib.haze import remove_haze
from planet_lib.networks.card import read_card
from planet_lib.networks.files import PRETRAINED, load_fitting_network
from planet_lib.networks.locate import check_network
from planet_lib.networks.predict import predict_chips

PICTURES_AT_ONCE = 8  # read into memory
CHIPS_AT_ONCE = 64  # that the network predicts
TABLE_ENDINGS = (".csv", ".parquet")


@dataclass(frozen=True)
class LabelledFolder:
    """What `label_folder` did with the pictures of a folder.

    Attributes
    ----------
    labelled : int
        Pictures with predictions.
    resampled : int
        Of these, those that were resampled to the ground distance of the network's chips.
    resized : int
        Of these, those without a ground distance that had another size than the network's chips.
    left_out : list of str
        A line for each picture that cannot be read, and each folder that cannot be listed.
    """

    labelled: int
    resampled: int
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
        their paths: ``file`` (relative to `folder`; bytes that are not UTF-8 are escaped), the
        probability of each label, the mine first, ``labels`` (those at or above the network's
        threshold, with spaces between them) and ``problem`` (why the picture cannot be read, or
        empty).
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
    paths, unlisted = list_pictures(folder)
    if not paths:
        raise DataError(f"{folder}: no pictures in it; JPEG, PNG, WebP or TIFF are expected")
    if kaggle:
        _check_names(paths)
    card = read_card(check_network(model))
    if kaggle and card["known"] != list(LABELS):
        raise DataError(f"{model}: has not Kaggle's labels; leave out --format kaggle")
    network = load_fitting_network(model, card)
    pictures = _Pictures(paths, card)
    predicted = _predict(network, card, pictures)
    if not predicted:
        first = next(iter(pictures.problems.values()))
        raise DataError(f"{first}; none of {len(paths)} pictures can be read")
    rows = [predicted.get(row, pictures.problems.get(row)) for row in range(len(paths))]
    _write(table, folder, paths, rows, card, kaggle=kaggle)
    return LabelledFolder(
        labelled=len(predicted),
        resampled=pictures.resampled,
        resized=pictures.resized,
        left_out=[*pictures.problems.values(), *unlisted],
    )


class _Pictures:
    """Pictures that are cut into chips, few at a time, with what was noted of them."""

    def __init__(self, paths: Sequence[Path], card: dict) -> None:
        self.paths = paths
        self.card = card
        self.problems: dict[int, str] = {}  # by the picture's row, why it cannot be read
        self.resampled = 0
        self.resized = 0

    def stream(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yield the chips of all pictures in order, each with the row of its picture."""
        for start in range(0, len(self.paths), PICTURES_AT_ONCE):
            part = self.paths[start : start + PICTURES_AT_ONCE]
            for row, cut in enumerate(map_over_cores(self._cut, part), start):
                if isinstance(cut, DataError):
                    self.problems[row] = str(cut)
                    continue
                self.resampled += cut.resampled
                self.resized += cut.resized
                yield from ((row, chip) for chip in cut.chips)

    def _cut(self, path: Path) -> CutPicture | DataError:
        try:
            picture = read_picture(path)
            return cut_picture(picture, path, self.card["chip_px"], self.card["ground_distance_m"])
        except DataError as error:
            return error


def _predict(network: keras.Model, card: dict, pictures: _Pictures) -> dict[int, np.ndarray]:
    """Predict the card's labels of the pictures that can be read, by their rows."""
    parts = defaultdict(list)
    stream, total = pictures.stream(), len(pictures.paths)
    with tqdm(total=total, desc="labelling", unit="picture", mininterval=2) as progress:
        while batch := list(islice(stream, CHIPS_AT_ONCE)):
            rows, chips = zip(*batch, strict=True)
            stacked = [*map_over_cores(lambda chip: _stack_pictures(chip, card), chips)]
            predicted = predict_chips(
                network, np.stack(stacked), image_px=card["input"]["image_px"]
            )
            for row, probabilities in zip(rows, predicted, strict=True):
                parts[row].append(probabilities)
            progress.update(rows[-1] - progress.n)  # the last picture may have more chips
        progress.update(total - progress.n)
    weather = np.isin(card["labels"], WEATHER)
    return {
        row: np.where(weather, np.mean(part, axis=0), np.max(part, axis=0))
        for row, part in parts.items()
    }


def _stack_pictures(chip: np.ndarray, card: dict) -> np.ndarray:
    """Stack the pictures of a chip that the card lists: raw, haze-free, or both."""
    pictures = {"raw": chip}
    if card["haze"]:
        pictures["dehazed"] = remove_haze(chip, **card["haze"])
    return np.concatenate([pictures[name] for name in card["input"]["pictures"]], axis=-1)


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
        names = np.array([_name_file(Path(path.stem)) for path in paths])
        write_submission(table, names[read], chosen[read])
        return
    content = pd.DataFrame(probabilities, columns=card["labels"])[card["known"]]
    first = [MINE] if MINE in content else []
    content = content[[*first, *content.columns.drop(first)]]
    content.insert(0, "file", [_name_file(path.relative_to(folder)) for path in paths])
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


def _name_file(path: Path) -> str:
    """Write a path in UTF-8; bytes that are not are escaped, as in ``\\xe9``."""
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")


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
