"""Write the card of a network: all that someone needs to use its files elsewhere."""

from pathlib import Path

import numpy as np

from planet_lib.config import INPUTS
from planet_lib.data.labels import INDEX, LABELS, list_known
from planet_lib.data.store import load_catalogue, open_store
from planet_lib.evaluation.metrics import F2_THRESHOLD, tune_thresholds
from planet_lib.files import read_json, write_json
from planet_lib.networks.card import CARD
from planet_lib.training.examples import load_examples

BRIGHTNESS_QUANTILES = (0.005, 0.995)
MEASURED_CHIPS = 2000


def write_card(run_dir: Path, folder: Path) -> None:
    """Write ``card.json`` beside a trained network.

    - ``labels``: the 17 outputs in order, first the weather head, then the land head;
    - ``known``: those of the labels that the network was trained on; its other outputs say
      nothing;
    - ``thresholds``: ``flat`` for all labels, or ``tuned`` for each known label on the validation
      chips, both for the mean prediction over eight views;
    - ``chip_px`` and ``ground_distance_m``: side of a training chip in pixels, and of such a pixel
      in metres;
    - ``input``: ``mode``, ``pictures`` in the order of their channels, ``image_px``,
      ``channels`` and the range of ``values``;
    - ``brightness``: lowest and highest mean level, 0 to 255, of 99 % of the training chips as
      taken;
    - ``haze``: ``method`` and ``clahe`` of the haze-free picture, null without one;
    - ``training``: the manifest ``run.json``.

    Parameters
    ----------
    run_dir : Path
        Holds the stores on which the network was trained.
    folder : Path
        Holds the network's ``run.json`` and ``probabilities.npy``.

    Raises
    ------
    StageError
        A file of the run is missing or damaged.
    """
    manifest = read_json(folder / "run.json")
    examples = load_examples(run_dir, manifest["input"])
    validation = examples.splits == "validation"
    probabilities = np.load(folder / "probabilities.npy")
    tuned = tune_thresholds(examples.encoded[validation], probabilities[validation])
    known = list_known(examples.encoded[examples.splits == "train"])
    pictures = INPUTS[manifest["input"]]
    haze = read_json(run_dir / "data" / "dehazed.json") if "dehazed" in pictures else None
    write_json(
        folder / CARD,
        {
            "labels": list(LABELS),
            "known": known,
            "thresholds": {
                "flat": F2_THRESHOLD,
                "tuned": {label: float(tuned[INDEX[label]]) for label in known},
            },
            "chip_px": open_store(run_dir, "raw").shape[1],
            "ground_distance_m": float(load_catalogue(run_dir)["ground_distance_m"].median()),
            "input": {
                "mode": manifest["input"],
                "pictures": list(pictures),
                "image_px": manifest["image_px"],
                "channels": 3 * len(pictures),
                "values": [0, 255],
            },
            "brightness": _measure_brightness(run_dir, examples.splits == "train"),
            "haze": haze and {key: haze.get(key) for key in ("method", "clahe")},
            "training": manifest,
        },
    )


def _measure_brightness(run_dir: Path, measured: np.ndarray) -> list[float]:
    chips, rows = open_store(run_dir, "raw"), np.flatnonzero(measured)
    levels = [chips[row].mean() for row in rows[:: -(-len(rows) // MEASURED_CHIPS)]]
    return np.quantile(levels, BRIGHTNESS_QUANTILES).tolist()
