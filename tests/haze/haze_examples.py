"""Scenes of known haze, and the 2018 post's loop over pixels, for the tests and a benchmark."""

import cv2
import numpy as np


def make_radiance(seed: int = 0, side: int = 128) -> np.ndarray:
    """Make a textured scene with a black pixel in every patch, like the shadows of a forest."""
    rng = np.random.default_rng(seed)
    texture = cv2.GaussianBlur(rng.uniform(0, 255, (side, side, 3)), (0, 0), 3)
    leaves = cv2.normalize(texture, None, 20, 160, cv2.NORM_MINMAX)
    leaves[rng.random((side, side)) < 0.15] = 0
    return leaves.astype(np.uint8)


def make_transmission(side: int = 128) -> np.ndarray:
    """Make haze that thins from left to right and hides the scene at the left border."""
    return np.broadcast_to(np.linspace(0, 0.9, side).clip(0.02), (side, side))


def add_haze(
    radiance: np.ndarray, transmission: np.ndarray | float, airlight: np.ndarray
) -> np.ndarray:
    transmission = np.broadcast_to(transmission, radiance.shape[:2])[..., np.newaxis]
    return np.rint(radiance * transmission + airlight * (1 - transmission)).astype(np.uint8)


def measure_psnr(image: np.ndarray, truth: np.ndarray) -> float:
    return 10 * np.log10(255**2 / np.mean((image.astype(float) - truth) ** 2))


def dehaze_by_loop(image: np.ndarray) -> np.ndarray:
    """Remove haze pixel by pixel as the 2018 post does: the reference of `dehaze_pixelwise`."""
    bgr = image[..., ::-1].copy()
    height, width, _ = bgr.shape
    gray = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
    plane = bgr[..., np.unravel_index(np.argmin(bgr), bgr.shape)[2]]
    airlight = int(gray[plane == plane.max()].max())
    radiance = np.zeros_like(bgr)
    for y in range(height):
        for x in range(width):
            window = bgr[max(y - 10, 0) : y + 10, max(x - 10, 0) : x + 10]
            channel = np.unravel_index(np.argmin(window), window.shape)[2]
            transmission = max(1.0 - (0.95 * int(bgr[y, x, channel]) / airlight), 0.55)
            for c in range(3):
                value = (int(bgr[y, x, c]) - airlight) / transmission + airlight
                radiance[y, x, c] = int(max(0, min(value, 255)))
    return radiance[..., ::-1]
