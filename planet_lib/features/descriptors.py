"""Descriptors of colour and texture at several scales, for learners other than networks."""

import cv2
import numpy as np
from skimage.feature import local_binary_pattern

from planet_lib.files import map_over_cores

CELLS = (4, 16)  # cells along the side of a chip
CELL_QUANTILES = (0, 0.1, 0.5, 0.9, 1)
PIXEL_STEP = 3  # every third row and column is enough for quantiles and colours
PIXEL_QUANTILES = (0.02, 0.25, 0.75, 0.98)
DETAIL_SIGMAS_PX = (0.7, 1.4, 2.8, 5.6)
GRADIENT_SIGMAS_PX = (1.0, 2.5)
RIDGE_SIGMAS_PX = (1.5, 3.0)
PATTERNS = ((8, 1), (8, 3))  # points and radius, pixels
LIGHTNESS_EDGES = (0, 20, 40, 60, 80, 100, 130, 170, 256)
GREEN_RED_EDGES = (0, 110, 118, 124, 128, 134, 256)
BLUE_YELLOW_EDGES = (0, 118, 126, 132, 138, 146, 256)
SPECTRUM_EDGES = np.geomspace(0.004, 0.5, 10)  # cycles a pixel


def compute_maps(chip: np.ndarray) -> dict[str, np.ndarray]:
    """Compute the maps of colour, detail, gradients and ridges that the descriptors summarise.

    Parameters
    ----------
    chip : ndarray of shape (H, W, 3), uint8
        RGB.

    Returns
    -------
    dict of ndarray of shape (H, W), uint8 or float32
        By name; lengths in the names are standard deviations of filters, in pixels.
    """
    lab = cv2.cvtColor(chip, cv2.COLOR_RGB2LAB)
    grey = cv2.cvtColor(chip, cv2.COLOR_RGB2GRAY)
    _, saturation, value = cv2.split(cv2.cvtColor(chip, cv2.COLOR_RGB2HSV))
    maps = dict(zip(("red", "green", "blue"), cv2.split(chip), strict=True))
    maps |= dict(zip(("lightness", "green-red", "blue-yellow"), cv2.split(lab), strict=True))
    maps |= {"saturation": saturation, "value": value}
    for sigma in DETAIL_SIGMAS_PX:
        maps[f"detail, {sigma:g} px"] = np.abs(_filter_detail(grey, sigma, 2 * sigma))
    for sigma in GRADIENT_SIGMAS_PX:
        names = ("gradients", "coherence", "coherent gradients")
        planes = _filter_gradients(grey, sigma)
        maps |= {f"{n}, {sigma:g} px": p for n, p in zip(names, planes, strict=True)}
    for sigma in RIDGE_SIGMAS_PX:
        names, planes = ("bright lines", "dark lines"), _filter_ridges(grey, sigma)
        maps |= {f"{n}, {sigma:g} px": p for n, p in zip(names, planes, strict=True)}
    for channel, name in ((1, "green-red"), (2, "blue-yellow")):
        maps[f"{name} detail"] = np.abs(_filter_detail(lab[..., channel], 1, 6))
    return maps


def describe_appearance(chip: np.ndarray) -> np.ndarray:
    """Describe the colours and textures of a chip, nearly invariant to rotations and flips.

    Maps of colour, of detail at four scales, of gradients and their coherence, and of bright and
    dark ridges (roads, rivers) are averaged over cells. The descriptors are the distributions over
    the cells, not their positions, then histograms of local binary patterns and of colours, and
    the power spectrum.

    Parameters
    ----------
    chip : ndarray of shape (H, W, 3), uint8
        RGB; H and W multiples of 16.

    Returns
    -------
    ndarray of shape (D,), float32

    References
    ----------
    T. Ojala et al., Multiresolution Gray-Scale and Rotation Invariant Texture Classification with
    Local Binary Patterns, PAMI 2002; J. Bigün and G. Granlund, Optimal Orientation Detection of
    Linear Symmetry, ICCV 1987.
    """
    lab = cv2.cvtColor(chip, cv2.COLOR_RGB2LAB)
    grey = cv2.cvtColor(chip, cv2.COLOR_RGB2GRAY)
    maps = np.dstack(list(compute_maps(chip).values())).astype(np.float32)
    pixels = maps[::PIXEL_STEP, ::PIXEL_STEP].reshape(-1, maps.shape[2])
    return np.concatenate(
        [
            *(_summarise_cells(maps, cells) for cells in CELLS),
            np.quantile(pixels, PIXEL_QUANTILES, axis=0).ravel(),
            *(_count_patterns(grey, points, radius) for points, radius in PATTERNS),
            _count_colours(lab[::PIXEL_STEP, ::PIXEL_STEP]),
            _measure_spectrum(grey),
        ]
    ).astype(np.float32)


