"""Random fields, blobs and lines: the building blocks of the synthetic Amazon."""

import cv2
import numpy as np


def draw_noise(
    rng: np.random.Generator, size_px: int, *, cell_px: float, octaves: int = 1, gain: float = 0.5
) -> np.ndarray:
    """Draw smooth fractal noise, a sum of octaves.

    Parameters
    ----------
    rng : numpy.random.Generator
        Random generator.
    size_px : int
        Side of the field.
    cell_px : float
        Wavelength of the coarsest octave, in pixels.
    octaves : int
        Number of octaves; each has half the wavelength of the one before.
    gain : float
        Ratio of an octave's amplitude to that of the one before.

    Returns
    -------
    ndarray of shape (size_px, size_px), float32
        Mean 0, standard deviation 1.
    """
    side = max(2, round(size_px / cell_px)) + 1
    field = rng.random((side, side), dtype=np.float32) - 0.5
    amplitude = 1.0
    for _ in range(octaves - 1):
        if side >= size_px:
            break
        side *= 2
        amplitude *= gain
        field = cv2.resize(field, (side, side), interpolation=cv2.INTER_LINEAR)
        field += (rng.random((side, side), dtype=np.float32) - 0.5) * np.float32(amplitude)
    field = cv2.resize(field, (size_px, size_px), interpolation=cv2.INTER_CUBIC)
    return standardize(field)


def standardize(field: np.ndarray) -> np.ndarray:
    """Standardize a float32 field in place to mean 0 and standard deviation 1; return it."""
    mean, spread = cv2.meanStdDev(field)
    field -= np.float32(mean[0, 0])
    field *= np.float32(1.0 / max(spread[0, 0], 1e-6))
    return field


def ramp(field: np.ndarray, low: float, high: float) -> np.ndarray:
    """Map `low` to 0 and `high` to 1, linear between them and constant outside.

    Examples
    --------
    >>> ramp(np.float32([0, 1, 2, 3]), 1, 2).tolist()
    [0.0, 0.0, 1.0, 1.0]
    """
    scaled = (field - np.float32(low)) * np.float32(1.0 / (high - low))
    return np.clip(scaled, 0.0, 1.0, out=scaled)


def around(centre: float, width: float) -> tuple[float, float]:
    """Return the ends (low, high) of an interval, for `ramp`."""
    return float(centre) - width / 2, float(centre) + width / 2


def blur(field: np.ndarray, sigma_px: float) -> np.ndarray:
    """Blur a field with a Gaussian, mirrored at the border."""
    side = 2 * int(np.ceil(2.5 * sigma_px)) + 1
    return cv2.GaussianBlur(field, (side, side), sigma_px, borderType=cv2.BORDER_REFLECT_101)


def measure_distance(lines: list[np.ndarray], size_px: int) -> np.ndarray:
    """Measure the distance of every pixel from the nearest line.

    Parameters
    ----------
    lines : list of ndarray of shape (K, 2), float
        Points (x, y) in pixels; they may lie outside the field.
    size_px : int
        Side of the field.

    Returns
    -------
    ndarray of shape (size_px, size_px), float32
        Distance in pixels.
    """
    empty = np.full((size_px, size_px), 255, np.uint8)
    for line in lines:
        cv2.polylines(empty, [np.round(line).astype(np.int32)], False, 0, 1)
    return cv2.distanceTransform(empty, cv2.DIST_L2, 3)


def draw_lines(
    lines: list[np.ndarray], size_px: int, *, width_px: float, softness_px: float = 0.6
) -> np.ndarray:
    """Draw anti-aliased lines as coverage, 0 to 1, shape (size_px, size_px), float32."""
    whole = max(1, round(width_px))
    mask = np.zeros((size_px, size_px), np.uint8)
    fixed_point = [np.round(line * 16).astype(np.int32) for line in lines]
    cv2.polylines(mask, fixed_point, False, 255, whole, cv2.LINE_AA, shift=4)
    soft = blur(mask.astype(np.float32), softness_px)
    soft *= np.float32(min(1.0, width_px / whole) / 255)
    return soft


def draw_blob(
    rng: np.random.Generator, radius_px: float, *, roughness: float = 0.3, edge: float = 0.08
) -> np.ndarray:
    """Draw an irregular patch as coverage, 0 to 1, in a square with sides of about 3 radii."""
    size = int(3 * radius_px) + 3
    axis = np.linspace(-1.5, 1.5, size, dtype=np.float32)
    stretch, angle = rng.uniform(1.0, 1.6), rng.uniform(0, np.pi)
    x = axis[None] * np.cos(angle) + axis[:, None] * np.sin(angle)
    y = axis[:, None] * np.cos(angle) - axis[None] * np.sin(angle)
    power = rng.choice([2.0, 4.0])
    radius = (np.abs(x * stretch) ** power + np.abs(y) ** power) ** np.float32(1 / power)
    wobble = draw_noise(rng, size, cell_px=max(radius_px * 0.7, 2.0), octaves=3)
    shape = 1.0 - radius + np.float32(roughness) * wobble * 0.5
    rim = 1.3 - np.hypot(axis[None], axis[:, None]) + np.float32(0.03) * wobble
    shape = np.minimum(shape, rim)
    return ramp(shape, -edge, edge)


def bend_line(
    rng: np.random.Generator,
    start: np.ndarray,
    end: np.ndarray,
    *,
    meander_px: float,
    bends: float,
    inside: tuple[float, float, float, float],
    points: int = 96,
) -> np.ndarray:
    """Draw a winding line between two points.

    Parameters
    ----------
    rng : numpy.random.Generator
        Random generator.
    start, end : ndarray of shape (2,), float
        Points (x, y) in pixels.
    meander_px : float
        Largest sideways deviation in pixels.
    bends : float
        Number of half waves along the line.
    inside : tuple of float
        Limits (x_min, y_min, x_max, y_max) of the deviation.
    points : int
        Number of points.

    Returns
    -------
    ndarray of shape (points, 2), float64
        Points (x, y) in pixels.
    """
    along = np.linspace(0, 1, points)
    phase = rng.uniform(0, 2 * np.pi, 3)
    pace = along + 0.05 * np.sin(2 * np.pi * along + phase[2])
    swing = np.sin(np.pi * bends * pace + phase[0])
    swing += 0.6 * np.sin(0.53 * np.pi * bends * pace + phase[1])
    swing += 0.25 * np.sin(1.9 * np.pi * bends * pace + phase[2])
    swing *= meander_px / 1.5 * np.minimum(1, 6 * along * (1 - along))
    step = end - start
    normal = np.array([-step[1], step[0]]) / max(np.hypot(*step), 1e-6)
    straight = start + along[:, None] * step
    low, high = np.minimum(inside[:2], straight), np.maximum(inside[2:], straight)
    return np.clip(straight + swing[:, None] * normal, low, high)
