"""Haze removal: the origin's pixel method and He's dark channel prior, both step by step.

Both invert the haze model I = J t + A (1 - t) [1]_: the camera sees I, the scene radiance J
weakened by the transmission t, and the airlight A that the haze scatters in its place.

References
----------
.. [1] K. He, J. Sun, X. Tang, "Single Image Haze Removal Using Dark Channel Prior", TPAMI 33(12),
   2011, equation 1. https://doi.org/10.1109/TPAMI.2010.168
.. [2] K. He, J. Sun, X. Tang, "Guided Image Filtering", TPAMI 35(6), 2013.
   https://doi.org/10.1109/TPAMI.2012.213
"""

from functools import cache, partial, reduce

import cv2
import numpy as np

ORIGIN_WINDOW_PX = 20
ORIGIN_OMEGA = 0.95
ORIGIN_T0 = 0.55


def remove_haze(
    image: np.ndarray, *, method: str = "dark_channel", clahe: bool = False
) -> np.ndarray:
    """Remove the haze of one chip.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255. It is not changed.
    method : str
        A name in `METHODS`: ``"dark_channel"`` for `dehaze_dark_channel` or ``"origin"`` for
        `dehaze_origin`.
    clahe : bool
        Whether `equalize_contrast` follows.

    Returns
    -------
    ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255.

    Raises
    ------
    TypeError
        `image` is no array of uint8.
    ValueError
        `image` has another shape, or `method` is unknown.
    """
    if method not in METHODS:
        raise ValueError(f"method is {method!r}; allowed: {', '.join(sorted(METHODS))}")
    radiance = METHODS[method](image)
    return equalize_contrast(radiance) if clahe else radiance


def equalize_contrast(image: np.ndarray) -> np.ndarray:
    """Equalize the local contrast of the lightness (CLAHE), as the origin does after dehazing.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255.

    Returns
    -------
    ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255. L of LAB is equalized in 8 x 8 tiles with clip limit 3, the origin's values.

    References
    ----------
    K. Zuiderveld, "Contrast Limited Adaptive Histogram Equalization", Graphics Gems IV, 1994.
    """
    lightness, a, b = cv2.split(cv2.cvtColor(_check_image(image), cv2.COLOR_RGB2LAB))
    lightness = cv2.createCLAHE(clipLimit=3.0, tileGridSize=(8, 8)).apply(lightness)
    return cv2.cvtColor(cv2.merge([lightness, a, b]), cv2.COLOR_LAB2RGB)


def dehaze_dark_channel(
    image: np.ndarray,
    *,
    patch_px: int = 15,
    omega: float = 0.95,
    t0: float = 0.1,
    radius_px: int = 20,
    epsilon: float = 1e-3,
) -> np.ndarray:
    """Remove haze with He's dark channel prior, refined by the guided filter.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255.
    patch_px : int
        Side of the dark channel's patch in pixels, odd; 15 in [1]_.
    omega : float
        Share of the haze that is removed, above 0 and up to 1; 0.95 in [1]_, equation 12.
    t0 : float
        Lower bound of the transmission, above 0 and up to 1; 0.1 in [1]_, equation 22.
    radius_px, epsilon : int and float
        Radius in pixels and regularization of the guided filter; 20 and 0.001 in [2]_, for haze
        removal.

    Returns
    -------
    ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255.

    References
    ----------
    [1]_ and [2]_ of the module.
    """
    airlight = estimate_airlight(image, compute_dark_channel(image, patch_px=patch_px))
    transmission = estimate_transmission(image, airlight, patch_px=patch_px, omega=omega)
    refined = refine_transmission(transmission, image, radius_px=radius_px, epsilon=epsilon)
    return recover_radiance(image, refined, airlight, t0=t0)


def compute_dark_channel(image: np.ndarray, *, patch_px: int = 15) -> np.ndarray:
    """Compute the dark channel: the smallest value of any channel in the patch around a pixel.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255.
    patch_px : int
        Side of the square patch in pixels, odd. It is cut at the border.

    Returns
    -------
    ndarray of shape (H, W), uint8
        0 to 255. Without haze it is near 0.

    References
    ----------
    [1]_ of the module, equation 5.
    """
    return _erode(reduce(cv2.min, cv2.split(_check_image(image))), patch_px)


