"""The card of a network: all that someone needs to use its files elsewhere."""

from pathlib import Path

import numpy as np

from planet_lib.config import INPUTS
from planet_lib.data.labels import LABELS, encode_tags
from planet_lib.data.store import load_catalogue
from planet_lib.errors import DataError
from planet_lib.evaluation.metrics import F2_THRESHOLD, tune_thresholds
from planet_lib.files import read_json, write_json

CARD = "card.json"


def write_card(run_dir: Path, folder: Path) -> None:
    """Write ``card.json`` beside a trained network.

    It holds ``labels`` (the 17 outputs in order: those of the weather head, then of the land
    head), ``thresholds`` (``flat``, one for all; ``tuned``, one a label, on the validation chips,
    of the mean over eight views), ``input`` (``mode``, ``pictures`` in the order of their
    channels, ``image_px``, ``channels``, ``values``), ``haze`` (``method`` and ``clahe`` of the
    haze-free picture; null without one) and ``training`` (the manifest ``run.json``).

    Parameters
    ----------
    run_dir : Path
        Holds the stores that the network was trained on.
    folder : Path
        Of the network, with its ``run.json`` and ``probabilities.npy``.

    Raises
    ------
    StageError
        A file of the run is missing or damaged.
    """
    manifest = read_json(folder / "run.json")
    catalogue = load_catalogue(run_dir)
    validation = (catalogue["split"] == "validation").to_numpy()
    tuned = tune_thresholds(
        encode_tags(catalogue["tags"][validation]),
        np.load(folder / "probabilities.npy")[validation],
    )
    pictures = INPUTS[manifest["input"]]
    haze = read_json(run_dir / "data" / "dehazed.json") if "dehazed" in pictures else None
    write_json(
        folder / CARD,
        {
            "labels": list(LABELS),
            "thresholds": {
                "flat": F2_THRESHOLD,
                "tuned": dict(zip(LABELS, tuned.tolist(), strict=True)),
            },
            "input": {
                "mode": manifest["input"],
                "pictures": list(pictures),
                "image_px": manifest["image_px"],
                "channels": 3 * len(pictures),
                "values": [0, 255],
            },
            "haze": haze and {key: haze.get(key) for key in ("method", "clahe")},
            "training": manifest,
        },
    )


def check_labels(folder: Path) -> None:
    """Refuse a network whose card lists other labels; a network without a card passes.

    Raises
    ------
    DataError
        The labels or their order differ.
    """
    path = folder / CARD
    if not path.exists():
        return
    labels = read_json(path).get("labels")
    if labels != list(LABELS):
        raise DataError(f"{path}: labels {labels}, expected {list(LABELS)}; train the network anew")
