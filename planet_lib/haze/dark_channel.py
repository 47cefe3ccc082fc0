"""He's dark channel prior, step by step.

References
----------
.. [1] K. He, J. Sun, X. Tang, "Single Image Haze Removal Using Dark Channel Prior", TPAMI 33(12),
   2011, equation 1. https://doi.org/10.1109/TPAMI.2010.168
.. [2] K. He, J. Sun, X. Tang, "Guided Image Filtering", TPAMI 35(6), 2013.
   https://doi.org/10.1109/TPAMI.2012.213
"""

from functools import partial, reduce

import cv2
import numpy as np

from planet_lib.haze.checks import check_image, check_share

PATCH_PX = 15
RADIUS_PX = 20
OMEGA = 0.95
T0 = 0.1
EPSILON = 1e-3
REACH_PX = PATCH_PX // 2 + 2 * RADIUS_PX


def dehaze_dark_channel(
    image: np.ndarray,
    *,
    airlight: np.ndarray | None = None,
    patch_px: int = PATCH_PX,
    omega: float = OMEGA,
    t0: float = T0,
    radius_px: int = RADIUS_PX,
    epsilon: float = EPSILON,
) -> np.ndarray:
    """Remove haze with He's dark channel prior, refined by the guided filter.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255.
    airlight : ndarray of shape (3,), float, optional
        RGB, above 0 and up to 255; `estimate_airlight_dark_channel` of the image by default.
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
    if airlight is None:
        airlight = estimate_airlight_dark_channel(image, patch_px=patch_px)
    coarse = estimate_coarse_transmission(image, airlight, patch_px=patch_px, omega=omega)
    refined = refine_transmission(coarse, image, radius_px=radius_px, epsilon=epsilon)
    return recover_radiance(image, refined, airlight, t0=t0)


def compute_dark_channel(image: np.ndarray, *, patch_px: int = PATCH_PX) -> np.ndarray:
    """Compute the dark channel: the minimum over channels and over the patch around a pixel.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255.
    patch_px : int
        Side of the square patch in pixels, odd. Patches are cropped at the border.

    Returns
    -------
    ndarray of shape (H, W), uint8
        0 to 255; near 0 without haze.

    References
    ----------
    [1]_ of the module, equation 5.
    """
    return _erode(reduce(cv2.min, cv2.split(check_image(image))), patch_px)


def estimate_airlight_dark_channel(image: np.ndarray, *, patch_px: int = PATCH_PX) -> np.ndarray:
    """Estimate the colour of the airlight where the dark channel is brightest.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255.
    patch_px : int
        Side of the dark channel's patch in pixels, odd.

    Returns
    -------
    ndarray of shape (3,), float32
        RGB, 1 to 255: the mean of the brightest pixels of `image` among the 0.1 % with the highest
        dark channel. At least 1, since other steps divide by it.

    References
    ----------
    [1]_ of the module, "Estimating the Atmospheric Light".
    """
    dark_channel = compute_dark_channel(image, patch_px=patch_px)
    rank = dark_channel.size - max(1, dark_channel.size // 1000)
    haziest = check_image(image)[dark_channel >= np.partition(dark_channel, rank, axis=None)[rank]]
    lightness = haziest.sum(axis=1)
    return np.maximum(haziest[lightness == lightness.max()].mean(axis=0, dtype=np.float32), 1)


def estimate_transmission_dark_channel(image: np.ndarray, airlight: np.ndarray) -> np.ndarray:
    """Estimate the transmission and refine it with the guided filter.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255.
    airlight : ndarray of shape (3,), float
        RGB, above 0, up to 255.

    Returns
    -------
    ndarray of shape (H, W), float32
        0 to 1.
    """
    return refine_transmission(estimate_coarse_transmission(image, airlight), image)


def estimate_coarse_transmission(
    image: np.ndarray, airlight: np.ndarray, *, patch_px: int = PATCH_PX, omega: float = OMEGA
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
    check_share("omega", omega)
    planes = zip(cv2.split(check_image(image)), np.float32(airlight), strict=True)
    haze = reduce(np.minimum, (plane / light for plane, light in planes))
    return 1 - np.float32(omega) * np.minimum(_erode(haze, patch_px), 1)


def refine_transmission(
    transmission: np.ndarray,
    image: np.ndarray,
    *,
    radius_px: int = RADIUS_PX,
    epsilon: float = EPSILON,
) -> np.ndarray:
    """Align the transmission with the edges of the image, using the guided filter.

    Parameters
    ----------
    transmission : ndarray of shape (H, W), float32
        0 to 1.
    image : ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255; its gray value, scaled to 0 to 1, is the guide.
    radius_px : int
        The filter's windows have sides of ``2 * radius_px + 1`` pixels; the image is mirrored at
        its border.
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
    guide = cv2.cvtColor(check_image(image), cv2.COLOR_RGB2GRAY) / np.float32(255)
    mean_guide, mean_transmission = mean(guide), mean(transmission)
    variance = mean(guide * guide) - mean_guide * mean_guide
    covariance = mean(guide * transmission) - mean_guide * mean_transmission
    slope = covariance / (variance + np.float32(epsilon))
    offset = mean_transmission - slope * mean_guide
    return np.clip(mean(slope) * guide + mean(offset), 0, 1)


def recover_radiance(
    image: np.ndarray, transmission: np.ndarray, airlight: np.ndarray, *, t0: float = T0
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
        Lower bound of the transmission, above 0 and up to 1, which limits the amplification of
        noise.

    Returns
    -------
    ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255, rounded.

    References
    ----------
    [1]_ of the module, equation 22.
    """
    check_share("t0", t0)
    bounded = np.maximum(transmission, np.float32(t0))
    planes = zip(cv2.split(check_image(image)), np.float32(airlight), strict=True)
    radiance = (np.rint((plane - light) / bounded + light) for plane, light in planes)
    return cv2.merge([np.clip(plane, 0, 255).astype(np.uint8) for plane in radiance])


def _erode(plane: np.ndarray, patch_px: int) -> np.ndarray:
    """Take the minimum over the patch around each pixel."""
    if patch_px < 1 or patch_px % 2 == 0:
        raise ValueError(f"patch_px is {patch_px}; allowed: odd numbers from 1, such as 15")
    return cv2.erode(plane, np.ones((patch_px, patch_px), np.uint8))
