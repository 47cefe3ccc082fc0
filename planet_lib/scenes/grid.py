"""The grid on which a scene is searched: pixels, tiles and cells, counted from the CRS's origin.

Whatever part of the ground a file covers, a place has the same pixels, tiles and cells. A cell is a
quarter of a tile's side: the pixel of the probability map.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from pyproj import Geod
from rasterio import warp
from rasterio.crs import CRS
from rasterio.errors import CRSError
from rasterio.transform import Affine

from planet_lib.errors import ConfigError, DataError
from planet_lib.haze.boundary_constraint import BLOCK_PX

CELLS = 4  # along a tile's side
WGS84 = CRS.from_epsg(4326)
SAME_DISTANCE = 0.02  # relative; the scale of a UTM zone differs from 1 by less
SAME_SIDES = 1e-6
BAND_PIXELS, WIDEST_PX = 4e6, 6144  # read at once, without margins
EDGE_POINTS = 21


@dataclass(frozen=True)
class Placement:
    """Where the pixels of a file lie.

    Attributes
    ----------
    crs : CRS
    transform : Affine
        From column and row to the CRS.
    width, height : int
    """

    crs: CRS
    transform: Affine
    width: int
    height: int

    def outline(self, crs: CRS) -> np.ndarray:
        """Return points along the border, shape (2, N), in another CRS."""
        along = np.linspace(0, 1, EDGE_POINTS)[:-1]
        columns = np.concatenate([along, np.ones_like(along), 1 - along, np.zeros_like(along)])
        return self.locate(
            columns * self.width, np.roll(columns, EDGE_POINTS - 1) * self.height, crs
        )

    def locate(self, columns: np.ndarray, rows: np.ndarray, crs: CRS) -> np.ndarray:
        """Return the positions of pixels in another CRS, shape (2, N)."""
        x, y = self.transform @ (np.asarray(columns, float), np.asarray(rows, float))
        try:
            return np.array(warp.transform(self.crs, crs, x, y))
        except CRSError as error:
            raise DataError(f"its coordinates cannot be transformed ({error})") from None

    def measure_sides(self) -> tuple[float, float]:
        """Measure the width and the height of the central pixel on the ground, in metres."""
        column, row = self.width / 2, self.height / 2
        lon, lat = self.locate([column, column + 1, column], [row, row, row + 1], WGS84)
        _, _, sides = Geod(ellps="WGS84").inv(lon[[0, 0]], lat[[0, 0]], lon[1:], lat[1:])
        return float(sides[0]), float(sides[1])

    def measure_ground_distance(self) -> float:
        """Measure the ground distance of a pixel in metres: the longer side of the central one."""
        return max(self.measure_sides())


@dataclass(frozen=True)
class Grid:
    """Square pixels, tiles and cells at absolute places of a CRS.

    Columns count to the right, rows down, both from the CRS's origin plus `phase`.

    Attributes
    ----------
    crs : CRS
    step : float
        Side of a pixel in units of the CRS.
    phase : tuple of float
        Where the pixels' edges lie, x and y.
    columns, rows : range
        Pixels of the scene.
    chip_px, stride_px : int
        Side of a tile, and distance between the starts of neighbouring ones.
    """

    crs: CRS
    step: float
    phase: tuple[float, float]
    columns: range
    rows: range
    chip_px: int
    stride_px: int

    @property
    def step_m(self) -> float:
        """Side of a pixel in metres."""
        return self.step * self.crs.linear_units_factor[1]

    @property
    def cell_px(self) -> int:
        """Side of a cell in pixels."""
        return self.chip_px // CELLS

    @cached_property
    def tile_columns(self) -> range:
        """First columns of the tiles."""
        return self._place_tiles(self.columns)

    @cached_property
    def tile_rows(self) -> range:
        """First rows of the tiles."""
        return self._place_tiles(self.rows)

    def _place_tiles(self, pixels: range) -> range:
        """Place tiles at multiples of the stride, so that they cover all pixels."""
        overlap = max(min(self.chip_px - self.stride_px, len(pixels)), 1)
        first = -((self.chip_px - overlap - pixels.start) // self.stride_px)
        last = (pixels.stop - overlap) // self.stride_px
        return range(first * self.stride_px, last * self.stride_px + 1, self.stride_px)

    @cached_property
    def canvas(self) -> tuple[range, range]:
        """Rows and columns of all tiles, from a block of the haze removal on."""
        return tuple(
            range(starts[0] // BLOCK_PX * BLOCK_PX, starts[-1] + self.chip_px)
            for starts in (self.tile_rows, self.tile_columns)
        )

    def transform(self, row: int, column: int, size: float = 1) -> Affine:
        """Return the transform of an array that starts at a pixel and has pixels of `size` px."""
        x, y = self.phase[0] + column * self.step, self.phase[1] - row * self.step
        return Affine(size * self.step, 0, x, 0, -size * self.step, y)

    def bands(self) -> Iterator[tuple[range, range]]:
        """Yield the first rows and columns of the tiles that are read and predicted together."""
        height_px = BAND_PIXELS / min(len(self.canvas[1]), WIDEST_PX)
        down, across = (
            max(int((size - self.chip_px) // self.stride_px) + 1, 1)
            for size in (height_px, WIDEST_PX)
        )
        for row in range(0, len(self.tile_rows), down):
            for column in range(0, len(self.tile_columns), across):
                yield self.tile_rows[row : row + down], self.tile_columns[column : column + across]


def lay_grid(
    placement: Placement, *, ground_distance_m: float, chip_px: int, stride_px: int
) -> tuple[Grid, bool]:
    """Lay a grid over a scene at the ground distance of a detector.

    The scene's CRS is kept where its unit is a length on the ground within 2 %; else the UTM zone
    of the scene's centre is used.

    Parameters
    ----------
    placement : Placement
    ground_distance_m : float
    chip_px : int
        A multiple of 4.
    stride_px : int
        A quarter, a half or the whole of `chip_px`.

    Returns
    -------
    grid : Grid
    native : bool
        Whether the grid's pixels are those of the file.

    Raises
    ------
    ConfigError
        `stride_px` is not allowed.
    """
    allowed = [chip_px // CELLS * cells for cells in (1, 2, 4)]
    if stride_px not in allowed:
        raise ConfigError(f"stride is {stride_px}; allowed: {', '.join(map(str, allowed))} pixels")
    crs, transform = placement.crs, placement.transform
    across, down = placement.measure_sides()
    upright = transform.b == transform.d == 0 and transform.a > 0 > transform.e
    unit_m = crs.linear_units_factor[1] if crs.is_projected else None
    true_to_scale = (
        unit_m and upright
        and abs(across / (transform.a * unit_m) - 1) < SAME_DISTANCE
        and abs(down / (-transform.e * unit_m) - 1) < SAME_DISTANCE
    )  # fmt: skip
    square = upright and abs(transform.a / -transform.e - 1) < SAME_SIDES
    native = bool(true_to_scale and square and abs(across / ground_distance_m - 1) < SAME_DISTANCE)
    if native:
        step = transform.a
        phase = (_find_phase(transform.c, step), _find_phase(transform.f, step))
    elif true_to_scale:
        step, phase = ground_distance_m / unit_m, (0.0, 0.0)
    else:
        crs, step, phase = _find_utm_zone(placement), ground_distance_m, (0.0, 0.0)
    x, y = placement.outline(crs)
    columns = _count_pixels((x - phase[0]) / step)
    rows = _count_pixels((phase[1] - y) / step)
    return Grid(crs, step, phase, columns, rows, chip_px, stride_px), native


def _find_phase(origin: float, step: float) -> float:
    """Find where the first pixel edge lies, the same for a file and for any part of it."""
    pixels = origin / step
    phase = round((pixels - math.floor(pixels)) * 2**16) / 2**16 % 1
    return phase * step


def _count_pixels(positions: np.ndarray) -> range:
    tolerance = 0.01
    first = math.floor(positions.min() + tolerance)
    return range(first, max(math.ceil(positions.max() - tolerance), first + 1))


def _find_utm_zone(placement: Placement) -> CRS:
    (lon,), (lat,) = placement.locate([placement.width / 2], [placement.height / 2], WGS84)
    zone = int((lon + 180) // 6) % 60 + 1
    return CRS.from_epsg((32600 if lat >= 0 else 32700) + zone)
