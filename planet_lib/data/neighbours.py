"""Chips that adjoin in the scene they were cut from, found by their borders alone."""

import numpy as np
import pandas as pd
from scipy.fft import dct
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.neighbors import NearestNeighbors

DIRECTIONS = ("right", "below")
SEAM_PX = 8  # JPEG's blocks meet inside a chip as chips meet in a scene
WAVES = 32  # of the 256 a border has; faster ones hold more compression noise than ground
SLOW_WAVES = 4  # level and slope of a border, which unrelated chips can share
# Chosen on synthetic scenes of a seed that the benchmark leaves out, and on seams in real chips.
MAX_MISMATCH = 1.25
MAX_RATIO = 0.85
MIN_CORRELATION = 0.3
ROUNDING = 12**-0.5  # standard deviation of the error of whole levels
SMALLEST_DISTANCE = ROUNDING * (2 * 3 * WAVES) ** 0.5


def find_neighbours(chips: np.ndarray) -> pd.DataFrame:
    """Find the pairs of chips that continue each other at a common border.

    A border is described by the slowest waves along it (discrete cosine transform, each colour).
    Two chips adjoin where each border is the other's nearest, and clearly nearer than the
    runner-up; where the fine structure of the two is alike; and where the step from one to the
    other is hardly larger than the steps between JPEG's blocks inside the two chips. Smooth
    borders, as of cloud or open water, have too little structure to tell and are left alone.

    Parameters
    ----------
    chips : ndarray of shape (N, 256, 256, 3), uint8
        RGB; a memory-mapped store is read once, a chip at a time.

    Returns
    -------
    DataFrame
        One row a pair: ``first`` and ``second`` (rows of `chips`), ``direction`` (where the second
        lies from the first, one of `DIRECTIONS`), ``ratio`` (distance of the two borders over that
        to the runner-up), ``correlation`` (of their fine structure), ``mismatch`` (root mean
        square step across the border over that across the blocks inside). A chip has at most one
        neighbour on each side.

    Notes
    -----
    A chip that is there twice is its own runner-up: neither copy gets a neighbour.
    """
    borders, steps = _cut_borders(chips)
    pairs = [
        _match_borders(borders[side], borders[side + 1], steps[side], steps[side + 1]).assign(
            direction=direction
        )
        for direction, side in zip(DIRECTIONS, (0, 2), strict=True)
    ]
    columns = ["first", "second", "direction", "ratio", "correlation", "mismatch"]
    return pd.concat(pairs, ignore_index=True)[columns]


def group_chips(neighbours: pd.DataFrame, chips: int) -> np.ndarray:
    """Number the groups of chips that hang together.

    Parameters
    ----------
    neighbours : DataFrame
        Of `find_neighbours`.
    chips : int
        How many there are.

    Returns
    -------
    ndarray of shape (chips,), int32
        Group of each chip, from 0 on; a chip without neighbours is a group of its own.

    Examples
    --------
    >>> group_chips(pd.DataFrame({"first": [3], "second": [1]}), 4)
    array([0, 1, 2, 1], dtype=int32)
    """
    links = neighbours["first"], neighbours["second"]
    graph = coo_array((np.ones(len(neighbours), bool), links), shape=(chips, chips))
    return connected_components(graph, directed=False)[1]


def _cut_borders(chips: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut the right, left, lower and upper border of each chip, and measure the steps beside them.

    Returns
    -------
    borders : ndarray of shape (4, N, 256, 3), uint8
    steps : ndarray of shape (4, N), float32
        Across the seam of the outermost blocks.
    """
    borders = np.empty((4, len(chips), *chips.shape[2:]), np.uint8)
    steps = np.empty((4, len(chips)), np.float32)
    for row, chip in enumerate(np.asarray(chips)):
        columns = chip.swapaxes(0, 1)
        for side, lines in enumerate((columns[::-1], columns, chip[::-1], chip)):
            borders[side, row] = lines[0]
            steps[side, row] = _measure_step(lines[SEAM_PX - 1], lines[SEAM_PX])
    return borders, steps


def _measure_step(line: np.ndarray, next_line: np.ndarray) -> np.ndarray:
    """Measure the root mean square step between lines of shape (..., 256, 3)."""
    return np.sqrt(((line.astype(np.float32) - next_line) ** 2).mean(axis=(-2, -1)))


def _match_borders(
    borders: np.ndarray, others: np.ndarray, steps: np.ndarray, other_steps: np.ndarray
) -> pd.DataFrame:
    """Match the borders of all chips with the opposite borders of all chips."""
    waves, other_waves = _describe_borders(borders), _describe_borders(others)
    first = np.arange(len(borders) if len(borders) > 2 else 0)  # two have no runner-up
    second, ratio = _find_nearest(waves, other_waves, first)
    correlation = _correlate_details(waves[first], other_waves[second])
    likely = (ratio < MAX_RATIO) & (correlation > MIN_CORRELATION)
    first, second, ratio, correlation = (
        part[likely] for part in (first, second, ratio, correlation)
    )
    seams = np.hypot(steps[first], other_steps[second]) / 2**0.5
    mismatch = _measure_step(borders[first], others[second]) / np.maximum(seams, ROUNDING)
    nearest, ratio_back = _find_nearest(other_waves, waves, second)
    ratio = np.maximum(ratio, ratio_back)
    pairs = pd.DataFrame(
        {
            "first": first,
            "second": second,
            "ratio": ratio,
            "correlation": correlation,
            "mismatch": mismatch,
        }
    )
    return pairs[(nearest == first) & (ratio < MAX_RATIO) & (mismatch < MAX_MISMATCH)]


def _describe_borders(borders: np.ndarray) -> np.ndarray:
    """Describe borders by their slowest waves, shape (N, 3 * WAVES), float32."""
    waves = dct(np.eye(borders.shape[1], dtype=np.float32), axis=0, norm="ortho")[:WAVES]
    return (waves @ borders.astype(np.float32)).reshape(len(borders), 3 * WAVES)


def _find_nearest(
    waves: np.ndarray, other_waves: np.ndarray, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Find the nearest border of another chip, and its distance over that to the runner-up."""
    if not rows.size:
        return rows, np.zeros(0)
    search = NearestNeighbors(n_neighbors=3, algorithm="brute").fit(other_waves)
    distances, found = search.kneighbors(waves[rows])
    others = found != rows[:, None]
    others[others.all(axis=1), 2] = False
    found, distances = found[others].reshape(-1, 2), distances[others].reshape(-1, 2)
    nearest, runner_up = np.maximum(distances, SMALLEST_DISTANCE).T
    return found[:, 0], nearest / runner_up


def _correlate_details(waves: np.ndarray, other_waves: np.ndarray) -> np.ndarray:
    """Correlate borders without their slow waves, all colours at once."""
    details, other_details = (part[:, 3 * SLOW_WAVES :] for part in (waves, other_waves))
    norms = np.linalg.norm(details, axis=1) * np.linalg.norm(other_details, axis=1)
    return (details * other_details).sum(axis=1) / np.maximum(norms, ROUNDING)
