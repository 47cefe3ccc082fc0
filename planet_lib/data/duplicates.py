"""Find chips that are in a data set twice, under two names."""

import cv2
import numpy as np
import pandas as pd
from sklearn.neighbors import NearestNeighbors

from planet_lib.files import map_over_cores

THUMBNAIL_PX = 8
DETAIL_PX = 64
NEAREST = 4  # the chip itself and three others; more copies are found through one another
MAX_MEAN_STEP = 2.0  # root mean square of a thumbnail's difference, grey levels
MIN_DETAIL = 3.0  # standard deviation in grey levels; without detail, all clouds are alike
MIN_CORRELATION = 0.9  # of the detail


def find_duplicates(chips: np.ndarray) -> pd.DataFrame:
    """Find the pairs of chips that show the same pixels, or nearly so after another compression.

    Equal pixels make a pair, unless all are of one colour: such a chip shows no place. Otherwise
    two chips are taken for the same picture if means over squares of 32 pixels agree and their
    detail, at a quarter of the resolution, correlates. Chips without detail, such as those of
    cloud, are only compared pixel by pixel.

    Parameters
    ----------
    chips : ndarray of shape (N, 256, 256, 3), uint8
        RGB. A memory-mapped store is read once, one chip at a time.

    Returns
    -------
    DataFrame
        One row per pair: ``first`` and ``second``, rows of `chips`, first < second. Of more than
        two equal chips each one is paired with the first.
    """
    keys, thumbnails, contrasts = [], [], []
    for key, thumbnail, contrast in map_over_cores(
        lambda i: _describe(chips[i]), range(len(chips))
    ):
        keys.append(key)
        thumbnails.append(thumbnail)
        contrasts.append(contrast)
    first_row: dict[int, int] = {}
    equal = [(first_row.setdefault(key, row), row) for row, key in enumerate(keys)]
    pairs = [(first, row) for first, row in equal if first != row and not _is_plain(chips[row])]
    rows = [row for row in first_row.values() if contrasts[row] >= MIN_DETAIL]
    for first, second in _find_near(rows, thumbnails):
        details = (_cut_detail(chips[row]).ravel() for row in (first, second))
        if np.corrcoef(*details)[0, 1] >= MIN_CORRELATION:
            pairs.append((first, second))
    return pd.DataFrame(sorted(pairs), columns=["first", "second"], dtype=int)


def _describe(chip: np.ndarray) -> tuple[int, np.ndarray, float]:
    """Return a key of the pixels, means over squares of 32 pixels, and how much detail there is."""
    thumbnail = cv2.resize(chip, (THUMBNAIL_PX,) * 2, interpolation=cv2.INTER_AREA)
    return hash(chip.tobytes()), thumbnail.ravel(), float(_cut_detail(chip).std())


def _is_plain(chip: np.ndarray) -> bool:
    """Tell whether all pixels have one colour, as where a thick cloud saturates the sensor."""
    return bool((chip == chip[0, 0]).all())


def _cut_detail(chip: np.ndarray) -> np.ndarray:
    """Return what a small grey copy of a chip has beside its local mean."""
    grey = cv2.resize(chip, (DETAIL_PX,) * 2, interpolation=cv2.INTER_AREA).mean(axis=-1)
    return grey - cv2.blur(grey, (DETAIL_PX // THUMBNAIL_PX,) * 2)


def _find_near(rows: list[int], thumbnails: list[np.ndarray]) -> set[tuple[int, int]]:
    """Find the pairs of rows whose thumbnails agree."""
    if len(rows) < 2:
        return set()
    points = np.stack([thumbnails[row] for row in rows]).astype(np.float32)
    search = NearestNeighbors(n_neighbors=min(NEAREST, len(rows)), algorithm="brute").fit(points)
    distances, found = search.kneighbors(points)
    near = np.argwhere(distances <= MAX_MEAN_STEP * points.shape[1] ** 0.5)
    pairs = {tuple(sorted((rows[at], rows[found[at, place]]))) for at, place in near}
    return {(first, second) for first, second in pairs if first != second}
