"""Label a folder of chips with any trained network, prepared as the network's card describes."""

import os
from pathlib import Path

import numpy as np

from planet_lib.data.chips import read_chip
from planet_lib.data.folders import SAME_NAME, list_chips
from planet_lib.errors import DataError
from planet_lib.evaluation.metrics import F2_THRESHOLD, resolve_cloudy
from planet_lib.evaluation.submission import write_submission
from planet_lib.haze import remove_haze
from planet_lib.networks.card import read_card
from planet_lib.networks.files import PRETRAINED, load_model
from planet_lib.networks.locate import MODEL, check_network
from planet_lib.networks.predict import predict_chips

CHIPS_AT_ONCE = 256


def label_folder(
    folder: Path, table: Path, *, model: Path = PRETRAINED, replace: bool = False
) -> list[str]:
    """Label every chip in a folder and write a table in Kaggle's form.

    Parameters
    ----------
    folder : Path
        Holds chips of 256 x 256 pixels: JPEG, PNG or WebP.
    table : Path
        The file to write, ``image_name,tags``.
    model : Path
        Folder of a network with ``model.keras`` and ``card.json``; by default the network
        pretrained on synthetic chips.
    replace : bool
        Whether `table` may exist already.

    Returns
    -------
    list of str
        One line for each chip that cannot be read and was left out.

    Raises
    ------
    DataError
        The table exists or cannot be written, no chip in the folder can be read, or the network is
        missing, damaged or has other labels.
    """
    _check_table(table, replace=replace)
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; give a folder of chips")
    chips, problems = list_chips(folder)
    if not chips:
        raise DataError(f"{folder}: no chips in it; {_find_chips_below(folder)}")
    network = load_model(check_network(model) / MODEL)
    card = read_card(model)
    paths = list(chips.values())
    left_out = [f"{it.file}: {it.problem}" for it in problems if it.problem == SAME_NAME]
    names, predictions = [], []
    for start in range(0, len(paths), CHIPS_AT_ONCE):
        pictures = []
        for path in paths[start : start + CHIPS_AT_ONCE]:
            try:
                pictures.append(_prepare(read_chip(path), card))
                names.append(path.stem)
            except DataError as error:
                left_out.append(str(error))
        if pictures:
            image_px = card["input"]["image_px"]
            predictions.append(predict_chips(network, np.stack(pictures), image_px=image_px))
    if not names:
        raise DataError(f"{left_out[0]}; none of {len(paths)} chips can be read")
    probabilities = np.concatenate(predictions)
    labels = resolve_cloudy(probabilities >= F2_THRESHOLD, probabilities)
    write_submission(table, np.array(names), labels)
    return left_out


def _check_table(table: Path, *, replace: bool) -> None:
    """Refuse, before any work, a table that cannot be written or would be lost."""
    if not table.parent.is_dir():
        raise DataError(f"{table.parent}: no such folder; make it first")
    if table.is_dir():
        raise DataError(f"{table}: a folder; give the name of a file to write")
    if table.exists() and not replace:
        raise DataError(f"{table}: exists and is kept; choose another name, or add --replace")
    if not os.access(table.parent, os.W_OK):
        raise DataError(f"{table.parent}: cannot be written to; choose another folder")


def _find_chips_below(folder: Path) -> str:
    for below in sorted(filter(Path.is_dir, folder.iterdir())):
        if list_chips(below)[0]:
            return f"give {below}, which has some"
    return "JPEG, PNG or WebP pictures are expected"


def _prepare(chip: np.ndarray, card: dict) -> np.ndarray:
    """Stack the pictures of a chip that the card lists: raw, haze-free, or both."""
    pictures = {"raw": chip}
    if card["haze"]:
        pictures["dehazed"] = remove_haze(chip, **card["haze"])
    return np.concatenate([pictures[name] for name in card["input"]["pictures"]], axis=-1)
