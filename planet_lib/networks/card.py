"""Read the card of a network: ``card.json``, which describes how to use its files."""

from pathlib import Path

from planet_lib.data.labels import LABELS
from planet_lib.errors import DataError
from planet_lib.files import read_json

CARD = "card.json"
KAGGLE_CHIP = {"chip_px": 256, "ground_distance_m": 3.0}
"""The competition's chips, on which a network was trained whose card does not say."""


def read_card(folder: Path) -> dict:
    """Read the card in a network's folder, as `planet_lib.training.card.write_card` wrote it.

    A card without ``known`` is of a network that was trained on all labels.

    Raises
    ------
    StageError
        The card is missing or damaged.
    DataError
        The network's labels are not in the order of `LABELS`, or are not among them.
    """
    path = folder / CARD
    card = read_json(path)
    labels = card.get("labels") or []
    if labels != [label for label in LABELS if label in labels] or not labels:
        raise DataError(f"{path}: labels {labels}, expected some of {list(LABELS)} in this order")
    return {"known": labels} | KAGGLE_CHIP | card
