"""Train, validation and test splits that share out every label set."""

import numpy as np
from sklearn.model_selection import StratifiedKFold

from planet_lib.errors import DataError
from planet_lib.labels import decode_labels

SPLITS = ("train", "validation", "test")
FOLDS = 5  # one for test, one for validation, three to train


def split_chips(encoded: np.ndarray, *, seed: int) -> np.ndarray:
    """Share chips out to 60 % train, 20 % validation and 20 % test, stratified over label sets.

    A label set of fewer than five chips joins the stratum of its rarest label, so that rare
    labels are shared out too.

    Parameters
    ----------
    encoded : ndarray of shape (N, 17), uint8
        Labels as 0 and 1.
    seed : int

    Returns
    -------
    ndarray of shape (N,), str
        One of `SPLITS` for each chip.

    Raises
    ------
    DataError
        Fewer than five chips in all.
    """
    if len(encoded) < FOLDS:
        raise DataError(
            f"{len(encoded)} labelled chips are too few to split; at least {FOLDS} are needed"
        )
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    splits = np.full(len(encoded), "train", dtype=object)
    strata = _assign_strata(encoded)
    for name, (_, rows) in zip(("test", "validation"), folds.split(strata, strata), strict=False):
        splits[rows] = name
    return splits.astype(str)


def _assign_strata(encoded: np.ndarray) -> np.ndarray:
    label_counts = encoded.sum(axis=0)
    label_sets = np.array(decode_labels(encoded), dtype=object)
    rarest = np.where(encoded == 1, label_counts, len(encoded) + 1).argmin(axis=1).astype(str)
    strata = _replace_small(label_sets, rarest.astype(object))
    strata = _replace_small(strata, np.full(len(strata), "rest", dtype=object))
    names, counts = np.unique(strata, return_counts=True)
    return _replace_small(strata, np.full(len(strata), names[counts.argmax()], dtype=object))


def _replace_small(strata: np.ndarray, substitute: np.ndarray) -> np.ndarray:
    _, inverse, counts = np.unique(strata, return_inverse=True, return_counts=True)
    return np.where(counts[inverse] < FOLDS, substitute, strata)
