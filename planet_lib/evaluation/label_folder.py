"""Label a folder of chips with any trained network, prepared as the network's card describes."""

from pathlib import Path

import numpy as np

from planet_lib.data.chips import read_chip
from planet_lib.errors import DataError
from planet_lib.evaluation.metrics import F2_THRESHOLD, resolve_cloudy
from planet_lib.evaluation.submission import write_submission
from planet_lib.haze import remove_haze
from planet_lib.networks.card import read_card
from planet_lib.networks.files import PRETRAINED, load_model
from planet_lib.networks.predict import predict_chips

CHIPS_AT_ONCE = 256


def label_folder(folder: Path, table: Path, *, model: Path = PRETRAINED) -> list[str]:
    """Label every JPEG in a folder and write a table in Kaggle's form.

    Parameters
    ----------
    folder : Path
        Holds chips of 256 x 256 pixels, ``*.jpg``.
    table : Path
        The file to write, ``image_name,tags``.
    model : Path
        Folder of a network with ``model.keras`` and ``card.json``; by default the network
        pretrained on synthetic chips.

    Returns
    -------
    list of str
        One line for each chip that cannot be read and was left out.

    Raises
    ------
    DataError
        No chip in the folder can be read, or the network is damaged or has other labels.
    """
    paths = sorted(folder.glob("*.jpg"))
    if not paths:
        raise DataError(f"{folder}: no chips (*.jpg)")
    network = load_model(model / "model.keras")
    card = read_card(model)
    names, predictions, left_out = [], [], []
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


def _prepare(chip: np.ndarray, card: dict) -> np.ndarray:
    """Stack the pictures of a chip that the card lists: raw, haze-free, or both."""
    pictures = {"raw": chip}
    if card["haze"]:
        pictures["dehazed"] = remove_haze(chip, **card["haze"])
    return np.concatenate([pictures[name] for name in card["input"]["pictures"]], axis=-1)
