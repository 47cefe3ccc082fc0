"""Train, validation and test splits, stratified over label sets."""

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from planet_lib.data.labels import decode_labels
from planet_lib.errors import DataError

SPLITS = ("train", "validation", "test")
FOLDS = 5  # one for test, one for validation, three for training


def split_chips(
    encoded: np.ndarray,
    *,
    seed: int,
    groups: np.ndarray | None = None,
    kinds: np.ndarray | None = None,
) -> np.ndarray:
    """Split chips into 60 % train, 20 % validation and 20 % test, stratified over label sets.

    Label sets of fewer than five chips are merged into strata of their rarest label, so that rare
    labels are in every split too.

    Parameters
    ----------
    encoded : ndarray of shape (N, 17), integer
        Labels as 0 and 1, or -1 where unknown; only known ones count.
    seed : int
    groups : ndarray of shape (N,), int, optional
        Group of each chip, as from `planet_lib.data.neighbours.group_chips`. Chips of one group
        are in the same split, so that the shares are approximate.
    kinds : ndarray of shape (N,), str, optional
        What each chip shows beside its labels, such as a kind of look-alike. Splits are stratified
        over it too: random places alone would make an easy test.

    Returns
    -------
    ndarray of shape (N,), str
        One of `SPLITS` for each chip.

    Raises
    ------
    DataError
        Fewer than five chips in all, or fewer than five groups.
    """
    folds = assign_folds(encoded, seed=seed, groups=groups, kinds=kinds)
    names = np.array(["test", "validation", *["train"] * (FOLDS - 2)])
    return names[folds]


def assign_folds(
    encoded: np.ndarray,
    *,
    seed: int,
    groups: np.ndarray | None = None,
    kinds: np.ndarray | None = None,
) -> np.ndarray:
    """Assign chips to five folds, stratified over label sets as in `split_chips`.

    Parameters
    ----------
    encoded, seed, groups, kinds
        As for `split_chips`.

    Returns
    -------
    ndarray of shape (N,), int
        0 to 4.

    Raises
    ------
    DataError
        Fewer than five chips in all, or fewer than five groups.
    """
    if len(encoded) < FOLDS:
        raise DataError(
            f"{len(encoded)} labelled chips are too few to split; at least {FOLDS} are needed"
        )
    if groups is not None and (found := len(np.unique(groups))) < FOLDS:
        raise DataError(
            f"{found} groups of chips that adjoin or share a place are too few to split; at least "
            f"{FOLDS} are needed, so add chips of other places"
        )
    method = StratifiedKFold if groups is None else StratifiedGroupKFold
    splitter = method(FOLDS, shuffle=True, random_state=seed)
    strata = _assign_strata(np.maximum(encoded, 0))
    if kinds is not None:
        finer = [f"{stratum} {kind}" for stratum, kind in zip(strata, kinds, strict=True)]
        strata = _join_small(_replace_small(np.array(finer, dtype=object), strata))
    folds = np.zeros(len(encoded), dtype=int)
    for fold, (_, rows) in enumerate(splitter.split(strata, strata, groups)):
        folds[rows] = fold
    return folds


def _assign_strata(encoded: np.ndarray) -> np.ndarray:
    label_counts = encoded.sum(axis=0)
    label_sets = np.array(decode_labels(encoded), dtype=object)
    rarest = np.where(encoded == 1, label_counts, len(encoded) + 1).argmin(axis=1).astype(str)
    strata = _replace_small(label_sets, rarest.astype(object))
    return _join_small(_replace_small(strata, np.full(len(strata), "rest", dtype=object)))


def _join_small(strata: np.ndarray) -> np.ndarray:
    """Join strata that are too small with the largest one."""
    names, counts = np.unique(strata, return_counts=True)
    return _replace_small(strata, np.full(len(strata), names[counts.argmax()], dtype=object))


def _replace_small(strata: np.ndarray, substitute: np.ndarray) -> np.ndarray:
    _, inverse, counts = np.unique(strata, return_inverse=True, return_counts=True)
    return np.where(counts[inverse] < FOLDS, substitute, strata)
