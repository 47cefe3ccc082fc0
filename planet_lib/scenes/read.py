"""Read any scene on the grid of a detector: red, green and blue in 8 bits, and a mask.

GDAL warps whatever the file holds to the grid, window by window; outside the scene and where it has
no data the mask is false.
"""

import os
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import rasterio
from rasterio.dtypes import dtype_rev, typename_fwd
from rasterio.enums import ColorInterp, MaskFlags, Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.transform import Affine
from rasterio.vrt import WarpedVRT
from rasterio.warp import reproject
from rasterio.windows import Window

from planet_lib.errors import ConfigError, DataError, shorten
from planet_lib.scenes.bands import COLOURS, find_colours, find_date
from planet_lib.scenes.grid import Grid, Placement
from planet_lib.scenes.scaling import Scaling, choose_scaling

GDAL_SETTINGS = {"GDAL_CACHEMAX": 192, "GDAL_TIFF_INTERNAL_MASK": True}  # MiB
ROWS_AT_ONCE = 128
OVERVIEW_PX = 1024
TOLERANCE_PX = 0.01  # of the warp
_opening = threading.Lock()  # warning filters are global


@dataclass(frozen=True)
class Source:
    """The file or files of a scene, as they are.

    Attributes
    ----------
    paths : tuple of Path
        One file, or those of red, green and blue.
    bands : tuple of int
        Numbers of red, green and blue in their files.
    bands_by : str
        What the bands were found by.
    placement : Placement
    dtype : str
    nodata : float or None
    masked : bool
        Whether the file has an alpha band or a mask.
    scale, offset : float
        From stored to physical values.
    date : str or None
        ``YYYY-MM-DD``.
    stamp : list
        Sizes and times of the files, to see whether they change.
    """

    paths: tuple[Path, ...]
    bands: tuple[int, ...]
    bands_by: str
    placement: Placement
    dtype: str
    nodata: float | None
    masked: bool
    scale: float
    offset: float
    date: str | None
    stamp: list = field(compare=False)

    @property
    def name(self) -> str:
        """The name of the scene: that of its first file."""
        return self.paths[0].stem


def describe_source(text: str, *, bands: Sequence[int] | None = None) -> Source:
    """Describe a scene before it is read.

    Parameters
    ----------
    text : str
        A file that GDAL reads, or three with one band each, joined by commas: red, green, blue.
    bands : sequence of int, optional
        Numbers of red, green and blue; by default found by description or colour.

    Raises
    ------
    DataError
        A file is missing, damaged, without position, or without the bands.
    """
    names = [text] if Path(text).exists() else text.split(",")
    if len(names) not in (1, len(COLOURS)):
        raise DataError(
            f"{text}: {len(names)} files; red, green and blue are needed, in this order"
        )
    paths = tuple(Path(name) for name in names)
    for path in paths:
        if not path.is_file():
            raise DataError(f"{path}: no such file")
    with _name_file(paths[0]):
        parts = [_describe_file(path, bands, len(paths)) for path in paths]
        first = parts[0]
        for path, part in zip(paths, parts, strict=True):
            if (part.placement, part.dtype) != (first.placement, first.dtype):
                raise DataError(f"{path.name} has another grid or type; the three must agree")
    if len(parts) == 1:
        return first
    numbers = tuple(part.bands[0] for part in parts)
    stamp = [line for part in parts for line in part.stamp]
    return Source(**vars(first) | {"paths": paths, "bands": numbers, "stamp": stamp,
                                   "bands_by": "order of the files"})  # fmt: skip


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
        with _name_file(source.paths[0]), _open(source) as dataset:
            values, valid, transform = _decimate(dataset)
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
            _name_file(source.paths[0]),
            rasterio.Env(**GDAL_SETTINGS),
            _open(source) as dataset,
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
        if read_stamp(self.scene.source.paths) != self.scene.source.stamp:
            raise DataError("changed while it was read; run again")
        return levels, valid


def read_stamp(paths: Sequence[Path]) -> list:
    """Return the size and the time of the last change of each file."""
    found = [os.stat(path) for path in paths]
    return [[stat.st_size, stat.st_mtime_ns] for stat in found]


@contextmanager
def _name_file(path: Path) -> Iterator[None]:
    """Name the scene in errors of this module and of GDAL."""
    try:
        yield
    except (DataError, ConfigError) as error:
        prefix = "" if str(error).startswith(str(path)) else f"{path}: "
        raise type(error)(f"{prefix}{error}") from None
    except RasterioError as error:
        reason = shorten(error.__cause__ or error).replace(str(path), path.name)
        raise DataError(f"{path}: cannot be read ({reason})") from None


