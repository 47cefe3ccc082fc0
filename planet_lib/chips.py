"""One chip: its size, and how to read it right."""

import io
import re
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from planet_lib.errors import DataError

CHIP_PX = 256
READABLE_MODES = ("RGB", "CMYK")
DECODING = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION


def read_chip(path: Path) -> np.ndarray:
    """Read a chip as RGB.

    Planet's JPEGs have four components and no Adobe marker; OpenCV converts them as Pillow does,
    within one level, where TensorFlow's decoder silently returns black.

    Parameters
    ----------
    path : Path

    Returns
    -------
    ndarray of shape (256, 256, 3), uint8
        RGB.

    Raises
    ------
    DataError
        The file is missing, unreadable, truncated, or of another size or mode.
    """
    try:
        data = path.read_bytes()
        with Image.open(io.BytesIO(data)) as header:
            size, mode = header.size, header.mode
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, SyntaxError, ValueError, RuntimeError, Image.DecompressionBombError) as error:
        reason = re.sub(r" <_io.BytesIO object at \w+>", "", str(error))
        raise DataError(f"{path}: cannot be decoded ({reason})") from None
    if size != (CHIP_PX, CHIP_PX):
        width, height = size
        raise DataError(f"{path}: {width} x {height} px, expected {CHIP_PX} x {CHIP_PX}")
    if mode not in READABLE_MODES:
        allowed = " or ".join(READABLE_MODES)
        raise DataError(f"{path}: colour mode {mode}, expected {allowed}")
    # Pillow reads the header, which OpenCV does not tell; OpenCV decodes without Python's lock.
    chip = cv2.imdecode(np.frombuffer(data, np.uint8), DECODING)
    if chip is None:
        raise DataError(f"{path}: cannot be decoded (the image is truncated or damaged)")
    return chip
