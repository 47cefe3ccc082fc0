"""The file or files of a scene: their bands, their place, their mask, and whether they change.

The three bands and the mask are opened as one virtual file, whatever their order and wherever they
lie.
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
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.transform import Affine

from planet_lib.errors import ConfigError, DataError, shorten
from planet_lib.scenes.bands import COLOURS, find_colours, find_date
from planet_lib.scenes.grid import Placement

OVERVIEW_PX = 1024
BY_VIEWERS = (".aux.xml", ".ovr")  # written beside a file when somebody only looks at it
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
    files : tuple of Path
        All that the pixels come from: also world files, and what a virtual file refers to.
    stamp : list
        Sizes and times of `files`, to see whether they change.
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
    files: tuple[Path, ...] = field(compare=False)
    stamp: list = field(compare=False)

    @property
    def name(self) -> str:
        """The name of the scene: that of its first file."""
        return self.paths[0].stem

    def describe_values(self) -> dict:
        """Describe what places and values the pixels stand for, as JSON holds it.

        This can change where the file does not: in a side file of GDAL, which viewers write too.
        """
        return {
            "crs": self.placement.crs.to_wkt(),
            "transform": list(self.placement.transform)[:6],
            "nodata": str(self.nodata),  # NaN differs from itself
            "masked": self.masked,
            "scale": self.scale,
            "offset": self.offset,
        }


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
        if path.is_dir():
            raise DataError(
                f"{path}: a folder; name its files, or search all of them with make scenes "
                f"SCENES={path}"
            )
        if not path.is_file():
            raise DataError(f"{path}: no such file")
        try:
            str(path).encode()
        except UnicodeEncodeError:
            raise DataError(
                f"{str(path)!a}: GDAL cannot open a name that is not UTF-8; rename it"
            ) from None
    with name_file(paths[0]):
        parts = [_describe_file(path, bands, len(paths)) for path in paths]
        first = parts[0]
        for path, part in zip(paths, parts, strict=True):
            if (part.placement, part.dtype) != (first.placement, first.dtype):
                raise DataError(f"{path.name} has another grid or type; the three must agree")
    if len(parts) == 1:
        return first
    numbers = tuple(part.bands[0] for part in parts)
    files = tuple(file for part in parts for file in part.files)
    joined = {"paths": paths, "bands": numbers, "bands_by": "order of the files", "files": files}
    return Source(**vars(first) | joined | {"stamp": read_stamp(files)})


def read_stamp(paths: Sequence[Path]) -> list:
    """Return the size and the time of the last change of each file."""
    found = [os.stat(path) for path in paths]
    return [[stat.st_size, stat.st_mtime_ns] for stat in found]


@contextmanager
def name_file(path: Path) -> Iterator[None]:
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
        distinct = len(numbers) == len(set(numbers)) == wanted
        if not distinct or not set(numbers) <= set(dataset.indexes):
            raise DataError(f"bands {bands} are not three of 1 to {dataset.count}")
        flags = dataset.mask_flag_enums[numbers[0] - 1]
        masked = MaskFlags.per_dataset in flags
        files = _list_files(path, dataset)
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
            files=files,
            stamp=read_stamp(files),
        )


def _list_files(path: Path, dataset: rasterio.DatasetReader) -> tuple[Path, ...]:
    """List the files that pixels come from, those of virtual files within virtual ones too."""
    files, virtual = {path}, {path}
    waiting = [Path(name) for name in dataset.files]
    while waiting:
        file = waiting.pop()
        if file.name.endswith(BY_VIEWERS) or not file.is_file():
            continue
        files.add(file)
        if file.suffix.lower() == ".vrt" and file not in virtual:
            virtual.add(file)
            try:
                with _open_file(file) as inner:
                    waiting += map(Path, inner.files)
            except RasterioError:
                continue  # reading fails too, and says why
    return (path, *sorted(files - {path}))


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
    placement = Placement(dataset.crs, dataset.transform, dataset.width, dataset.height)
    if not np.isfinite(placement.measure_sides()).all():
        raise DataError(
            f"its coordinates are not on Earth in its coordinate reference system, {dataset.crs}; "
            "give it the right one with gdal_edit.py -a_srs"
        )
    return placement


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
def open_source(source: Source) -> Iterator[rasterio.DatasetReader]:
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


def decimate(dataset: rasterio.DatasetReader) -> tuple[np.ndarray, np.ndarray, Affine]:
    """Read every n-th pixel: values (3, H, W), their mask, and their transform."""
    factor = max(1.0, max(dataset.shape) / OVERVIEW_PX)
    height, width = (max(round(side / factor), 1) for side in dataset.shape)
    values = dataset.read((1, 2, 3), out_shape=(3, height, width))
    if ColorInterp.alpha in dataset.colorinterp:
        valid = dataset.read(4, out_shape=(height, width)) > 0
    else:
        valid = ~(values == dataset.nodata).all(axis=0)
    valid &= np.isfinite(values).all(axis=0)
    scale = Affine.scale(dataset.width / width, dataset.height / height)
    return values, valid, dataset.transform @ scale
