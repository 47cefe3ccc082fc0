"""Read a chip: its size and its colours."""

from pathlib import Path

import cv2
import numpy as np
import simplejpeg

from planet_lib.errors import DataError

CHIP_PX = 256


def read_chip(path: Path) -> np.ndarray:
    """Read a chip as RGB, as `decode_chip` does."""
    return decode_chip(read_file(path), path)


def read_file(path: Path) -> bytes:
    """Read a whole file, or raise a DataError that names it."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None


def decode_chip(data: bytes, path: Path, out: np.ndarray | None = None) -> np.ndarray:
    """Decode a chip as RGB.

    The competition's JPEGs have four components and no Adobe marker: inverted CMYK, where RGB is
    the first three times the fourth. OpenCV and Pillow agree within one level; TensorFlow's decoder
    silently returns black.

    Parameters
    ----------
    data : bytes
        The JPEG file.
    path : Path
        The file's path, for error messages.
    out : ndarray of shape (256, 256, 3), uint8, optional
        Array to write the chip to, instead of a new one.

    Returns
    -------
    ndarray of shape (256, 256, 3), uint8
        RGB.

    Raises
    ------
    DataError
        The file is no JPEG, or truncated, or of another size or colour space.
    """
    try:
        height, width, colour_space, _ = simplejpeg.decode_jpeg_header(data)
        if (height, width) != (CHIP_PX, CHIP_PX):
            expected = f"expected {CHIP_PX} x {CHIP_PX}"
            raise DataError(f"{path}: {width} x {height} px, {expected}")
        if colour_space == "Gray":
            raise DataError(f"{path}: a grey image, expected one in colour")
        if colour_space not in ("CMYK", "YCCK"):
            return simplejpeg.decode_jpeg(data, "RGB", buffer=out)
        inverted = simplejpeg.decode_jpeg(data, "CMYK")
    except ValueError as error:
        raise DataError(f"{path}: cannot be decoded ({error})") from None
    rgb = cv2.cvtColor(inverted, cv2.COLOR_RGBA2RGB, out)
    black = cv2.extractChannel(inverted, 3)
    if black.min() < 255:
        cv2.multiply(rgb, cv2.merge([black] * 3), rgb, scale=1 / 255)
    return rgb
