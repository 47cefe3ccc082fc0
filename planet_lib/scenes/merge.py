"""Merge the probabilities of overlapping tiles into a map of cells."""

from dataclasses import dataclass

import numpy as np

from planet_lib.scenes.grid import CELLS, Grid
from planet_lib.scenes.tiles import (
    ASSESSED,
    CLOUD,
    DOMAIN,
    LARGEST_CLOUD,
    NO_DATA,
    sum_tiles,
)

CLASS_NAMES = {
    ASSESSED: "assessed",
    NO_DATA: "no_data",
    CLOUD: "cloud",
    DOMAIN: "out_of_domain",
}
WINDOW = (0.25, 0.75, 0.75, 0.25)  # a triangle; at half a tile's stride its sum is 1 everywhere


@dataclass(frozen=True, eq=False)
class ProbabilityMap:
    """Probabilities of the mine and what was not assessed, in cells of a quarter of a tile.

    Attributes
    ----------
    grid : Grid
    row, column : int
        The pixel of the grid where the first cell starts.
    probability : ndarray of shape (M, N), float32
        NaN where nothing was assessed.
    classes : ndarray of shape (M, N), uint8
        `ASSESSED`, or why not: `NO_DATA`, `CLOUD`, or out of the detector's
        `DOMAIN`.
    valid : ndarray of shape (M, N), float32
        Share of a cell's pixels that hold data.
    """

    grid: Grid
    row: int
    column: int
    probability: np.ndarray
    classes: np.ndarray
    valid: np.ndarray

    @property
    def transform(self):
        """From a cell's column and row to the CRS."""
        return self.grid.transform(self.row, self.column, self.grid.cell_px)

    def measure_shares(self) -> dict[str, float]:
        """Measure the share of the scene's pixels in each class; all without data are `NO_DATA`."""
        area = np.outer(
            _measure_within(self.row, len(self.classes), self.grid.rows, self.grid.cell_px),
            _measure_within(
                self.column, self.classes.shape[1], self.grid.columns, self.grid.cell_px
            ),
        )
        seen = np.minimum(self.valid * self.grid.cell_px**2, area)
        shares = {
            name: float(seen[self.classes == number].sum() / area.sum())
            for number, name in CLASS_NAMES.items()
        }
        shares["no_data"] += float((area - seen).sum() / area.sum())
        return {name: round(share, 6) for name, share in shares.items()}


def merge_tiles(
    grid: Grid, probabilities: np.ndarray, classes: np.ndarray, cells: np.ndarray
) -> ProbabilityMap:
    """Merge overlapping tiles by a triangular window, weighted by their share of valid pixels.

    Parameters
    ----------
    grid : Grid
    probabilities : ndarray of shape (R, T), float32
        Of the mine in each tile.
    classes : ndarray of shape (R, T), uint8
        Of each tile.
    cells : ndarray of shape (4, M, N), uint8
        As from `planet_lib.scenes.tiles.measure_cells`.

    Returns
    -------
    ProbabilityMap
        Of the cells within the scene.
    """
    step = grid.stride_px // grid.cell_px
    seen = sum_tiles(cells[0].astype(np.float32), step)
    weight = np.where(classes == ASSESSED, seen, 0)
    total = _spread(weight, cells.shape[1:], step)
    merged = _spread(weight * np.nan_to_num(probabilities), cells.shape[1:], step)
    with np.errstate(invalid="ignore"):
        probability = merged / total
    cell_classes = np.select(
        [
            cells[0] == 0,
            cells[1] > 255 * LARGEST_CLOUD,
            total > 0,
            _spread(classes == DOMAIN, cells.shape[1:], step) > 0,
            _spread(classes == CLOUD, cells.shape[1:], step) > 0,
        ],
        [NO_DATA, CLOUD, ASSESSED, DOMAIN, CLOUD],
        NO_DATA,
    ).astype(np.uint8)
    probability[cell_classes != ASSESSED] = np.nan
    rows, row = _crop(grid.tile_rows[0], grid.rows, grid.cell_px)
    columns, column = _crop(grid.tile_columns[0], grid.columns, grid.cell_px)
    kept = np.s_[rows, columns]
    return ProbabilityMap(
        grid=grid,
        row=row,
        column=column,
        probability=probability[kept],
        classes=cell_classes[kept],
        valid=cells[0][kept] / np.float32(255),
    )


def _spread(tiles: np.ndarray, shape: tuple[int, int], step: int) -> np.ndarray:
    """Add each tile's value to its cells, weighted by the window."""
    spread = np.zeros(shape, np.float32)
    rows, columns = ((size - 1) * step + 1 for size in tiles.shape)
    for down in range(CELLS):
        for right in range(CELLS):
            weight = np.float32(WINDOW[down] * WINDOW[right])
            target = np.s_[down : down + rows : step, right : right + columns : step]
            spread[target] += weight * tiles
    return spread


def _crop(start: int, pixels: range, cell_px: int) -> tuple[slice, int]:
    """Find the cells that the scene covers, and the pixel where the first one starts."""
    first = (pixels.start - start) // cell_px
    last = -((start - pixels.stop) // cell_px)
    return slice(first, last), start + first * cell_px


def _measure_within(start: int, cells: int, pixels: range, cell_px: int) -> np.ndarray:
    edges = (start + cell_px * np.arange(cells + 1)).clip(pixels.start, pixels.stop)
    return np.diff(edges)
