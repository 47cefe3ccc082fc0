"""Small galleries in the layout of Amazon Mining Watch: forest, bright mines, look-alikes."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

SIDE_PX = 48
COLUMNS = 4
FOREST, MINE, LOOK_ALIKE = (30, 45, 25), (190, 150, 110), (120, 130, 150)
MINES = {
    "v1_positives_S2L1C_clear0.75_2019-01-01_2020-01-01": -60.0,
    "v2_positives_S2L1C_clear0.75_2024-01-01_2025-01-01": -50.0,
}
"""Sheets of mines by the longitude of the first chip; every chip is one degree from the next."""
OTHERS = {
    "random_negatives_S2L1C_clear0.05_2019-01-01_2020-01-01": FOREST,
    "random_negatives_S2L1C_clear0.75_2019-01-01_2020-01-01": FOREST,
    "riverbank_negatives_S2L1C_clear0.05_2024-01-01_2025-01-01": LOOK_ALIKE,
    "riverbank_negatives_S2L1C_clear0.75_2024-01-01_2025-01-01": LOOK_ALIKE,
    "aquaculture-faziendas-negatives_S2L1C_clear0.75_2024-01-01_2025-01-01": LOOK_ALIKE,
    "landslide_negatives_S2L1C_clear0.75_2024-01-01_2025-01-01": LOOK_ALIKE,
    "v9_negatives_S2L1C_clear0.75_2023-01-01_2024-01-01": FOREST,
}


def paint_chips(count: int, colour: tuple[int, int, int], seed: int) -> np.ndarray:
    """Paint forest with a square of a colour in the middle; no two chips are alike."""
    rng = np.random.default_rng(seed)
    chips = np.empty((count, SIDE_PX, SIDE_PX, 3), int)
    chips[:] = FOREST
    chips[:, 16:32, 16:32] = colour
    chips += rng.integers(-20, 21, (count, 6, 6, 1)).repeat(8, axis=1).repeat(8, axis=2)
    return (chips + rng.integers(-8, 9, chips.shape)).clip(1, 255).astype(np.uint8)


def write_sheet(folder: Path, name: str, chips: np.ndarray) -> Path:
    """Write chips as a sheet, row by row, with black cells at its end."""
    rows = -(-len(chips) // COLUMNS)
    cells = np.zeros((rows * COLUMNS, SIDE_PX, SIDE_PX, 3), np.uint8)
    cells[: len(chips)] = chips
    grid = cells.reshape(rows, COLUMNS, SIDE_PX, SIDE_PX, 3).swapaxes(1, 2)
    path = folder / "data" / "training_gallery" / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(grid.reshape(rows * SIDE_PX, COLUMNS * SIDE_PX, 3)).save(path)
    return path


def write_points(folder: Path, series: str, points: list[tuple[float, float]]) -> Path:
    """Write the points of a series as GeoJSON, longitude first."""
    features = [
        {"type": "Feature", "geometry": {"type": "Point", "coordinates": list(point)}}
        for point in points
    ]
    path = folder / "data" / "sampling_locations" / f"{series}.geojson"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def write_gallery(folder: Path, *, mines: int = 9, others: int = 14) -> Path:
    """Write a gallery with so many chips in each of its sheets."""
    for seed, (name, longitude) in enumerate(MINES.items()):
        write_sheet(folder, name, paint_chips(mines, MINE, seed))
        points = [(longitude + i, -5.0) for i in range(mines)]
        write_points(folder, name.partition("_S2L1C")[0], points)
    for seed, (name, colour) in enumerate(OTHERS.items(), start=100):
        write_sheet(folder, name, paint_chips(others, colour, seed))
    return folder
