"""Haze removal of the 2018 post and its measure of haziness, reproduced bit for bit.

The 2018 post cites the dark channel prior but differs in two ways: it uses the pixel's own value in
the darkest channel of its window instead of the window's minimum, and one grey airlight instead of
one per channel.
"""

from functools import cache, reduce

import cv2
import numpy as np

from planet_lib.haze.checks import check_image

PIXELWISE_WINDOW_PX = 20
PIXELWISE_OMEGA = 0.95
PIXELWISE_T0 = 0.55
REACH_PX = PIXELWISE_WINDOW_PX // 2


def dehaze_pixelwise(image: np.ndarray, *, airlight: float | None = None) -> np.ndarray:
    """Remove haze as the 2018 post does, bit for bit.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255.
    airlight : float, optional
        0 to 255. By default estimated from the image with `estimate_airlight_pixelwise`.

    Returns
    -------
    ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255, truncated to whole levels.
    """
    table = _tabulate_radiance(estimate_airlight_pixelwise(image) if airlight is None else airlight)
    row = _find_dark_values(image).astype(np.uint16) << 8
    return cv2.merge([np.take(table, row | plane) for plane in cv2.split(image)])


def estimate_airlight_pixelwise(image: np.ndarray) -> float:
    """Estimate the airlight as the 2018 post does.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255.

    Returns
    -------
    float
        The highest grey value, 0 to 255, among the pixels that are brightest in one channel: the
        channel that holds the image's smallest value.
    """
    image = check_image(image)
    red, green, blue = cv2.split(image)
    darkest = np.argmin(reduce(cv2.min, (blue, green, red)))
    plane = min(blue, green, red, key=lambda plane: plane.flat[darkest])
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return float(gray[plane == plane.max()].max())


def estimate_transmission_pixelwise(image: np.ndarray, airlight: float) -> np.ndarray:
    """Estimate the transmission as the 2018 post does.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255.
    airlight : float
        As returned by `estimate_airlight_pixelwise`. At 0, where the 2018 code divides by zero, the
        transmission is 1.

    Returns
    -------
    ndarray of shape (H, W), float64
        0.55 to 1.
    """
    return _tabulate_transmission(airlight)[_find_dark_values(image)]


def measure_haziness(image: np.ndarray) -> tuple[float, float]:
    """Measure how hazy a chip is, as the 2018 post does to classify the weather.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255.

    Returns
    -------
    haziness : float
        0 (clear) to about 1 (hazy); 0 where the airlight is 0.
    airlight : float
        As returned by `estimate_airlight_pixelwise`.
    """
    image = check_image(image)
    airlight = estimate_airlight_pixelwise(image)
    if airlight == 0:
        return 0.0, airlight
    planes = cv2.split(image)
    darkness = reduce(cv2.min, planes).mean()
    contrast = reduce(cv2.max, planes).mean() - darkness
    exponent = 5.1 * (airlight - darkness) / airlight + 2.9 * contrast / airlight
    return float(np.exp(-0.5 * exponent)), airlight


def _find_dark_values(image: np.ndarray) -> np.ndarray:
    """Find each pixel's value in the channel that holds its window's first minimum.

    The 2018 code scans the window row by row, and the channels of a pixel from blue to red.
    """
    planes = np.stack(cv2.split(check_image(image))[::-1])
    blue, green, _ = planes
    smallest = planes.min(axis=0)
    pixels = smallest.size
    # The key sorts by value, then by position, so that one erosion finds the first minimum; float32
    # represents integers up to 24 bits exactly.
    floating, integer = (np.float32, np.int32) if pixels <= 2**16 else (np.float64, np.int64)
    position = np.arange(pixels, dtype=integer).reshape(smallest.shape)
    key = smallest * floating(pixels) + position.astype(floating)
    window = np.ones((PIXELWISE_WINDOW_PX, PIXELWISE_WINDOW_PX), np.uint8)
    anchor = (PIXELWISE_WINDOW_PX // 2, PIXELWISE_WINDOW_PX // 2)
    first = cv2.erode(key, window, anchor=anchor).astype(integer) % integer(pixels)
    channel = np.select([blue == smallest, green == smallest], [0, 1], default=2)
    return np.take(planes, np.take(channel, first) * pixels + position)


def _tabulate_transmission(airlight: float) -> np.ndarray:
    """Tabulate the transmission over the 256 values of the window's darkest channel."""
    if airlight == 0:
        return np.ones(256)
    return np.maximum(1 - PIXELWISE_OMEGA * np.arange(256) / airlight, PIXELWISE_T0)


@cache
def _tabulate_radiance(airlight: float) -> np.ndarray:
    """Tabulate the radiance at ``256 * (value in the darkest channel) + value``."""
    transmission = _tabulate_transmission(airlight)[:, np.newaxis]
    radiance = (np.arange(256) - airlight) / transmission + airlight
    return np.clip(radiance, 0, 255).astype(np.uint8).ravel()
