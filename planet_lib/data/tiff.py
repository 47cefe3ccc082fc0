"""Read the competition's TIFF chips, with four bands of radiance, and compare them with JPEGs."""

import csv
import re
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning, RasterioIOError

from planet_lib.data.chips import CHIP_PX, read_file
from planet_lib.data.content import TIFF, name_content
from planet_lib.data.label_table import check_columns
from planet_lib.errors import DataError

FILE_BANDS = ("blue", "green", "red", "near infrared")
RED_GREEN_BLUE = (3, 2, 1)  # as the file numbers them
MAX_BLOCK_PX = 1024  # the decoder allocates a whole tile of the size that the header claims
MAX_SHIFT_PX = CHIP_PX // 4  # so that more than half of two chips overlaps
# Air alone scatters more blue light than this into a camera above it. Reflectance x 10,000 is
# below: 100 to 1000 at the surface, some 1000 at the top of the atmosphere.
MIN_BLUE_DN = 2000
TIFF_NAME = re.compile(r"[\w-]+\.tif")

# Red, green, blue. The TIFFs' moments, in digital numbers, are those with which a public solution
# normalises train-tif-v2; the JPEGs' moments were measured on 700 chips of train-jpg.
TIFF_MEAN_DN = np.array([3075, 4271, 4989], dtype=np.float32)
TIFF_STD_DN = np.array([797, 710, 789], dtype=np.float32)
JPEG_MEAN = np.array([79.8, 87.4, 76.6], dtype=np.float32)
JPEG_STD = np.array([42.0, 35.8, 34.2], dtype=np.float32)

# Warning filters are global: only one thread at a time may change them.
_opening = threading.Lock()


@dataclass(frozen=True)
class Agreement:
    """How well a chip's TIFF and JPEG match.

    Pearson's correlation of the grey images: -1 to 1, or nan if one of them is constant.
    """

    correlation: float  # without a shift
    shift_px: tuple[int, int]  # of the JPEG's content from the TIFF's, down and right
    shifted_correlation: float  # of the overlap after undoing the shift