def estimate_airlight(image: np.ndarray, dark_channel: np.ndarray) -> np.ndarray:
    """Estimate the colour of the airlight where the dark channel is brightest.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255.
    dark_channel : ndarray of shape (H, W), uint8
        As `compute_dark_channel` returns it.

    Returns
    -------
    ndarray of shape (3,), float32
        RGB, 1 to 255: the mean of the lightest pixels of `image` among the brightest 0.1 % of the
        dark channel, at least one level so that it can divide.

    References
    ----------
    [1]_ of the module, "Estimating the Atmospheric Light".
    """
    image = _check_image(image)
    rank = dark_channel.size - max(1, dark_channel.size // 1000)
    haziest = image[dark_channel >= np.partition(dark_channel, rank, axis=None)[rank]]
    lightness = haziest.sum(axis=1)
    return np.maximum(haziest[lightness == lightness.max()].mean(axis=0, dtype=np.float32), 1)


def estimate_transmission(
    image: np.ndarray, airlight: np.ndarray, *, patch_px: int = 15, omega: float = 0.95
) -> np.ndarray:
    """Estimate the transmission from the dark channel of the image divided by the airlight.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255.
    airlight : ndarray of shape (3,), float
        RGB, above 0, up to 255.
    patch_px : int
        Side of the square patch in pixels, odd.
    omega : float
        Share of the haze that is removed, above 0 and up to 1.

    Returns
    -------
    ndarray of shape (H, W), float32
        1 - `omega` (all haze) to 1 (no haze), constant over patches.

    References
    ----------
    [1]_ of the module, equation 12.
    """
    _check_share("omega", omega)
    planes = zip(cv2.split(_check_image(image)), np.float32(airlight), strict=True)
    haze = reduce(np.minimum, (plane / light for plane, light in planes))
    return 1 - np.float32(omega) * np.minimum(_erode(haze, patch_px), 1)


def refine_transmission(
    transmission: np.ndarray, image: np.ndarray, *, radius_px: int = 20, epsilon: float = 1e-3
) -> np.ndarray:
    """Make the transmission follow the edges of the image with the guided filter.

    Parameters
    ----------
    transmission : ndarray of shape (H, W), float32
        0 to 1.
    image : ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255; its gray value, scaled to 0 to 1, is the guide.
    radius_px : int
        The filter's windows have sides of ``2 * radius_px + 1`` pixels and mirror the border.
    epsilon : float
        Variance of the guide below which a window is smoothed.

    Returns
    -------
    ndarray of shape (H, W), float32
        0 to 1.

    References
    ----------
    [2]_ of the module, algorithm 1.
    """
    if radius_px < 1:
        raise ValueError(f"radius_px is {radius_px}; allowed: from 1, such as 20")
    if epsilon <= 0:
        raise ValueError(f"epsilon is {epsilon}; allowed: above 0, such as 0.001")
    side = 2 * radius_px + 1
    mean = partial(cv2.boxFilter, ddepth=-1, ksize=(side, side), borderType=cv2.BORDER_REFLECT)
    guide = cv2.cvtColor(_check_image(image), cv2.COLOR_RGB2GRAY) / np.float32(255)
    mean_guide, mean_transmission = mean(guide), mean(transmission)
    variance = mean(guide * guide) - mean_guide * mean_guide
    covariance = mean(guide * transmission) - mean_guide * mean_transmission
    slope = covariance / (variance + np.float32(epsilon))
    offset = mean_transmission - slope * mean_guide
    return np.clip(mean(slope) * guide + mean(offset), 0, 1)


def recover_radiance(
    image: np.ndarray, transmission: np.ndarray, airlight: np.ndarray, *, t0: float = 0.1
) -> np.ndarray:
    """Recover the scene radiance from the haze model.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255.
    transmission : ndarray of shape (H, W), float32
        0 to 1.
    airlight : ndarray of shape (3,), float
        RGB, 0 to 255.
    t0 : float
        Lower bound of the transmission, above 0 and up to 1: it keeps noise from being amplified.

    Returns
    -------
    ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255, rounded.

    References
    ----------
    [1]_ of the module, equation 22.
    """
    _check_share("t0", t0)
    bounded = np.maximum(transmission, np.float32(t0))
    planes = zip(cv2.split(_check_image(image)), np.float32(airlight), strict=True)
    radiance = (np.rint((plane - light) / bounded + light) for plane, light in planes)
    return cv2.merge([np.clip(plane, 0, 255).astype(np.uint8) for plane in radiance])


def dehaze_origin(image: np.ndarray) -> np.ndarray:
    """Remove haze as the origin does, to the bit.

    The origin cites the dark channel prior, but takes a pixel's own value where the prior takes the
    smallest of its window, and one airlight for all channels.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255.

    Returns
    -------
    ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255, truncated.
    """
    table = _tabulate_radiance(estimate_airlight_origin(image))
    row = _find_dark_values(image).astype(np.uint16) << 8
    return cv2.merge([np.take(table, row | plane) for plane in cv2.split(image)])


def estimate_airlight_origin(image: np.ndarray) -> float:
    """Estimate the airlight as the origin does.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255.

    Returns
    -------
    float
        The largest gray value, 0 to 255, among the pixels that are brightest in the channel that
        holds the chip's smallest value.
    """
    image = _check_image(image)
    red, green, blue = cv2.split(image)
    darkest = np.argmin(reduce(cv2.min, (blue, green, red)))
    plane = min(blue, green, red, key=lambda plane: plane.flat[darkest])
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return float(gray[plane == plane.max()].max())


def estimate_transmission_origin(image: np.ndarray, airlight: float) -> np.ndarray:
    """Estimate the transmission as the origin does.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255.
    airlight : float
        As `estimate_airlight_origin` returns it. At 0, where the origin divides by zero, there is
        no haze.

    Returns
    -------
    ndarray of shape (H, W), float64
        0.55 to 1.
    """
    return _tabulate_transmission(airlight)[_find_dark_values(image)]


def measure_haziness(image: np.ndarray) -> tuple[float, float]:
    """Measure how hazy a chip is, as the origin does before it classifies the weather.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255.

    Returns
    -------
    haziness : float
        0 (clear) to about 1 (hazy), and 0 where the airlight is 0.
    airlight : float
        As `estimate_airlight_origin` returns it.
    """
    image = _check_image(image)
    airlight = estimate_airlight_origin(image)
    if airlight == 0:
        return 0.0, airlight
    planes = cv2.split(image)
    darkness = reduce(cv2.min, planes).mean()
    contrast = reduce(cv2.max, planes).mean() - darkness
    exponent = 5.1 * (airlight - darkness) / airlight + 2.9 * contrast / airlight
    return float(np.exp(-0.5 * exponent)), airlight


METHODS = {"origin": dehaze_origin, "dark_channel": dehaze_dark_channel}


def _find_dark_values(image: np.ndarray) -> np.ndarray:
    """Find each pixel's value in the channel that holds its window's first smallest value.

    The origin scans the window by rows, and a pixel's channels from blue to red.
    """
    planes = np.stack(cv2.split(_check_image(image))[::-1])
    blue, green, _ = planes
    smallest = planes.min(axis=0)
    pixels = smallest.size
    # A key orders pixels by value, then by position: one erosion finds both. float32 holds 24 bits.
    floating, integer = (np.float32, np.int32) if pixels <= 2**16 else (np.float64, np.int64)
    position = np.arange(pixels, dtype=integer).reshape(smallest.shape)
    key = smallest * floating(pixels) + position.astype(floating)
    window = np.ones((ORIGIN_WINDOW_PX, ORIGIN_WINDOW_PX), np.uint8)
    anchor = (ORIGIN_WINDOW_PX // 2, ORIGIN_WINDOW_PX // 2)
    first = cv2.erode(key, window, anchor=anchor).astype(integer) % integer(pixels)
    channel = np.select([blue == smallest, green == smallest], [0, 1], default=2)
    return np.take(planes, np.take(channel, first) * pixels + position)


def _tabulate_transmission(airlight: float) -> np.ndarray:
    """Tabulate the origin's transmission over the 256 values of the window's channel."""
    if airlight == 0:
        return np.ones(256)
    return np.maximum(1 - ORIGIN_OMEGA * np.arange(256) / airlight, ORIGIN_T0)


@cache
def _tabulate_radiance(airlight: float) -> np.ndarray:
    """Tabulate the origin's radiance at ``256 * value in the window's channel + value``."""
    transmission = _tabulate_transmission(airlight)[:, np.newaxis]
    radiance = (np.arange(256) - airlight) / transmission + airlight
    return np.clip(radiance, 0, 255).astype(np.uint8).ravel()


def _erode(plane: np.ndarray, patch_px: int) -> np.ndarray:
    """Take the smallest value of the patch around each pixel."""
    if patch_px < 1 or patch_px % 2 == 0:
        raise ValueError(f"patch_px is {patch_px}; allowed: odd numbers from 1, such as 15")
    return cv2.erode(plane, np.ones((patch_px, patch_px), np.uint8))


def _check_share(name: str, share: float) -> None:
    """Refuse a share that is not above 0 and up to 1."""
    if not 0 < share <= 1:
        raise ValueError(f"{name} is {share}; allowed: above 0, up to 1")


def _check_image(image: np.ndarray) -> np.ndarray:
    """Return the image as contiguous array if it is RGB in uint8, else say how to make it so."""
    if not isinstance(image, np.ndarray):
        raise TypeError(
            f"image is a {type(image).__name__}; allowed: an ndarray; call np.asarray(image) first"
        )
    if image.dtype != np.uint8:
        raise TypeError(
            f"image has dtype {image.dtype}; allowed: uint8 from 0 to 255; scale, round and "
            "convert with .astype(np.uint8) first"
        )
    if image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(
            f"image has shape {image.shape}; allowed: (H, W, 3) in RGB with at least one pixel; "
            "repeat a gray image with np.dstack([image] * 3), drop further bands with "
            "image[..., :3]"
        )
    return np.ascontiguousarray(image)
