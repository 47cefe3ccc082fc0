"""Local contrast equalisation (CLAHE), which can follow haze removal."""

import cv2
import numpy as np

from planet_lib.haze.checks import check_image

TILE_PX = 32


def equalize_contrast(image: np.ndarray) -> np.ndarray:
    """Equalize the local contrast of the lightness (CLAHE), as the 2018 post does after dehazing.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255.

    Returns
    -------
    ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255. The L channel of LAB is equalized in tiles of 32 pixels with clip limit 3, as
        in the 2018 post.

    References
    ----------
    K. Zuiderveld, "Contrast Limited Adaptive Histogram Equalization", Graphics Gems IV, 1994.
    """
    image = check_image(image)
    height, width = (-(-size // TILE_PX) for size in image.shape[:2])
    lightness, a, b = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2LAB))
    lightness = cv2.createCLAHE(clipLimit=3.0, tileGridSize=(width, height)).apply(lightness)
    return cv2.cvtColor(cv2.merge([lightness, a, b]), cv2.COLOR_LAB2RGB)
