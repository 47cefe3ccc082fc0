"""A network that finds mines, with all that its card says about its use on scenes."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from planet_lib.data.labels import MINE
from planet_lib.errors import ConfigError, DataError, suggest
from planet_lib.networks.card import CARD, read_card
from planet_lib.networks.files import load_fitting_network
from planet_lib.networks.locate import MODEL, SHIPPED, list_shipped, name_network
from planet_lib.networks.predict import join_heads, predict_batches
from planet_lib.scenes.grid import CELLS

BATCH = 32  # tiles that are predicted at once; more take more memory and no less time
BRIGHTNESS = (20.0, 200.0)  # mean levels of a chip, where an older card has none; assumed
REACH = 2.0  # a detector fits scenes this many times finer and coarser than its chips


@dataclass(frozen=True, eq=False)
class Detector:
    """A network that finds mines in chips.

    Attributes
    ----------
    network : keras.Model
    name, version : str
        The folder, and a digest of the weights and the card.
    labels : tuple of str
        Its outputs in order.
    chip_px : int
        Side of the ground that a chip shows, in pixels of `ground_distance_m`.
    image_px : int
        Side of the network's input.
    ground_distance_m : float
    pictures : tuple of str
        ``raw``, ``dehazed`` or both, as the network takes them.
    haze : dict or None
        ``method`` and ``clahe`` of the haze removal.
    thresholds : dict of str to float
        For each label that the network was trained on; of the mine, for the merged probabilities of
        overlapping tiles.
    isolated_threshold : float
        Of the mine, far from other finds.
    brightness : tuple of float
        Lowest and highest mean level of a chip for which the network was made.
    dark_channel : float
        Highest mean of a chip's darkest levels, by `planet_lib.scenes.tiles.measure_cells`: above
        it, haze is denser than what the network has learned mines through.
    """

    network: keras.Model
    name: str
    version: str
    labels: tuple[str, ...]
    chip_px: int
    image_px: int
    ground_distance_m: float
    pictures: tuple[str, ...]
    haze: dict | None
    thresholds: dict[str, float]
    isolated_threshold: float
    brightness: tuple[float, float]
    dark_channel: float

    def predict(self, chips: np.ndarray) -> np.ndarray:
        """Predict every label of chips.

        Parameters
        ----------
        chips : ndarray of shape (N, image_px, image_px, C), uint8

        Returns
        -------
        ndarray of shape (N, L), float32
            Probabilities in the order of `labels`.
        """
        return join_heads(predict_batches(self.network, chips, BATCH))


def find_shipped() -> dict[str, Path]:
    """Find the detectors that come with the package: their names and folders."""
    return {name: SHIPPED / name for name in list_shipped()}


def choose_detector(model: str | None, ground_distance_m: float) -> Path:
    """Choose a detector by its name or folder, or the shipped one that fits a scene.

    That is the coarsest whose chips are at most twice as coarse as the scene, so the 10 m detector,
    which has seen real mines, from 5 m on; for still finer scenes the finest.

    Raises
    ------
    ConfigError
        There is no such detector.
    DataError
        No shipped one fits.
    """
    shipped = find_shipped()
    if model is not None:
        folder = name_network(model)
        if not (folder / CARD).is_file():
            raise ConfigError(
                f"model {model}: no folder with {CARD}; {suggest(model, shipped)}, or give "
                "runs/<name>/models/<network>-<input>"
            )
        return folder
    distances = {name: read_ground_distance(folder) for name, folder in shipped.items()}
    fitting = [name for name in distances if distances[name] <= REACH * ground_distance_m]
    chosen = max(fitting, key=distances.get) if fitting else min(distances, key=distances.get)
    if ground_distance_m > REACH * distances[chosen]:
        known = ", ".join(f"{name} {distance:g} m" for name, distance in distances.items())
        raise DataError(
            f"{ground_distance_m:.3g} m a pixel; too coarse for the detectors that come with the "
            f"package ({known}); use a finer scene, or choose one with --model"
        )
    return shipped[chosen]


def load_detector(folder: Path) -> Detector:
    """Load a network and its card.

    A card without ``ground_distance_m`` and ``chip_px`` is that of a network for the competition's
    chips: 256 px of 3 m.

    Raises
    ------
    DataError
        The network or its card is missing or damaged, they do not fit each other, or the network
        was not trained on mines.
    """
    card = read_card(folder)
    if MINE not in card["known"]:
        raise DataError(f"{folder / CARD}: the network was not trained on {MINE}; choose another")
    network = load_fitting_network(folder, card)
    thresholds = dict.fromkeys(card["known"], card["thresholds"]["flat"])
    thresholds |= card["thresholds"].get("tuned", {})
    thresholds[MINE] = card["thresholds"].get("site", thresholds[MINE])
    chip_px = card["chip_px"]
    if chip_px % CELLS:
        raise DataError(f"{folder / CARD}: chip_px is {chip_px}; allowed: multiples of {CELLS}")
    return Detector(
        network=network,
        name=next((name for name, path in find_shipped().items() if path == folder), folder.name),
        version=_digest(folder),
        labels=tuple(card["labels"]),
        chip_px=chip_px,
        image_px=card["input"]["image_px"],
        ground_distance_m=float(card["ground_distance_m"]),
        pictures=tuple(card["input"]["pictures"]),
        haze=card["haze"],
        thresholds=thresholds,
        isolated_threshold=card["thresholds"].get("isolated", (1 + thresholds[MINE]) / 2),
        brightness=tuple(card.get("brightness", BRIGHTNESS)),
        dark_channel=card.get("dark_channel", 255.0),
    )


def _digest(folder: Path) -> str:
    digest = hashlib.sha256((folder / MODEL).read_bytes())
    digest.update((folder / CARD).read_bytes())
    return digest.hexdigest()[:12]


def read_ground_distance(folder: Path) -> float:
    """Read the ground distance of a network's chips in metres from its card."""
    return float(read_card(folder)["ground_distance_m"])