def read_tiff(path: Path) -> np.ndarray:
    """Read a TIFF chip.

    Parameters
    ----------
    path : Path
        Four bands in the competition's order: blue, green, red, near infrared.

    Returns
    -------
    ndarray of shape (256, 256, 3), uint16
        RGB in digital numbers: at-sensor radiance in hundredths of W / (m² sr µm), some thousands
        for land, 0 for no data.

    Raises
    ------
    DataError
        The file is missing, unreadable, truncated, empty, of another size, band count or type, or
        holds reflectance.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file")
    try:
        # Without EMPTY_DIR, GDAL lists the folder of each chip in search of related files.
        with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"), _open_tiff(path) as source:
            _check_header(path, source)
            bands = source.read(RED_GREEN_BLUE)
    except RasterioIOError as error:
        content = name_content(read_file(path)[:64])
        if content != TIFF:
            raise DataError(f"{path}: no TIFF, but {content}") from None
        reason = str(error.__cause__ or error).replace(str(path), path.name)
        raise DataError(f"{path}: cannot be decoded ({reason})") from None
    if not bands.any():
        raise DataError(f"{path}: every value is 0, as after an interrupted copy")
    if np.median(bands[-1][bands.any(axis=0)]) < MIN_BLUE_DN:
        raise DataError(
            f"{path}: values of reflectance (median of blue below {MIN_BLUE_DN}), expected "
            "radiance as in the competition's TIFFs; give JPEGs, or convert it"
        )
    return np.moveaxis(bands, 0, -1)


def stretch_to_visual(bands: np.ndarray) -> np.ndarray:
    """Stretch a TIFF chip to the brightness and contrast of the competition's JPEGs.

    The stretch is linear and the same for every chip, so that brightness stays comparable. It maps
    the mean and standard deviation of all TIFFs to those of all JPEGs, band by band. Black is then
    1561, 2538 and 3222 (red, green, blue), white 6400, 7595 and 9105. Planet stretches its visual
    product per scene and not linearly, so single chips differ from their JPEG.

    Parameters
    ----------
    bands : ndarray of shape (..., 3), uint16
        RGB in digital numbers.

    Returns
    -------
    ndarray of shape (..., 3), uint8
        RGB.
    """
    levels = (bands - TIFF_MEAN_DN) * (JPEG_STD / TIFF_STD_DN) + JPEG_MEAN
    return np.rint(levels).clip(0, 255).astype(np.uint8)


def measure_agreement(tiff_rgb: np.ndarray, jpeg_rgb: np.ndarray) -> Agreement:
    """Measure whether a TIFF and a JPEG show the same chip, and the shift between them.

    The shift, at most 64 px, is found by phase correlation; it is (0, 0) if no shift correlates
    better.

    Parameters
    ----------
    tiff_rgb, jpeg_rgb : ndarray of shape (H, W, 3), uint8
        RGB, the first from `stretch_to_visual`.

    Returns
    -------
    Agreement
    """
    tiff, jpeg = (rgb.mean(axis=-1, dtype=np.float32) for rgb in (tiff_rgb, jpeg_rgb))
    correlation = _correlate(tiff, jpeg)
    unshifted = Agreement(correlation, (0, 0), correlation)
    if np.isnan(correlation):
        return unshifted
    window = cv2.createHanningWindow(tiff.shape[::-1], cv2.CV_32F)
    (right, down), _ = cv2.phaseCorrelate(tiff - tiff.mean(), jpeg - jpeg.mean(), window)
    shift = round(down), round(right)
    if max(map(abs, shift)) > MAX_SHIFT_PX:
        return unshifted
    shifted = _correlate(_crop(tiff, *shift), _crop(jpeg, -shift[0], -shift[1]))
    return Agreement(correlation, shift, shifted) if shifted > correlation else unshifted


def read_file_mapping(path: Path) -> dict[str, str]:
    """Read the mapping from TIFFs of the additional test set to the chips that they show.

    In the competition's ``test-tif-v2.tar.7z`` the names ``file_N.tif`` do not correspond to
    ``file_N.jpg``: the file called `old` shows the chip called `new`. The names ``test_N.tif`` and
    ``train_N.tif`` are correct and not listed. If the files were renamed already, the data set must
    not contain this table.

    Parameters
    ----------
    path : Path
        The competition's ``test_v2_file_mapping.csv``.

    Returns
    -------
    dict of str to str
        From a file name to the name of the chip that it shows, both with ``.tif``.

    Raises
    ------
    DataError
        The file is missing or not such a table, or a name is invalid or repeated.

    References
    ----------
    https://www.kaggle.com/c/planet-understanding-the-amazon-from-space/discussion/33375
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            rows = [(table.line_num, row) for row in table]
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a CSV table ({error})") from None
    if not rows:
        raise DataError(f"{path}: has no rows; download it again")
    check_columns(path, ("old", "new"), table.fieldnames)
    for column in ("old", "new"):
        seen = set()
        for line, row in rows:
            name = row[column] or ""
            if not TIFF_NAME.fullmatch(name):
                raise DataError(f"{path}, line {line}: {name!r} is not a name like file_0.tif")
            if name in seen:
                raise DataError(f"{path}, line {line}: {name} is repeated in column {column!r}")
            seen.add(name)
    return {row["old"]: row["new"] for _, row in rows}


def _open_tiff(path: Path) -> rasterio.DatasetReader:
    with _opening, warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning):
        return rasterio.open(path, driver="GTiff", sharing=False)


def _check_header(path: Path, source: rasterio.DatasetReader) -> None:
    """Refuse a file that is not a chip before anything of its claimed size is allocated."""
    if (source.width, source.height) != (CHIP_PX, CHIP_PX):
        raise DataError(
            f"{path}: {source.width} x {source.height} px, expected {CHIP_PX} x {CHIP_PX}"
        )
    if source.count != len(FILE_BANDS):
        expected = f"{len(FILE_BANDS)} ({', '.join(FILE_BANDS)})"
        raise DataError(f"{path}: band count {source.count}, expected {expected}")
    if set(source.dtypes) != {"uint16"}:
        raise DataError(f"{path}: type {source.dtypes[0]}, expected uint16")
    height, width = source.block_shapes[0]
    if max(height, width) > MAX_BLOCK_PX:
        raise DataError(f"{path}: tiles of {width} x {height} px, expected {MAX_BLOCK_PX} at most")


def _crop(image: np.ndarray, down: int, right: int) -> np.ndarray:
    """Crop to the part that stays in the frame when the content moves down and right."""
    height, width = image.shape
    rows = slice(max(-down, 0), height - max(down, 0))
    return image[rows, max(-right, 0) : width - max(right, 0)]


def _correlate(a: np.ndarray, b: np.ndarray) -> float:
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])
