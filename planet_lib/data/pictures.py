"""Read a picture of any size: JPEG, PNG, WebP or 8-bit TIFF, with its ground distance if known."""

import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from PIL import Image, UnidentifiedImageError
from rasterio.errors import CRSError, NotGeoreferencedWarning, RasterioIOError

from planet_lib.data.chips import JPEG_START, decode_jpeg, read_file
from planet_lib.data.content import name_content
from planet_lib.data.folders import PICTURE_ENDINGS, is_tiff, list_visible
from planet_lib.data.tiff import read_tiff, stretch_to_visual
from planet_lib.errors import DataError, shorten

MODES_IN_COLOUR = ("RGB", "RGBA", "P")
LARGEST_PX = 4096  # a side; larger pictures are scenes
COMPETITION_BANDS = 4
METRES_PER_DEGREE = 111_320.0


@dataclass(frozen=True)
class Picture:
    """A picture in colour.

    Attributes
    ----------
    rgb : ndarray of shape (H, W, 3), uint8
    ground_distance_m : float or None
        Side of a pixel on the ground, where the file says so.
    """

    rgb: np.ndarray
    ground_distance_m: float | None


def list_pictures(folder: Path) -> list[Path]:
    """List the pictures in a folder and all folders below it, in order of their paths."""
    found = []
    for entry in list_visible(folder):
        path = Path(entry.path)
        if entry.is_dir():
            found += list_pictures(path)
        elif path.suffix.lower() in PICTURE_ENDINGS or is_tiff(path):
            found.append(path)
    return sorted(found)


def read_picture(path: Path) -> Picture:
    """Read a picture.

    A TIFF has three bands of 8 bits, red, green and blue, or is one of the competition's chips.

    Raises
    ------
    DataError
        The file is no such picture, or truncated, grey, partly transparent or without data, or too
        large.
    """
    if is_tiff(path):
        return _read_tiff(path)
    data = read_file(path)
    if data.startswith(JPEG_START):
        rgb = decode_jpeg(data, path)
        _check_size(path, rgb.shape[1], rgb.shape[0])
        return Picture(rgb, None)
    try:
        with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning):
            picture = Image.open(io.BytesIO(data), formats=("PNG", "WEBP"))
        _check_size(path, *picture.size)
        if picture.mode not in MODES_IN_COLOUR:
            raise DataError(f"{path}: a picture of mode {picture.mode}, expected 8-bit colour")
        pixels = np.asarray(picture.convert("RGBA"))
    except Image.DecompressionBombError:
        raise DataError(f"{path}: no chip but a scene; give it to planet find-mines") from None
    except UnidentifiedImageError:
        content = name_content(data[:64])
        raise DataError(f"{path}: not a picture that can be read, but {content}") from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise DataError(f"{path}: cannot be decoded ({shorten(error)})") from None
    if pixels[..., 3].min() < 255:
        raise DataError(f"{path}: parts are transparent, expected a full picture")
    return Picture(np.ascontiguousarray(pixels[..., :3]), None)


def _read_tiff(path: Path) -> Picture:
    try:
        with warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning):
            source = rasterio.open(path)
        with source:
            _check_size(path, source.width, source.height)
            if source.count == COMPETITION_BANDS and source.dtypes[0] == "uint16":
                rgb = stretch_to_visual(read_tiff(path))
            elif source.count >= 3 and source.dtypes[0] == "uint8":
                rgb = np.moveaxis(source.read((1, 2, 3)), 0, -1)
                if not source.dataset_mask().all():
                    raise DataError(f"{path}: parts have no data, expected a full picture")
            else:
                raise DataError(
                    f"{path}: {source.count} bands of {source.dtypes[0]}, expected red, green and "
                    "blue of 8 bits; give a scene to planet find-mines"
                )
            return Picture(np.ascontiguousarray(rgb), _measure_ground_distance(source))
    except RasterioIOError as error:
        raise DataError(f"{path}: cannot be decoded ({shorten(error)})") from None


def _measure_ground_distance(source: rasterio.DatasetReader) -> float | None:
    if source.crs is None or source.transform.is_identity:
        return None
    distance = float(np.sqrt(abs(source.transform.determinant)))
    if source.crs.is_geographic:
        latitude = np.radians((source.bounds.top + source.bounds.bottom) / 2)
        return float(distance * METRES_PER_DEGREE * np.sqrt(np.cos(latitude)))
    try:
        return distance * source.crs.linear_units_factor[1]
    except CRSError:
        return None  # a local system, of unknown units


def _check_size(path: Path, width: int, height: int) -> None:
    if max(width, height) > LARGEST_PX:
        raise DataError(
            f"{path}: {width} x {height} px is no chip but a scene; give it to planet find-mines"
        )
