"""Predict every tile of a scene, band by band; what is done stays done after an interruption."""

import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
from tqdm import tqdm

from planet_lib.errors import StageError
from planet_lib.files import replace_file
from planet_lib.haze import find_method
from planet_lib.scenes.detector import Detector
from planet_lib.scenes.grid import CELLS, Grid
from planet_lib.scenes.read import Scene
from planet_lib.scenes.tiles import ASSESSED, Band

Item = TypeVar("Item")


def scan_scene(scene: Scene, detector: Detector, folder: Path) -> None:
    """Predict the tiles of a scene and keep each band in a file.

    While tiles are predicted, the next ones are cut and the next band is read.

    Parameters
    ----------
    scene : Scene
    detector : Detector
    folder : Path
        Files of bands that are there already are kept.
    """
    grid, airlight = scene.grid, estimate_airlight(scene, detector)
    bands = list(enumerate(grid.bands()))
    todo = [(number, tiles) for number, tiles in bands if not _name(folder, number).exists()]
    total, left = (
        sum(len(rows) * len(columns) for _, (rows, columns) in some) for some in (bands, todo)
    )
    with (
        scene.open() as reader,
        tqdm(total=total, initial=total - left, unit="tile", desc=scene.source.name,
             mininterval=1) as bar,
    ):  # fmt: skip
        read = (Band(reader, detector, *tiles, airlight) for _, tiles in todo)
        for (number, _), band in zip(todo, _prepare_ahead(read), strict=True):
            probabilities = np.full((*band.classes.shape, len(detector.labels)), np.nan, np.float32)
            for places, chips in _prepare_ahead(band.batches()):
                probabilities[tuple(places.T)] = detector.predict(chips)
                bar.update(len(places))
            bar.update(int((band.classes != ASSESSED).sum()))
            with replace_file(_name(folder, number)) as partial, partial.open("wb") as file:
                np.savez(file, probabilities=probabilities, cells=band.cells, classes=band.classes)


def estimate_airlight(scene: Scene, detector: Detector) -> np.ndarray | float | None:
    """Estimate the airlight of the whole scene from its overview; None if no haze is removed."""
    if "dehazed" not in detector.pictures:
        return None
    return estimate_scene_airlight(scene, detector.haze["method"])


def estimate_scene_airlight(scene: Scene, method: str) -> np.ndarray | float:
    """Estimate the airlight of the whole scene from its overview, for a haze removal method."""
    levels = scene.overview.copy()
    levels[~scene.overview_valid] = np.median(levels[scene.overview_valid], axis=0)
    return find_method(method).estimate_airlight(levels)


def load_scan(grid: Grid, folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Load the bands of a finished scan.

    Returns
    -------
    probabilities : ndarray of shape (R, T, L), float32
        Of each tile; NaN where it was not assessed.
    classes : ndarray of shape (R, T), uint8
    cells : ndarray of shape (4, M, N), uint8
        As from `planet_lib.scenes.tiles.measure_cells`.

    Raises
    ------
    StageError
        A band is missing or damaged.
    """
    step = grid.stride_px // grid.cell_px
    shape = (len(grid.tile_rows), len(grid.tile_columns))
    cells = np.zeros((4, *((tiles - 1) * step + CELLS for tiles in shape)), np.uint8)
    probabilities, classes = None, np.zeros(shape, np.uint8)
    for number, (rows, columns) in enumerate(grid.bands()):
        row, column = grid.tile_rows.index(rows[0]), grid.tile_columns.index(columns[0])
        tiles = np.s_[row : row + len(rows), column : column + len(columns)]
        path = _name(folder, number)
        try:
            with path.open("rb") as file, np.load(file) as band:
                part = band["probabilities"]
                if probabilities is None:
                    probabilities = np.empty((*shape, part.shape[-1]), np.float32)
                probabilities[tiles] = part
                classes[tiles] = band["classes"]
                measured = band["cells"]
                height, width = measured.shape[1:]
                cells[:, row * step :, column * step :][:, :height, :width] = measured
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise StageError(f"{path}: damaged ({error}); delete it and run again") from None
    return probabilities, classes, cells


def _name(folder: Path, number: int) -> Path:
    return folder / f"{number:05d}.npz"


def _prepare_ahead(items: Iterator[Item]) -> Iterator[Item]:
    """Yield items; while one is used, a thread prepares the next."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, items, None)
            yield item
