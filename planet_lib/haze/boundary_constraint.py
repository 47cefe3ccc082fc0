"""A boundary-constrained method for views from above, step by step.

Seen from above, haze lies at one distance everywhere: its transmission changes slowly, over
hundreds of metres of air, and its airlight is nearly the same in all scenes of one product. The
dark channel prior leaves both to be guessed from the chip alone; where a chip is clear, or shows
only bright ground, the guess is wrong and shadows turn black. Here the airlight is that of the
product unless clouds show a brighter one, the radiance of every channel has a lower bound, and
the bound's transmission is closed and smoothed over some 300 m.

References
----------
.. [1] G. Meng, Y. Wang, J. Duan, S. Xiang, C. Pan, "Efficient Image Dehazing with Boundary
   Constraint and Contextual Regularization", ICCV 2013. https://doi.org/10.1109/ICCV.2013.82
.. [2] J. Long, Z. Shi, W. Tang, C. Zhang, "Single Remote Sensing Image Dehazing", IEEE GRSL 11(1),
   2014, which smooths the atmospheric veil of satellite images by a low-pass filter.
   https://doi.org/10.1109/LGRS.2013.2245857
"""

import cv2
import numpy as np

from planet_lib.haze.checks import check_image, check_share
from planet_lib.haze.dark_channel import recover_radiance

# Levels of red, green and blue. Of 700 chips of train-jpg, the 35 labelled cloudy have the medians
# 160, 163 and 153, and in the clearest fiftieth of the clear ones the darkest hundredth of the
# pixels reaches 10, 23 and 15. From there both were set on synthetic chips of known haze.
OVERCAST_LEVELS = (160, 163, 158)
DARK_LEVELS = (6, 20, 18)
BLOCK_PX = 8
CLOUD_PX = 16  # a cloud fills at least one block of this side
CLOUD_MARGIN = 1.1  # and is so much brighter there than overcast, in every channel
CLOSING_BLOCKS = 13
SMOOTHING_BLOCKS = 3.0  # standard deviation
SMOOTHING_REACH_BLOCKS = 9
T0 = 0.25
OPAQUE, SEEN_THROUGH = 0.1, 0.25  # transmission of a cloud, and of haze that can be removed
REACH_PX = BLOCK_PX * (2 * (CLOSING_BLOCKS // 2) + SMOOTHING_REACH_BLOCKS + 1)
NO_WEIGHT = 1e-3  # of a transmission of 1, which stands where there are only clouds


def dehaze_boundary_constraint(
    image: np.ndarray, *, airlight: np.ndarray | None = None, t0: float = T0
) -> np.ndarray:
    """Remove haze by a lower bound of the radiance and a smooth transmission.

    Clouds, through which nothing is seen, keep the transmission of their surroundings; where there
    are only clouds, the image is left as it is.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255.
    airlight : ndarray of shape (3,), float, optional
        RGB, above (6, 20, 18) and up to 255. By default it is estimated from the image with
        `estimate_airlight_boundary_constraint`.
    t0 : float
        Lower bound of the transmission, above 0 and up to 1. Denser haze stays in part, where its
        removal would show little but noise.

    Returns
    -------
    ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255.

    References
    ----------
    [1]_ and [2]_ of the module.
    """
    check_share("t0", t0)
    light = estimate_airlight_boundary_constraint(image) if airlight is None else airlight
    return recover_radiance(
        image, estimate_transmission_boundary_constraint(image, light), light, t0=t0
    )


def estimate_airlight_boundary_constraint(image: np.ndarray) -> np.ndarray:
    """Estimate the airlight: that of an overcast chip, or of brighter clouds where there are any.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255.

    Returns
    -------
    ndarray of shape (3,), float32
        RGB, 0 to 255.
    """
    overcast = np.float32(OVERCAST_LEVELS)
    image = check_image(image)
    darkest = _shrink(image, CLOUD_PX).min(axis=2)
    if darkest.max() <= CLOUD_MARGIN * overcast.max():
        return overcast
    row, column = CLOUD_PX * np.array(np.unravel_index(darkest.argmax(), darkest.shape))
    cloud = image[row : row + CLOUD_PX, column : column + CLOUD_PX]
    return np.maximum(cloud.mean(axis=(0, 1), dtype=np.float32), overcast)


def estimate_transmission_boundary_constraint(
    image: np.ndarray, airlight: np.ndarray
) -> np.ndarray:
    """Estimate the least transmission that leaves no channel darker than ground can be, smoothly.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255.
    airlight : ndarray of shape (3,), float
        RGB, above 6, 20 and 18, the least levels of the radiance, and up to 255.

    Returns
    -------
    ndarray of shape (H, W), float32
        0.1 to 1.

    Raises
    ------
    ValueError
        `airlight` is not above the least levels.

    References
    ----------
    [1]_ of the module for the lower bound of the radiance and the closing; [2]_ for the smoothing,
    here a weighted mean over what is no cloud.
    """
    image, light = check_image(image), np.float32(airlight)
    if not (light > np.float32(DARK_LEVELS)).all():
        raise ValueError(f"airlight is {light}; allowed: above {DARK_LEVELS}, such as 160")
    darkest = _shrink(image, BLOCK_PX)
    bound = ((light - darkest) / (light - np.float32(DARK_LEVELS))).max(axis=2).clip(0, 1)
    closed = cv2.morphologyEx(bound, cv2.MORPH_CLOSE, np.ones((CLOSING_BLOCKS,) * 2, np.uint8))
    weight = np.clip((closed - OPAQUE) / (SEEN_THROUGH - OPAQUE), 0, 1)
    smooth = (_smooth(weight * closed) + NO_WEIGHT) / (_smooth(weight) + NO_WEIGHT)
    height, width = (BLOCK_PX * size for size in smooth.shape)
    return cv2.resize(smooth, (width, height))[: image.shape[0], : image.shape[1]]


def _shrink(image: np.ndarray, side_px: int) -> np.ndarray:
    """Take the smallest value of each channel in each block; the last blocks may be cut."""
    height, width, channels = image.shape
    down, right = -height % side_px, -width % side_px
    if down or right:
        image = cv2.copyMakeBorder(image, 0, down, 0, right, cv2.BORDER_REPLICATE)
    rows = image.reshape(-1, side_px, image.shape[1] * channels).min(axis=1)
    return rows.reshape(len(rows), -1, side_px, channels).min(axis=2)


def _smooth(plane: np.ndarray) -> np.ndarray:
    side = 2 * SMOOTHING_REACH_BLOCKS + 1
    return cv2.GaussianBlur(plane, (side, side), SMOOTHING_BLOCKS, borderType=cv2.BORDER_REFLECT)