def _describe_file(path: Path, bands: Sequence[int] | None, files: int) -> Source:
    if path.stat().st_size == 0:
        raise DataError("empty, as after an interrupted copy")
    with _open_file(path) as dataset:
        wanted = 1 if files > 1 else len(COLOURS)
        if files > 1:
            numbers, reason = [1], ""
        elif bands:
            numbers, reason = list(bands), "option"
        else:
            numbers, reason = find_colours(dataset.descriptions, dataset.colorinterp)
        if len(set(numbers)) != wanted or not set(numbers) <= set(dataset.indexes):
            raise DataError(f"bands {bands} are not three of 1 to {dataset.count}")
        flags = dataset.mask_flag_enums[numbers[0] - 1]
        masked = MaskFlags.per_dataset in flags
        dtype = dataset.dtypes[numbers[0] - 1]
        return Source(
            paths=(path,),
            bands=tuple(numbers),
            bands_by=reason,
            placement=_find_placement(dataset),
            dtype=dtype,
            nodata=_find_nodata(dataset, numbers[0], dtype),
            masked=masked,
            scale=dataset.scales[numbers[0] - 1],
            offset=dataset.offsets[numbers[0] - 1],
            date=find_date(path, dataset.tags()),
            stamp=read_stamp([path]),
        )


def _find_placement(dataset: rasterio.DatasetReader) -> Placement:
    if dataset.transform.is_identity or dataset.crs is None:
        if dataset.gcps[0] or dataset.rpcs:
            raise DataError(
                "placed only by control points or RPCs; warp it first: gdalwarp -t_srs EPSG:4326"
            )
        missing = "geotransform" if dataset.crs else "coordinate reference system"
        raise DataError(f"no {missing}; where on Earth it lies is unknown")
    if not (dataset.crs.is_projected or dataset.crs.is_geographic):
        raise DataError("its coordinate reference system has no place on Earth")
    if dataset.transform.determinant == 0:
        raise DataError("its geotransform has pixels without area")
    return Placement(dataset.crs, dataset.transform, dataset.width, dataset.height)


def _find_nodata(dataset: rasterio.DatasetReader, band: int, dtype: str) -> float | None:
    """Find the value that stands for no data: 0 in files of integers that name none."""
    nodata = dataset.nodatavals[band - 1]
    if nodata is not None:
        return nodata
    return float("nan") if np.issubdtype(dtype, np.floating) else 0.0


@contextmanager
def _open_file(path: Path | str) -> Iterator[rasterio.DatasetReader]:
    with _opening, warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning):
        dataset = rasterio.open(path)
    with dataset:
        yield dataset


@contextmanager
def _open(source: Source) -> Iterator[rasterio.DatasetReader]:
    """Open the three bands as one virtual file, with its mask as a fourth."""
    root = ElementTree.Element(
        "VRTDataset",
        rasterXSize=str(source.placement.width),
        rasterYSize=str(source.placement.height),
    )
    ElementTree.SubElement(root, "SRS").text = source.placement.crs.to_wkt()
    numbers = source.placement.transform.to_gdal()
    ElementTree.SubElement(root, "GeoTransform").text = ", ".join(map(repr, numbers))
    paths = source.paths if len(source.paths) > 1 else source.paths * len(COLOURS)
    layers = list(zip(paths, map(str, source.bands), [source.dtype] * 3, COLOURS, strict=True))
    if source.masked:
        layers.append((source.paths[0], f"mask,{source.bands[0]}", "uint8", "alpha"))
    for position, (path, band, dtype, colour) in enumerate(layers, start=1):
        layer = ElementTree.SubElement(
            root, "VRTRasterBand", dataType=_name_type(dtype), band=str(position)
        )
        ElementTree.SubElement(layer, "ColorInterp").text = colour.title()
        if source.nodata is not None and not source.masked:
            ElementTree.SubElement(layer, "NoDataValue").text = repr(source.nodata)
        part = ElementTree.SubElement(layer, "SimpleSource")
        name = ElementTree.SubElement(part, "SourceFilename", relativeToVRT="0")
        name.text = str(path.absolute())
        ElementTree.SubElement(part, "SourceBand").text = band
    with _open_file(ElementTree.tostring(root, encoding="unicode")) as dataset:
        yield dataset


def _name_type(dtype: str) -> str:
    name = typename_fwd[dtype_rev[dtype]]
    if name.startswith("C"):
        raise DataError(f"values of type {dtype}; real numbers are needed")
    return name


def _decimate(dataset: rasterio.DatasetReader) -> tuple[np.ndarray, np.ndarray, Affine]:
    """Read every n-th pixel: values (3, H, W), their mask, and their transform."""
    factor = max(1.0, max(dataset.shape) / OVERVIEW_PX)
    height, width = (max(round(side / factor), 1) for side in dataset.shape)
    with rasterio.Env(**GDAL_SETTINGS):
        values = dataset.read((1, 2, 3), out_shape=(3, height, width))
        if ColorInterp.alpha in dataset.colorinterp:
            valid = dataset.read(4, out_shape=(height, width)) > 0
        else:
            valid = ~(values == dataset.nodata).all(axis=0)
    valid &= np.isfinite(values).all(axis=0)
    scale = Affine.scale(dataset.width / width, dataset.height / height)
    return values, valid, dataset.transform @ scale
