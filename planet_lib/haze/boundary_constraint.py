"""Boundary-constrained haze removal for views from above, step by step.

In a view from above all ground is equally far away. The transmission therefore changes slowly,
over hundreds of metres, and the airlight is nearly the same in all scenes of one product. The dark
channel prior estimates both from the chip alone; on a clear chip, or on bright ground without
shadows, the estimate is wrong and shadows turn black. This method takes the airlight from the
product unless clouds in the chip are brighter, bounds the radiance of every channel from below,
and closes and smooths the resulting transmission over some 300 m.

References
----------
.. [1] G. Meng, Y. Wang, J. Duan, S. Xiang, C. Pan, "Efficient Image Dehazing with Boundary
   Constraint and Contextual Regularization", ICCV 2013. https://doi.org/10.1109/ICCV.2013.82
.. [2] J. Long, Z. Shi, W. Tang, C. Zhang, "Single Remote Sensing Image Dehazing", IEEE GRSL 11(1),
   2014: a low-pass filter for the atmospheric veil of satellite images.
   https://doi.org/10.1109/LGRS.2013.2245857
"""

import cv2
import numpy as np

from planet_lib.haze.checks import check_image, check_share
from planet_lib.haze.dark_channel import recover_radiance

# Grey levels of red, green and blue. Among 700 real chips, the 35 labelled cloudy have the medians
# (160, 163, 153), and the first percentile of the clearest 2 % of the clear chips is (10, 23, 15).
# Starting there, both were tuned on synthetic chips of known haze.
OVERCAST_LEVELS = (160, 163, 158)
DARK_LEVELS = (6, 20, 18)
BLOCK_PX = 8
CLOUD_PX = 16  # a cloud covers at least one block of this side
CLOUD_MARGIN = 1.1  # a cloud is brighter than overcast by this factor, in every channel
CLOSING_BLOCKS = 13
SMOOTHING_BLOCKS = 3.0  # standard deviation
SMOOTHING_REACH_BLOCKS = 9
T0 = 0.25
OPAQUE, SEEN_THROUGH = 0.1, 0.25  # transmission of an opaque cloud and of removable haze
REACH_PX = BLOCK_PX * (2 * (CLOSING_BLOCKS // 2) + SMOOTHING_REACH_BLOCKS + 1)
NO_WEIGHT = 1e-3  # weight of a transmission of 1, the estimate where there are only clouds


def dehaze_boundary_constraint(
    image: np.ndarray, *, airlight: np.ndarray | None = None, t0: float = T0
) -> np.ndarray:
    """Remove haze with a lower bound on the radiance and a smooth transmission.

    Opaque clouds get the transmission of their surroundings. Where there are only clouds, the
    image stays nearly unchanged.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255.
    airlight : ndarray of shape (3,), float, optional
        RGB, above (6, 20, 18) and up to 255. By default estimated from the image with
        `estimate_airlight_boundary_constraint`.
    t0 : float
        Lower bound of the transmission, above 0 and up to 1. Denser haze is removed only in part,
        since its full removal would mostly amplify noise.

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
    """Estimate the airlight: the colour of the product's overcast chips, or of brighter clouds.

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
    """Estimate the smallest transmission that keeps every channel above its darkest radiance.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255.
    airlight : ndarray of shape (3,), float
        RGB, above the lowest radiance (6, 20, 18) and up to 255.

    Returns
    -------
    ndarray of shape (H, W), float32
        0.1 to 1, smooth over some 300 m.

    Raises
    ------
    ValueError
        `airlight` is not above the lowest radiance.

    References
    ----------
    [1]_ of the module for the lower bound of the radiance and the closing; [2]_ for the smoothing,
    here a weighted mean that leaves out clouds.
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
    """Take the minimum of each channel over blocks; blocks at the border may be smaller."""
    height, width, channels = image.shape
    down, right = -height % side_px, -width % side_px
    if down or right:
        image = cv2.copyMakeBorder(image, 0, down, 0, right, cv2.BORDER_REPLICATE)
    rows = image.reshape(-1, side_px, image.shape[1] * channels).min(axis=1)
    return rows.reshape(len(rows), -1, side_px, channels).min(axis=2)


def _smooth(plane: np.ndarray) -> np.ndarray:
    side = 2 * SMOOTHING_REACH_BLOCKS + 1
    return cv2.GaussianBlur(plane, (side, side), SMOOTHING_BLOCKS, borderType=cv2.BORDER_REFLECT)
