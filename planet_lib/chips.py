"""One chip: its size, and how to read it right."""

from pathlib import Path

import numpy as np
from PIL import Image

from planet_lib.errors import DataError

CHIP_PX = 256
READABLE_MODES = ("RGB", "CMYK")


def read_chip(path: Path) -> np.ndarray:
    """Read a chip as RGB.

    Planet's JPEGs have four components and no Adobe marker; Pillow converts them as OpenCV does,
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
        with Image.open(path) as image:
            if image.size != (CHIP_PX, CHIP_PX):
                width, height = image.size
                raise DataError(f"{path}: {width} x {height} px, expected {CHIP_PX} x {CHIP_PX}")
            if image.mode not in READABLE_MODES:
                allowed = " or ".join(READABLE_MODES)
                raise DataError(f"{path}: colour mode {image.mode}, expected {allowed}")
            return np.asarray(image.convert("RGB"))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, SyntaxError, ValueError, RuntimeError, Image.DecompressionBombError) as error:
        reason = str(error).replace(f" {str(path)!r}", "")
        raise DataError(f"{path}: cannot be decoded ({reason})") from None
