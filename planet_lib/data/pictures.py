"""Read pictures of any size, with their ground distance if known, and cut them into chips."""

import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import rasterio
from PIL import Image, UnidentifiedImageError
from rasterio.errors import CRSError, NotGeoreferencedWarning, RasterioIOError

from planet_lib.data.chips import (
    JPEG_START,
    decode_jpeg,
    read_file,
    read_jpeg_header,
    refuse_16_bits,
)
from planet_lib.data.content import TIFF, name_content
from planet_lib.data.folders import PICTURE_ENDINGS, is_tiff, list_visible
from planet_lib.data.tiff import read_tiff, stretch_to_visual
from planet_lib.errors import DataError, shorten

MODES_IN_COLOUR = ("RGB", "RGBA", "P")
LARGEST_PX = 4096  # a side; larger pictures are scenes
COMPETITION_BANDS = 4
SAME_DISTANCE = 0.02  # relative difference of ground distances that is not resampled
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


def list_pictures(folder: Path) -> tuple[list[Path], list[str]]:
    """List the pictures in a folder and all folders below it.

    Returns
    -------
    pictures : list of Path
        In the order of their paths. Links that lead back to a folder above are not followed.
    problems : list of str
        A line for each folder below that cannot be listed.

    Raises
    ------
    DataError
        The folder itself cannot be listed.
    """
    pictures: list[Path] = []
    problems: list[str] = []
    waiting = [(folder, frozenset[Path]())]
    while waiting:
        part, above = waiting.pop()
        above |= {part.resolve()}
        try:
            entries = list_visible(part)
        except OSError as error:
            problems.append(f"{part}: cannot be listed ({error.strerror})")
            continue
        for entry in entries:
            path = Path(entry.path)
            if path.is_dir():
                if path.resolve() not in above:
                    waiting.append((path, above))
            elif path.suffix.lower() in PICTURE_ENDINGS or is_tiff(path):
                pictures.append(path)
    if not pictures and problems:
        raise DataError(f"{problems[0]}; make it readable")
    return sorted(pictures), sorted(problems)


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
        height, width, _ = read_jpeg_header(data, path)
        _check_size(path, width, height)
        return Picture(decode_jpeg(data, path), None)
    refuse_16_bits(data, path)
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


@dataclass(frozen=True)
class CutPicture:
    """A picture cut into chips.

    Attributes
    ----------
    chips : list of ndarray of shape (chip_px, chip_px, 3), uint8
        They cover the picture, with one more along each side than needed, so that they overlap. A
        picture that shows less ground than a chip is continued by its mirror image.
    resampled : bool
        Whether the picture was resampled to the chips' ground distance.
    resized : bool
        Whether the picture was resized to one chip without knowing its ground distance.
    """

    chips: list[np.ndarray]
    resampled: bool = False
    resized: bool = False


def cut_picture(picture: Picture, path: Path, chip_px: int, ground_distance_m: float) -> CutPicture:
    """Cut a picture into chips of a network's size.

    Parameters
    ----------
    picture : Picture
    path : Path
        The picture's file, for the error message.
    chip_px : int
        Side of the chips.
    ground_distance_m : float
        Of the chips, in metres a pixel.

    Raises
    ------
    DataError
        The picture shows more ground than fits into `LARGEST_PX` pixels of a chip.
    """
    rgb = picture.rgb
    if picture.ground_distance_m is None:
        resized = rgb.shape[:2] != (chip_px, chip_px)
        return CutPicture([_resize(rgb, chip_px, chip_px) if resized else rgb], resized=resized)
    scale = picture.ground_distance_m / ground_distance_m
    resampled = abs(scale - 1) > SAME_DISTANCE
    if resampled:
        height, width = (max(1, round(side * scale)) for side in rgb.shape[:2])
        if max(height, width) > LARGEST_PX:
            raise DataError(
                f"{path}: {rgb.shape[1]} x {rgb.shape[0]} px of {picture.ground_distance_m:.3g} m "
                f"are {width} x {height} px of the network's {ground_distance_m:g} m, no chip but "
                "a scene; choose a network for coarser pictures, or try planet find-mines"
            )
        rgb = _resize(rgb, height, width)
    missing = [(0, max(0, chip_px - side)) for side in rgb.shape[:2]]
    rgb = np.pad(rgb, (*missing, (0, 0)), mode="symmetric")
    rows, columns = (_place(side, chip_px) for side in rgb.shape[:2])
    chips = [rgb[y : y + chip_px, x : x + chip_px] for y in rows for x in columns]
    return CutPicture(chips, resampled=resampled)


def _place(side: int, chip_px: int) -> list[int]:
    """Place chips along a side: one more than needed to cover it, so that they overlap."""
    count = 1 if side == chip_px else -(-side // chip_px) + 1
    return [round(start) for start in np.linspace(0, side - chip_px, count)]


def _resize(rgb: np.ndarray, height: int, width: int) -> np.ndarray:
    shrinks = height < rgb.shape[0]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(rgb, (width, height), interpolation=method)


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
        content = name_content(read_file(path)[:64])
        if content != TIFF:
            raise DataError(f"{path}: no TIFF, but {content}") from None
        reason = shorten(error.__cause__ or error).replace(str(path), path.name)
        raise DataError(f"{path}: cannot be decoded ({reason})") from None


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