def describe_store(store: np.ndarray) -> np.ndarray:
    """Compute the descriptors of every chip in a store.

    Parameters
    ----------
    store : ndarray of shape (N, H, W, 3), uint8

    Returns
    -------
    ndarray of shape (N, D), float32
    """
    return np.stack(list(map_over_cores(describe_appearance, store)))


def _filter_detail(plane: np.ndarray, fine_px: float, coarse_px: float) -> np.ndarray:
    plane = plane.astype(np.float32)
    return cv2.GaussianBlur(plane, (0, 0), fine_px) - cv2.GaussianBlur(plane, (0, 0), coarse_px)


def _filter_gradients(grey: np.ndarray, sigma_px: float) -> tuple[np.ndarray, ...]:
    """Compute gradient strength, coherence (0-1) and the strength of coherent gradients."""
    smooth = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), sigma_px)
    dx, dy = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    xx, yy, xy = (cv2.GaussianBlur(p, (0, 0), 4 * sigma_px) for p in (dx * dx, dy * dy, dx * dy))
    energy = xx + yy
    directed = np.hypot(xx - yy, 2 * xy)
    return np.sqrt(energy), directed / (energy + 1e-3), directed / np.sqrt(energy + 1)


def _filter_ridges(grey: np.ndarray, sigma_px: float) -> tuple[np.ndarray, np.ndarray]:
    """Compute by how much the curvature across a bright, and a dark, line exceeds that along it."""
    smooth = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), sigma_px)
    xx, yy, xy = (cv2.Sobel(smooth, cv2.CV_32F, *order) for order in ((2, 0), (0, 2), (1, 1)))
    mean, spread = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    low, high = mean - spread, mean + spread
    bright = np.maximum(-low, 0) - np.maximum(-high, 0)
    dark = np.maximum(high, 0) - np.maximum(low, 0)
    return bright, dark


def _summarise_cells(maps: np.ndarray, cells: int) -> np.ndarray:
    means = cv2.resize(maps, (cells, cells), interpolation=cv2.INTER_AREA)
    means = means.reshape(-1, maps.shape[2])
    return np.concatenate([np.quantile(means, CELL_QUANTILES, axis=0).ravel(), means.std(axis=0)])


def _count_patterns(grey: np.ndarray, points: int, radius: int) -> np.ndarray:
    patterns = local_binary_pattern(grey, points, radius, "uniform").astype(int)
    return np.bincount(patterns.ravel(), minlength=points + 2) / patterns.size


def _count_colours(lab: np.ndarray) -> np.ndarray:
    edges = (LIGHTNESS_EDGES, GREEN_RED_EDGES, BLUE_YELLOW_EDGES)
    counts, _ = np.histogramdd(lab.reshape(-1, 3), bins=edges)
    return counts.ravel() / (lab.shape[0] * lab.shape[1])


def _measure_spectrum(grey: np.ndarray) -> np.ndarray:
    power = np.abs(np.fft.rfft2(grey - grey.mean())) ** 2
    frequency = np.hypot(
        np.fft.fftfreq(grey.shape[0])[:, None], np.fft.rfftfreq(grey.shape[1])[None]
    )
    band = np.digitize(frequency, SPECTRUM_EDGES).ravel()
    sums = np.bincount(band, power.ravel(), minlength=len(SPECTRUM_EDGES) + 1)
    counts = np.bincount(band, minlength=len(SPECTRUM_EDGES) + 1)
    return np.log1p(sums / np.maximum(counts, 1))[1 : len(SPECTRUM_EDGES)]
