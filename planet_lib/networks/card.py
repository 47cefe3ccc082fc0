"""Read the card of a network: ``card.json``, which describes how to use its files."""

from pathlib import Path

from planet_lib.data.labels import LABELS
from planet_lib.errors import DataError
from planet_lib.files import read_json

CARD = "card.json"


def read_card(folder: Path) -> dict:
    """Read the card in a network's folder, as `planet_lib.training.card.write_card` wrote it.

    A card without ``known`` is of a network that was trained on all labels.

    Raises
    ------
    StageError
        The card is missing or damaged.
    DataError
        The network's labels or their order differ from `LABELS`.
    """
    path = folder / CARD
    card = read_json(path)
    if card.get("labels") != list(LABELS):
        raise DataError(
            f"{path}: labels {card.get('labels')}, expected {list(LABELS)}; retrain the network"
        )
    return {"known": list(LABELS)} | card
