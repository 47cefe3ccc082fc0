"""Find chips that adjoin in the scene they were cut from, by their borders alone."""

import numpy as np
import pandas as pd
from scipy.fft import dct
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.neighbors import NearestNeighbors

DIRECTIONS = ("right", "below")
SEAM_PX = 8  # JPEG blocks meet inside a chip as chips meet in a scene
WAVES = 32  # lowest frequencies of 256: higher ones hold more compression noise than ground
SLOW_WAVES = 4  # level and slope of a border, which unrelated chips can share
# Chosen on halves of real chips and on synthetic scenes with a seed that the benchmark lacks.
MAX_MISMATCH = 1.25
MAX_RATIO = 0.85
MIN_CORRELATION = 0.3
ROUNDING = 12**-0.5  # standard deviation of the rounding error of integer levels
SMALLEST_DISTANCE = ROUNDING * (2 * 3 * WAVES) ** 0.5


def find_neighbours(chips: np.ndarray, rows: np.ndarray | None = None) -> pd.DataFrame:
    """Find the pairs of chips that continue each other at a common border.

    A border is described by its lowest frequencies (discrete cosine transform of each colour).
    Two chips adjoin if each border is the other's nearest neighbour and clearly nearer than the
    second nearest, if the fine structure of the two borders correlates, and if the step from one
    to the other is hardly larger than the steps between JPEG blocks inside the two chips. Smooth
    borders, such as those of cloud or open water, have too little structure and are not matched.

    Parameters
    ----------
    chips : ndarray of shape (N, 256, 256, 3), uint8
        RGB. A memory-mapped store is read once, one chip at a time.
    rows : ndarray of shape (M,), int, optional
        The chips to compare, instead of all N.

    Returns
    -------
    DataFrame
        One row per pair: ``first`` and ``second`` (rows of `chips`), ``direction`` (of the second
        from the first, one of `DIRECTIONS`), ``ratio`` (distance of the two borders divided by the
        distance to the second nearest), ``correlation`` (of their fine structure), ``mismatch``
        (root mean square step across the border divided by that across block seams inside the
        chips). A chip has at most one neighbour on each side.

    Notes
    -----
    A duplicate of a chip is as near as the chip itself, so neither of the two gets a neighbour:
    leave all but one out of `rows`.
    """
    rows = np.arange(len(chips)) if rows is None else rows
    borders, steps = _cut_borders(chips, rows)
    pairs = [
        _match_borders(borders[side], borders[side + 1], steps[side], steps[side + 1]).assign(
            direction=direction
        )
        for direction, side in zip(DIRECTIONS, (0, 2), strict=True)
    ]
    columns = ["first", "second", "direction", "ratio", "correlation", "mismatch"]
    found = pd.concat(pairs, ignore_index=True)[columns]
    return found.assign(first=rows[found["first"]], second=rows[found["second"]])


def group_chips(neighbours: pd.DataFrame, chips: int) -> np.ndarray:
    """Number the groups of chips that are connected by neighbours.

    Parameters
    ----------
    neighbours : DataFrame
        The table of `find_neighbours`.
    chips : int
        Number of chips.

    Returns
    -------
    ndarray of shape (chips,), int32
        Group of each chip, from 0; a chip without neighbours is a group of its own.

    Examples
    --------
    >>> group_chips(pd.DataFrame({"first": [3], "second": [1]}), 4)
    array([0, 1, 2, 1], dtype=int32)
    """
    links = neighbours["first"], neighbours["second"]
    graph = coo_array((np.ones(len(neighbours), bool), links), shape=(chips, chips))
    return connected_components(graph, directed=False)[1]


def _cut_borders(chips: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut the right, left, lower and upper border of M chips, and measure the step next to each.

    Returns
    -------
    borders : ndarray of shape (4, M, 256, 3), uint8
    steps : ndarray of shape (4, M), float32
        Root mean square step across the seam between the two outermost blocks.
    """
    borders = np.empty((4, len(rows), *chips.shape[2:]), np.uint8)
    steps = np.empty((4, len(rows)), np.float32)
    for place, chip in enumerate(chips[row] for row in rows):
        columns = chip.swapaxes(0, 1)
        for side, lines in enumerate((columns[::-1], columns, chip[::-1], chip)):
            borders[side, place] = lines[0]
            steps[side, place] = _measure_step(lines[SEAM_PX - 1], lines[SEAM_PX])
    return borders, steps


def _measure_step(line: np.ndarray, next_line: np.ndarray) -> np.ndarray:
    """Measure the root mean square step between lines of shape (..., 256, 3)."""
    return np.sqrt(((line.astype(np.float32) - next_line) ** 2).mean(axis=(-2, -1)))


def _match_borders(
    borders: np.ndarray, others: np.ndarray, steps: np.ndarray, other_steps: np.ndarray
) -> pd.DataFrame:
    """Match the borders of all chips with the opposite borders of all chips."""
    waves, other_waves = _describe_borders(borders), _describe_borders(others)
    first = np.arange(len(borders) if len(borders) > 2 else 0)  # of two, none is second nearest
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
    """Describe borders by their lowest frequencies, shape (N, 3 * WAVES), float32."""
    waves = dct(np.eye(borders.shape[1], dtype=np.float32), axis=0, norm="ortho")[:WAVES]
    return (waves @ borders.astype(np.float32)).reshape(len(borders), 3 * WAVES)


def _find_nearest(
    waves: np.ndarray, other_waves: np.ndarray, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Find the nearest border of another chip, and its distance over that to the second nearest."""
    if not rows.size:
        return rows, np.zeros(0)
    search = NearestNeighbors(n_neighbors=3, algorithm="brute").fit(other_waves)
    distances, found = search.kneighbors(waves[rows])
    others = found != rows[:, None]
    others[others.all(axis=1), 2] = False
    found, distances = found[others].reshape(-1, 2), distances[others].reshape(-1, 2)
    nearest, second_nearest = np.maximum(distances, SMALLEST_DISTANCE).T
    return found[:, 0], nearest / second_nearest


def _correlate_details(waves: np.ndarray, other_waves: np.ndarray) -> np.ndarray:
    """Correlate borders without their lowest frequencies, all colours together."""
    details, other_details = (part[:, 3 * SLOW_WAVES :] for part in (waves, other_waves))
    norms = np.linalg.norm(details, axis=1) * np.linalg.norm(other_details, axis=1)
    return (details * other_details).sum(axis=1) / np.maximum(norms, ROUNDING)
