"""Cut a band of a scene into tiles, as the detector's chips are made."""

from collections.abc import Iterator
from functools import reduce

import cv2
import numpy as np

from planet_lib.haze import equalize_contrast, find_method, remove_haze_in_tiles
from planet_lib.haze.boundary_constraint import BLOCK_PX
from planet_lib.networks.batches import read_batch
from planet_lib.scenes.detector import Detector
from planet_lib.scenes.grid import CELLS, Grid
from planet_lib.scenes.read import Reader

LEAST_VALID = 0.25  # share of a tile's pixels within the scene
CLOUD_LEVEL = 176  # of the darkest channel: a tenth above overcast, see haze.boundary_constraint
LARGEST_CLOUD = 0.5  # share of a tile or cell
BATCH_BYTES = 2**24
HAZE_TILE_PX = 512
NO_DATA, CLOUD, DOMAIN = 1, 2, 3
ASSESSED = 4


class Band:
    """Some rows of tiles, of a wide scene a part of them, with the statistics of their cells.

    Parameters
    ----------
    reader : Reader
    detector : Detector
    tile_rows, tile_columns : range
        First rows and columns of the tiles.
    airlight : ndarray of shape (3,) or float or None
        Of the whole scene; None where no haze is removed.

    Attributes
    ----------
    cells : ndarray of shape (4, M, N), uint8
        As from `measure_cells`.
    classes : ndarray of shape (R, T), uint8
        Of each tile: `ASSESSED`, or why it is not.
    """

    def __init__(
        self,
        reader: Reader,
        detector: Detector,
        tile_rows: range,
        tile_columns: range,
        airlight: np.ndarray | float | None,
    ) -> None:
        grid = reader.scene.grid
        self.grid, self.detector = grid, detector
        sides = [
            range(starts[0], starts[-1] + grid.chip_px) for starts in (tile_rows, tile_columns)
        ]
        levels, self.valid = _read(reader, sides, detector, airlight)
        self.pictures = [levels[name] for name in detector.pictures]
        self.cells = measure_cells(levels["raw"], self.valid, grid.cell_px)
        self.classes = classify_tiles(self.cells, grid, tile_rows, tile_columns, detector)

    def batches(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the places of tiles (N, 2) in `classes`, and the chips for the network."""
        places = np.argwhere(self.classes == ASSESSED)
        image_px = self.detector.image_px
        size = max(BATCH_BYTES // (3 * len(self.pictures) * image_px**2), 1)
        for start in range(0, len(places), size):
            part = places[start : start + size]
            yield part, read_batch(self, part, image_px)

    def __getitem__(self, place: np.ndarray) -> np.ndarray:
        """Cut one tile: its pictures stacked, shape (chip_px, chip_px, C), without holes."""
        top, left = place * self.grid.stride_px
        cut = np.s_[top : top + self.grid.chip_px, left : left + self.grid.chip_px]
        valid = self.valid[cut]
        chips = [picture[cut] for picture in self.pictures]
        if not valid.all():
            chips = [fill_holes(chip, valid) for chip in chips]
        if self.detector.haze and self.detector.haze["clahe"]:
            chips = [
                equalize_contrast(chip) if name == "dehazed" else chip
                for chip, name in zip(chips, self.detector.pictures, strict=True)
            ]
        return chips[0] if len(chips) == 1 else cv2.merge(chips)


def _read(
    reader: Reader, sides: list[range], detector: Detector, airlight: np.ndarray | float | None
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Read rows and columns as levels without and, if the detector needs it, with haze removed."""
    if airlight is None:
        levels, valid = reader.read(*sides)
        return {"raw": levels}, valid
    method = detector.haze["method"]
    reach = find_method(method).reach_px
    # Blocks of the haze removal lie at absolute places, so that they do not depend on the extent.
    wide = [
        range(
            max((side.start - reach) // BLOCK_PX * BLOCK_PX, whole.start),
            min(side.stop + reach, whole.stop),
        )
        for side, whole in zip(sides, reader.scene.grid.canvas, strict=True)
    ]
    levels, valid = reader.read(*wide)
    levels[~valid] = np.rint(airlight)  # haze removal sees a cloud there and leaves it out
    dehazed = remove_haze_in_tiles(levels, method=method, airlight=airlight, tile_px=HAZE_TILE_PX)
    kept = tuple(
        slice(side.start - outer.start, side.stop - outer.start)
        for side, outer in zip(sides, wide, strict=True)
    )
    planes = {"raw": levels, "dehazed": dehazed}
    return {name: plane[kept].copy() for name, plane in planes.items()}, valid[kept].copy()


def fill_holes(chip: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Fill the pixels without data with the chip's mirror images, and what is left with its mean.

    Parameters
    ----------
    chip : ndarray of shape (S, S, 3), uint8
    valid : ndarray of shape (S, S), bool
        At least one is true.

    Returns
    -------
    ndarray of shape (S, S, 3), uint8
    """
    filled, known = chip.copy(), valid.copy()
    for axes in (0, 1, (0, 1)):
        mirrored = np.flip(valid, axes) & ~known
        filled[mirrored] = np.flip(chip, axes)[mirrored]
        known |= mirrored
    filled[~known] = np.rint(chip[valid].mean(axis=0))
    return filled


def measure_cells(levels: np.ndarray, valid: np.ndarray, cell_px: int) -> np.ndarray:
    """Measure the cells of a band: what can be seen, and through how much haze.

    Parameters
    ----------
    levels : ndarray of shape (H, W, 3), uint8
        RGB; H and W are multiples of `cell_px`.
    valid : ndarray of shape (H, W), bool
    cell_px : int

    Returns
    -------
    ndarray of shape (4, H / cell_px, W / cell_px), uint8
        Of each cell, as 0 to 255: the share of valid pixels, the share of clouds among these, their
        mean level, and their dark channel: the lowest level of any of them in any channel.
    """
    cells = (valid.shape[0] // cell_px, cell_px, valid.shape[1] // cell_px, cell_px)
    darkest = reduce(cv2.min, cv2.split(levels))  # ten times as fast as NumPy's min(axis=2)
    gray = cv2.cvtColor(np.ascontiguousarray(levels), cv2.COLOR_RGB2GRAY)
    seen, cloudy, level = (
        plane.reshape(cells).sum(axis=(1, 3), dtype=np.uint32)
        for plane in (valid, valid & (darkest >= CLOUD_LEVEL), gray * valid)
    )
    pixels = np.maximum(seen, 1)
    shares = [np.ceil(255 * seen / cell_px**2), 255 * cloudy / pixels, level / pixels]
    darkest[~valid] = 255
    return np.stack([*np.rint(shares), darkest.reshape(cells).min(axis=(1, 3))]).astype(np.uint8)


def classify_tiles(
    cells: np.ndarray, grid: Grid, tile_rows: range, tile_columns: range, detector: Detector
) -> np.ndarray:
    """Tell which tiles a detector can assess.

    Parameters
    ----------
    cells : ndarray of shape (4, M, N), uint8
        As from `measure_cells`, those of the tiles.
    grid : Grid
    tile_rows, tile_columns : range
    detector : Detector
        Limits the brightness and the dark channel of a tile.

    Returns
    -------
    ndarray of shape (R, T), uint8
        `ASSESSED`, `NO_DATA`, `CLOUD` or `DOMAIN`.
    """
    valid, cloud, level, darkest = cells.astype(np.float32)
    within = np.outer(
        _count_within(tile_rows, grid.rows, grid.chip_px),
        _count_within(tile_columns, grid.columns, grid.chip_px),
    )
    step = grid.stride_px // grid.cell_px
    seen = sum_tiles(valid, step)
    share = seen / 255 * grid.cell_px**2 / within
    cloudy = sum_tiles(valid * cloud, step) / np.maximum(seen, 1) / 255
    bright = sum_tiles(valid * level, step) / np.maximum(seen, 1)
    haze = sum_tiles(valid * darkest, step) / np.maximum(seen, 1)
    lowest, highest = detector.brightness
    unlike = (bright < lowest) | (bright > highest) | (haze > detector.dark_channel)
    return np.select(
        [share < LEAST_VALID, cloudy > LARGEST_CLOUD, unlike],
        [NO_DATA, CLOUD, DOMAIN],
        ASSESSED,
    ).astype(np.uint8)


def sum_tiles(cells: np.ndarray, step: int) -> np.ndarray:
    """Sum cells (M, N) over each tile; tiles start every `step` cells."""
    windows = np.lib.stride_tricks.sliding_window_view(cells, (CELLS, CELLS))
    return windows[::step, ::step].sum(axis=(2, 3))


def _count_within(starts: range, pixels: range, chip_px: int) -> np.ndarray:
    """Count the pixels of the scene under each tile, along one side."""
    first = np.array(starts)
    return np.minimum(first + chip_px, pixels.stop) - np.maximum(first, pixels.start)
