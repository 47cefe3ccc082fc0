"""Scores of predicted labels, per label and per chip; thresholds and confidence intervals."""

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.metrics import average_precision_score, precision_recall_fscore_support

from planet_lib.data.labels import INDEX, LABELS, WEATHER

F2_THRESHOLD = 0.2  # 1 / (1 + 2**2): above it, predicting a label raises the expected F2
MIN_TUNING_SUPPORT = 5
THRESHOLD_GRID = np.round(np.arange(0.04, 0.61, 0.02), 2)


def score_labels(
    truth: np.ndarray, probabilities: np.ndarray, thresholds: np.ndarray | float
) -> pd.DataFrame:
    """Score each label over all chips for which it is known.

    Parameters
    ----------
    truth : ndarray of shape (N, 17), 0 or 1, or -1 where unknown
    probabilities : ndarray of shape (N, 17), float
        0 to 1.
    thresholds : float or ndarray of shape (17,)
        A label is predicted where its probability is at least this.

    Returns
    -------
    DataFrame
        One row per label of `LABELS`: ``precision``, ``recall``, ``f2`` and ``average_precision``
        (0 to 1), ``known`` (chips for which it is known), ``support`` (chips that have the
        label), ``predicted`` (chips it is predicted for), ``found`` (true positives) and
        ``threshold``. Undefined scores are NaN: recall, F2 and average precision of a label
        without support, precision of a label that is never predicted.
    """
    known = truth >= 0
    predictions = (probabilities >= thresholds) & known
    precision, recall, f2, support = precision_recall_fscore_support(
        truth == 1, predictions, beta=2, average=None, zero_division=np.nan
    )
    present = support > 0
    average_precision = np.full(len(LABELS), np.nan)
    for label in np.flatnonzero(present):
        rows = known[:, label]
        average_precision[label] = average_precision_score(
            truth[rows, label], probabilities[rows, label]
        )
    return pd.DataFrame(
        {
            "precision": precision,
            "recall": recall,
            "f2": np.where(present, np.nan_to_num(f2), np.nan),
            "average_precision": average_precision,
            "known": known.sum(axis=0),
            "support": support.astype(int),
            "predicted": predictions.sum(axis=0),
            "found": (predictions & (truth == 1)).sum(axis=0),
            "threshold": np.broadcast_to(thresholds, len(LABELS)),
        },
        index=pd.Index(LABELS, name="label"),
    )


def score_chips(truth: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Score each chip by the F2 of its labels; Kaggle's metric is the mean over chips.

    Parameters
    ----------
    truth, predictions : ndarray of shape (N, 17), 0 or 1
        The truth is -1 where it is unknown; such labels do not count.

    Returns
    -------
    ndarray of shape (N,), float
        0 to 1; 0 for a chip with neither true nor predicted labels.
    """
    truth, predictions = truth == 1, predictions.astype(bool) & (truth >= 0)
    found = (truth & predictions).sum(axis=1)
    weighted = 4 * truth.sum(axis=1) + predictions.sum(axis=1)
    return 5 * found / np.maximum(weighted, 1)


def tune_thresholds(truth: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Choose the threshold with the highest F2 for each label, on validation chips.

    Parameters
    ----------
    truth : ndarray of shape (N, 17), 0 or 1, or -1 where unknown
    probabilities : ndarray of shape (N, 17), float

    Returns
    -------
    ndarray of shape (17,), float
        0.04 to 0.60 in steps of 0.02; of equally good thresholds the one nearest to 0.2. A label
        on fewer than five chips keeps 0.2, since its tuned threshold would only fit noise.
    """
    by_distance = THRESHOLD_GRID[np.argsort(np.abs(THRESHOLD_GRID - F2_THRESHOLD), kind="stable")]
    f2 = np.stack([_score_label_f2(truth, probabilities >= t) for t in by_distance])
    enough = (truth == 1).sum(axis=0) >= MIN_TUNING_SUPPORT
    return np.where(enough, by_distance[f2.argmax(axis=0)], F2_THRESHOLD)


def resolve_cloudy(predictions: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Make predictions consistent: a cloudy chip hides the ground, so it has no land labels.

    A chip without a weather label gets its most probable one. Where ``cloudy`` is then predicted
    together with land labels, the land labels are dropped if ``cloudy`` is the most probable
    weather; otherwise ``cloudy`` is replaced by the most probable weather.

    Parameters
    ----------
    predictions : ndarray of shape (N, 17), bool
    probabilities : ndarray of shape (N, 17), float

    Returns
    -------
    ndarray of shape (N, 17), bool
    """
    resolved = predictions.astype(bool).copy()
    likeliest = probabilities[:, : len(WEATHER)].argmax(axis=1)
    bare = ~resolved[:, : len(WEATHER)].any(axis=1)
    resolved[bare, likeliest[bare]] = True
    cloudy = INDEX["cloudy"]
    conflict = resolved[:, cloudy] & resolved[:, len(WEATHER) :].any(axis=1)
    hidden = conflict & (likeliest == cloudy)
    resolved[hidden, len(WEATHER) :] = False
    seen = conflict & ~hidden
    resolved[seen, cloudy] = False
    resolved[seen, likeliest[seen]] = True
    return resolved


def bootstrap_mean(values: np.ndarray, groups: np.ndarray, *, seed: int) -> tuple[float, float]:
    """Estimate the 95 % confidence interval of a mean over chips by a bootstrap over groups.

    Chips of one group resemble each other, so they are drawn together; the interval is from the
    percentiles of the draws.

    Parameters
    ----------
    values : ndarray of shape (N,), float
        One score per chip, or the difference of two scores of the same chip (paired).
    groups : ndarray of shape (N,), int
        Group of each chip, as in the catalogue.
    seed : int

    Returns
    -------
    low, high : float
        The range of the values where there is a single group, which says nothing about others.
    """
    _, members = np.unique(groups, return_inverse=True)
    totals, counts = np.bincount(members, values), np.bincount(members)
    if np.ptp(values) == 0 or len(totals) == 1:
        return float(np.min(values)), float(np.max(values))
    interval = stats.bootstrap(
        (totals, counts),
        lambda totals, counts, axis: totals.sum(axis) / counts.sum(axis),
        paired=True,
        n_resamples=2000,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def bound_proportion(count: int, total: int) -> tuple[float, float]:
    """Bound a proportion, such as a recall, by Wilson's 95 % interval.

    Parameters
    ----------
    count, total : int
        `count` of `total`, such as 3 mines found of 4.

    Returns
    -------
    low, high : float
        0 to 1; (0, 1) where `total` is 0.
    """
    if total == 0:
        return 0.0, 1.0
    interval = stats.binomtest(count, total).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def compare_pairs(more: int, less: int) -> float:
    """Test whether two paired methods differ, by the exact sign test (McNemar's exact test).

    Parameters
    ----------
    more, less : int
        How many pairs favour the one and the other; ties do not count.

    Returns
    -------
    float
        Two-sided p-value; 1 where there are only ties.
    """
    return float(stats.binomtest(more, more + less).pvalue) if more + less else 1.0


def _score_label_f2(truth: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    predictions = predictions & (truth >= 0)
    found = ((truth == 1) & predictions).sum(axis=0)
    return 5 * found / np.maximum(4 * (truth == 1).sum(axis=0) + predictions.sum(axis=0), 1)
