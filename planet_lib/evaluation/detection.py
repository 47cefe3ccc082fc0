"""How well a detector of one label works: operating points, with intervals over places."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

SPECIFICITIES = (0.95, 0.99, 0.994)
FIRST_CHIPS = (100, 500)
REPEATS = 1000
DEFINED_SHARE = 0.95  # of the draws, below which a measure has no interval
MEASURES = (
    "average precision",
    *(f"recall at specificity {share:g}" for share in SPECIFICITIES),
    *(f"precision of the first {count}" for count in FIRST_CHIPS),
)


def measure_detector(
    truth: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None
) -> np.ndarray:
    """Measure the operating points of a detector.

    Parameters
    ----------
    truth : ndarray of shape (N,), bool
    scores : ndarray of shape (N,), float
        The higher, the more likely.
    weights : ndarray of shape (N,), float, optional
        How often each chip counts; by default once.

    Returns
    -------
    ndarray of float
        One value for each of `MEASURES`: the average precision; the highest recall at which at
        least so large a share of the negatives is left alone; the share of true ones among the
        chips with the highest scores, where equal scores count as if in random order. NaN where
        there are no positives, no negatives, or fewer chips.

    Examples
    --------
    >>> measure_detector(np.array([True, False, True]), np.array([0.9, 0.5, 0.1]))[:2].round(3)
    array([0.833, 0.5  ])
    """
    weights = np.ones(len(truth)) if weights is None else weights
    order = np.argsort(-scores, kind="stable")
    truth, scores, weights = truth[order], scores[order], weights[order]
    ends = np.flatnonzero(np.append(np.diff(scores) != 0, True))
    found = np.cumsum(weights * truth)[ends]
    false = np.cumsum(weights * ~truth)[ends]
    positives, negatives = found[-1], false[-1]
    if positives == 0 or negatives == 0:
        return np.full(len(MEASURES), np.nan)
    chosen = found + false
    precision = found / np.maximum(chosen, np.finfo(float).tiny)
    average_precision = np.sum(np.diff(found, prepend=0) * precision) / positives
    recalls = [
        found[false <= (1 - share) * negatives + 1e-9].max(initial=0) / positives
        for share in SPECIFICITIES
    ]
    first = [
        np.interp(count, np.append(0, chosen), np.append(0, found)) / count
        if count <= chosen[-1]
        else np.nan
        for count in FIRST_CHIPS
    ]
    return np.array([average_precision, *recalls, *first])


def score_detectors(
    truth: np.ndarray, scores: Mapping[str, np.ndarray], groups: np.ndarray, *, seed: int
) -> pd.DataFrame:
    """Measure detectors, with 95 % intervals by a bootstrap over groups.

    Parameters
    ----------
    truth : ndarray of shape (N,), bool
    scores : mapping of str to ndarray of shape (N,) or (S, N), float
        By detector; of S repeats with other seeds the mean is measured.
    groups : ndarray of shape (N,), int
        Chips of one group are drawn together, groups with and without a positive apart.
    seed : int

    Returns
    -------
    DataFrame
        One row for each detector and measure (index ``detector``, ``measure``): ``value``,
        ``low`` and ``high``. The interval is NaN where only one group has a positive, or only one
        has none, or where more than one draw in twenty does not define the measure.
    """
    values = {name: _measure_repeats(truth, each) for name, each in scores.items()}
    drawn = _bootstrap(truth, scores, groups, seed)
    return _tabulate(values, drawn)


def compare_detectors(
    truth: np.ndarray,
    scores: Mapping[str, np.ndarray],
    pairs: Mapping[str, str],
    groups: np.ndarray,
    *,
    seed: int,
) -> pd.DataFrame:
    """Compare detectors in pairs: both are measured on the same draws of groups.

    Parameters
    ----------
    truth, scores, groups, seed
        As for `score_detectors`.
    pairs : mapping of str to str
        The detector that each one is compared with.

    Returns
    -------
    DataFrame
        As `score_detectors`, of the differences.
    """
    values = {name: _measure_repeats(truth, each) for name, each in scores.items()}
    drawn = _bootstrap(truth, scores, groups, seed)
    return _tabulate(
        {name: values[name] - values[other] for name, other in pairs.items()},
        {name: drawn[name] - drawn[other] for name, other in pairs.items()},
    )


def write_measures(table: pd.DataFrame, detector: str) -> dict[str, dict[str, float | None]]:
    """Write a detector's rows of `score_detectors` for JSON: undefined values are None."""
    rows = table.loc[detector].astype(object)
    return rows.where(rows.notna(), None).to_dict("index")


def find_threshold(truth: np.ndarray, scores: np.ndarray, specificity: float) -> float:
    """Find the lowest threshold that leaves so large a share of the negatives below it.

    Parameters
    ----------
    truth : ndarray of shape (N,), bool
    scores : ndarray of shape (N,), float
    specificity : float
        0 to 1.

    Returns
    -------
    float
        A chip is taken for a positive where its score is at least this.
    """
    negatives = np.sort(scores[~truth])
    allowed = int((1 - specificity) * len(negatives) + 1e-9)
    if allowed == len(negatives):
        return float(scores.min())
    return float(np.nextafter(negatives[len(negatives) - 1 - allowed], np.inf))


def _bootstrap(
    truth: np.ndarray, scores: Mapping[str, np.ndarray], groups: np.ndarray, seed: int
) -> dict[str, np.ndarray]:
    """Measure each detector on draws of groups, shape (REPEATS, measures)."""
    drawn = {name: np.full((REPEATS, len(MEASURES)), np.nan) for name in scores}
    _, groups = np.unique(groups, return_inverse=True)
    with_positives = np.bincount(groups, truth) > 0
    strata = [np.flatnonzero(with_positives), np.flatnonzero(~with_positives)]
    if any(len(stratum) == 1 for stratum in strata):
        return drawn  # every draw would have the same group
    for repeat, weights in enumerate(_draw_groups(groups, strata, seed)):
        for name, each in scores.items():
            drawn[name][repeat] = _measure_repeats(truth, each, weights)
    return drawn


def _measure_repeats(
    truth: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None
) -> np.ndarray:
    each = [measure_detector(truth, repeat, weights) for repeat in np.atleast_2d(scores)]
    return np.mean(each, axis=0)


def _draw_groups(
    groups: np.ndarray, strata: Sequence[np.ndarray], seed: int
) -> Iterator[np.ndarray]:
    """Give how often each chip counts in each draw."""
    rng = np.random.default_rng(seed)
    for _ in range(REPEATS):
        counts = np.zeros(groups.max() + 1)
        for stratum in filter(len, strata):
            np.add.at(counts, rng.choice(stratum, len(stratum)), 1)
        yield counts[groups]


def _tabulate(values: Mapping[str, np.ndarray], drawn: Mapping[str, np.ndarray]) -> pd.DataFrame:
    rows = []
    for name, each in values.items():
        low, high = np.full((2, len(MEASURES)), np.nan)
        known = np.isfinite(each) & (np.isfinite(drawn[name]).mean(axis=0) >= DEFINED_SHARE)
        if known.any():
            low[known], high[known] = np.nanquantile(drawn[name][:, known], (0.025, 0.975), axis=0)
        for i, measure in enumerate(MEASURES):
            rows.append((name, measure, each[i], low[i], high[i]))
    table = pd.DataFrame(rows, columns=["detector", "measure", "value", "low", "high"])
    return table.set_index(["detector", "measure"])
