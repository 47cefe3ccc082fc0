"""A network that knows mines by their colour, and scenes with mines at known places."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rasterio.crs import CRS

from planet_lib.data.labels import MINE

CHIP_PX = 48
GROUND_DISTANCE_M = 10.0
UTM = CRS.from_epsg(32721)
ORIGIN = (700_000.0, 9_000_000.0)
FOREST, EARTH = (40, 62, 38), (190, 150, 100)
MINE_PX = 32


def write_network(folder: Path, *, labels: Sequence[str] = (MINE,), haze: bool = False) -> Path:
    """Write a network whose output is a function of the mean of red minus blue."""
    import keras  # only where a network is needed: it takes seconds

    channels = 6 if haze else 3
    chips = keras.Input((CHIP_PX, CHIP_PX, channels))
    mean = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(chips))
    dense = keras.layers.Dense(len(labels), activation="sigmoid")
    network = keras.Model(chips, dense(mean))
    weights = np.zeros((channels, len(labels)), np.float32)
    weights[[0, 2]] = [[40], [-40]]
    dense.set_weights([weights, np.full(len(labels), -3, np.float32)])
    folder.mkdir(parents=True)
    network.save(folder / "model.keras")
    card = {
        "labels": list(labels),
        "thresholds": {"flat": 0.5, "tuned": {MINE: 0.4}, "isolated": 0.6},
        "input": {
            "pictures": ["raw", "dehazed"] if haze else ["raw"],
            "image_px": CHIP_PX,
        },
        "haze": {"method": "boundary_constraint", "clahe": False} if haze else None,
        "ground_distance_m": GROUND_DISTANCE_M,
        "chip_px": CHIP_PX,
    }
    (folder / "card.json").write_text(json.dumps(card))
    return folder


def paint_scene(
    height: int, width: int, mines: Sequence[tuple[int, int]] = (), *, side: int = MINE_PX
) -> np.ndarray:
    """Paint forest with square mines at centres (row, column); shape (H, W, 3), uint8."""
    rng = np.random.default_rng(height * width)
    scene = np.array(FOREST) + rng.integers(-6, 7, (height, width, 3))
    for row, column in mines:
        rows = slice(max(row - side // 2, 0), row + side // 2)
        columns = slice(max(column - side // 2, 0), column + side // 2)
        scene[rows, columns] = EARTH + rng.integers(-6, 7, scene[rows, columns].shape)
    return scene.clip(1, 255).astype(np.uint8)
