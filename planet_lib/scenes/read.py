"""Read any scene on the grid of a detector: red, green and blue in 8 bits, and a mask.

GDAL warps whatever the file holds to the grid, window by window; outside the scene and where it has
no data the mask is false.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.transform import Affine
from rasterio.vrt import WarpedVRT
from rasterio.warp import reproject
from rasterio.windows import Window

from planet_lib.errors import DataError, shorten
from planet_lib.scenes.grid import Grid, Placement
from planet_lib.scenes.scaling import Scaling, choose_scaling
from planet_lib.scenes.source import (
    OVERVIEW_PX,
    Source,
    decimate,
    name_file,
    open_source,
    read_stamp,
)

GDAL_SETTINGS = {"GDAL_CACHEMAX": 128 * 2**20}  # bytes; a row of a scene's blocks must fit
ROWS_AT_ONCE = 32
TOLERANCE_PX = 0.01  # of the warp


class Scene:
    """A scene on a grid, as red, green and blue of 8 bits.

    Parameters
    ----------
    source : Source
    grid : Grid
    native : bool
        Whether the grid's pixels are those of the file.
    scaling : str, optional
        As for `planet_lib.scenes.scaling.choose_scaling`.

    Raises
    ------
    ConfigError
        The scaling is unknown, or must be given.
    DataError
        The scene cannot be read, or holds no data.
    """

    def __init__(
        self, source: Source, grid: Grid, *, native: bool, scaling: str | None = None
    ) -> None:
        self.source, self.grid, self.native = source, grid, native
        with (
            name_file(source.paths[0]),
            rasterio.Env(**GDAL_SETTINGS),
            open_source(source) as dataset,
        ):
            values, valid, transform = decimate(dataset)
            if not valid.any():
                raise DataError("no pixel holds data")
            self.scaling: Scaling = choose_scaling(scaling, source, values[:, valid])
            self.overview, self.overview_valid, self.overview_px = self._lay_overview(
                self.scaling.apply(values), valid, transform
            )

    @contextmanager
    def open(self) -> Iterator["Reader"]:
        """Open the scene for reading, from one thread at a time."""
        source, grid = self.source, self.grid
        rows, columns = grid.canvas
        finer = source.placement.measure_ground_distance() < self.ground_distance_m * 0.9
        resampling = Resampling.average if finer else Resampling.bilinear
        with (
            name_file(source.paths[0]),
            rasterio.Env(**GDAL_SETTINGS),
            open_source(source) as dataset,
            WarpedVRT(
                dataset,
                crs=grid.crs,
                transform=grid.transform(rows.start, columns.start),
                width=len(columns),
                height=len(rows),
                resampling=Resampling.nearest if self.native else resampling,
                tolerance=TOLERANCE_PX,
                src_nodata=None if source.masked else source.nodata,
                add_alpha=not source.masked,
                UNIFIED_SRC_NODATA="YES",
            ) as warped,
        ):
            yield Reader(self, warped)

    @property
    def ground_distance_m(self) -> float:
        """Ground distance of the grid's pixels in metres."""
        rows, columns = self.grid.rows, self.grid.columns
        transform = self.grid.transform(rows.start, columns.start)
        return Placement(
            self.grid.crs, transform, len(columns), len(rows)
        ).measure_ground_distance()

    def _lay_overview(
        self, levels: np.ndarray, valid: np.ndarray, transform: Affine
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """Lay a small picture of the scene over the grid's columns and rows."""
        grid = self.grid
        size_px = max(len(grid.columns), len(grid.rows)) / OVERVIEW_PX
        pixel = max(size_px, 1.0)
        shape = tuple(max(round(len(side) / pixel), 1) for side in (grid.rows, grid.columns))
        planes = np.concatenate([levels, valid[None].astype(np.uint8)])
        laid = np.zeros((len(planes), *shape), np.uint8)
        reproject(
            planes,
            laid,
            src_transform=transform,
            src_crs=self.source.placement.crs,
            dst_transform=grid.transform(grid.rows.start, grid.columns.start, pixel),
            dst_crs=grid.crs,
            resampling=Resampling.nearest,
        )
        return np.moveaxis(laid[:3], 0, -1).copy(), laid[3] > 0, pixel


class Reader:
    """Reads windows of an open scene; made by `Scene.open`."""

    def __init__(self, scene: Scene, warped: WarpedVRT) -> None:
        self.scene, self._warped = scene, warped

    def read(self, rows: range, columns: range | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Read a window.

        Parameters
        ----------
        rows, columns : range
            Of the grid's canvas; by default all its columns.

        Returns
        -------
        levels : ndarray of shape (H, W, 3), uint8
            RGB; 0 where there is no data.
        valid : ndarray of shape (H, W), bool

        Raises
        ------
        DataError
            The file is damaged there, or has changed.
        """
        top, left = (side.start for side in self.scene.grid.canvas)
        columns = columns or self.scene.grid.canvas[1]
        levels = np.zeros((len(rows), len(columns), 3), np.uint8)
        valid = np.zeros(levels.shape[:2], bool)
        for start in range(0, len(rows), ROWS_AT_ONCE):
            part = rows[start : start + ROWS_AT_ONCE]
            window = Window(columns.start - left, part.start - top, len(columns), len(part))
            try:
                *values, alpha = self._warped.read((1, 2, 3, 4), window=window)
            except RasterioError as error:
                raise DataError(
                    f"cannot be read below row {part.start - self.scene.grid.rows.start} "
                    f"({shorten(error.__cause__ or error)}); is it truncated? copy it again"
                ) from None
            chosen = slice(start, start + len(part))
            valid[chosen] = (alpha > 0) & np.isfinite(values).all(axis=0)
            for channel, plane in enumerate(values):
                levels[chosen, :, channel] = self.scene.scaling.apply(plane) * valid[chosen]
        if read_stamp(self.scene.source.files) != self.scene.source.stamp:
            raise DataError("changed while it was read; run again")
        return levels, valid
