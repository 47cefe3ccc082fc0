"""Label a folder of chips with a trained network, whatever it was trained on."""

from pathlib import Path

import numpy as np

from planet_lib.data.chips import read_chip
from planet_lib.errors import DataError
from planet_lib.evaluation.metrics import F2_THRESHOLD, resolve_cloudy
from planet_lib.evaluation.submission import write_submission
from planet_lib.files import read_json
from planet_lib.haze import remove_haze
from planet_lib.networks.card import CARD
from planet_lib.networks.files import PRETRAINED, load_model
from planet_lib.networks.predict import predict_chips

CHIPS_AT_ONCE = 256


def label_folder(folder: Path, table: Path, *, model: Path = PRETRAINED) -> list[str]:
    """Label every JPEG of a folder and write them in Kaggle's form.

    Parameters
    ----------
    folder : Path
        Holds chips of 256 x 256 pixels, ``*.jpg``.
    table : Path
        The file to write, ``image_name,tags``.
    model : Path
        Folder of a network with its ``model.keras`` and ``card.json``; the one pretrained on
        synthetic chips by default.

    Returns
    -------
    list of str
        A line for each chip that cannot be read and was left out.

    Raises
    ------
    DataError
        The folder has no chip that can be read, or the network is damaged or one of other labels.
    """
    paths = sorted(folder.glob("*.jpg"))
    if not paths:
        raise DataError(f"{folder}: no chips (*.jpg)")
    network = load_model(model / "model.keras")
    card = read_json(model / CARD)
    names, answers, left_out = [], [], []
    for start in range(0, len(paths), CHIPS_AT_ONCE):
        pictures = []
        for path in paths[start : start + CHIPS_AT_ONCE]:
            try:
                pictures.append(_show(read_chip(path), card))
                names.append(path.stem)
            except DataError as error:
                left_out.append(str(error))
        if pictures:
            image_px = card["input"]["image_px"]
            answers.append(predict_chips(network, np.stack(pictures), image_px=image_px))
    if not names:
        raise DataError(f"{left_out[0]}; none of {len(paths)} chips can be read")
    probabilities = np.concatenate(answers)
    labels = resolve_cloudy(probabilities >= F2_THRESHOLD, probabilities)
    write_submission(table, np.array(names), labels)
    return left_out


def _show(chip: np.ndarray, card: dict) -> np.ndarray:
    """Show a network a chip as its card says: as taken, without haze, or both side by side."""
    pictures = {"raw": chip}
    if card["haze"]:
        pictures["dehazed"] = remove_haze(chip, **card["haze"])
    return np.concatenate([pictures[name] for name in card["input"]["pictures"]], axis=-1)
