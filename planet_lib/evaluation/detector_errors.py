"""The errors of a detector: which look-alikes deceive it, which mines it misses, and where."""

import numpy as np
import pandas as pd

from planet_lib.evaluation.detection import find_threshold
from planet_lib.evaluation.metrics import bound_proportion, compare_pairs


def score_kinds(kinds: np.ndarray, flagged: np.ndarray, groups: np.ndarray) -> pd.DataFrame:
    """Count how often each kind of chip is flagged, such as each look-alike.

    Parameters
    ----------
    kinds : ndarray of shape (N,), str
    flagged : ndarray of shape (N,), bool
    groups : ndarray of shape (N,), int
        Place of each chip.

    Returns
    -------
    DataFrame
        One row for each kind, the most often flagged first: ``chips``, ``places`` that they come
        from, ``flagged``, its ``share``, and Wilson's 95 % interval ``low`` to ``high``, which
        takes chips as independent: a kind from one place has no variation between places.
    """
    rows = {}
    for kind in np.unique(kinds):
        chosen = flagged[kinds == kind]
        count, total = int(chosen.sum()), len(chosen)
        low, high = bound_proportion(count, total)
        rows[kind] = {
            "chips": total,
            "places": len(np.unique(groups[kinds == kind])),
            "flagged": count,
            "share": count / total,
            "low": low,
            "high": high,
        }
    counts = dict.fromkeys(("chips", "places", "flagged"), int)
    table = pd.DataFrame.from_dict(rows, orient="index").astype(counts)
    return table.sort_values("share", ascending=False)


def measure_bright_ground(
    chip: np.ndarray, *, ground_distance_m: float, red_level: int = 90
) -> float:
    """Measure how much bright ground a chip shows: bare soil, sand, roofs, turbid ponds.

    Parameters
    ----------
    chip : ndarray of shape (H, W, 3), uint8
        RGB.
    ground_distance_m : float
        Side of a pixel.
    red_level : int
        Pixels at least this bright in red count. Forest has about 30 levels on Sentinel-2 chips
        that are stretched to a reflectance of 0.3, bare soil over 90.

    Returns
    -------
    float
        Hectares.
    """
    return float((chip[..., 0] >= red_level).sum() * ground_distance_m**2 / 1e4)


def summarise_regions(mines: pd.DataFrame, found: np.ndarray, *, regions: int = 10) -> pd.DataFrame:
    """Count the mines and those that were found in the regions with the most mines.

    Parameters
    ----------
    mines : DataFrame of N rows
        Of the chips with a mine: ``group`` (place), ``longitude``, ``latitude``.
    found : ndarray of shape (N,), bool
    regions : int
        Rows of the table.

    Returns
    -------
    DataFrame
        One row for each place, by its mean position: ``mines``, ``found``, ``recall`` and Wilson's
        95 % interval ``low`` to ``high``. Chips without a location are left out.
    """
    located = mines.assign(found=found)[mines["longitude"].notna()]
    table = located.groupby("group").agg(
        mines=("found", "size"),
        found=("found", "sum"),
        longitude=("longitude", "mean"),
        latitude=("latitude", "mean"),
    )
    table = table.nlargest(regions, "mines")
    table.index = pd.Index(
        [
            f"{abs(row.latitude):.1f}° {'S' if row.latitude < 0 else 'N'}, "
            f"{abs(row.longitude):.1f}° {'W' if row.longitude < 0 else 'E'}"
            for row in table.itertuples()
        ],
        name="region",
    )
    bounds = [bound_proportion(int(row.found), int(row.mines)) for row in table.itertuples()]
    return table[["mines", "found"]].assign(
        recall=table["found"] / table["mines"],
        low=[low for low, _ in bounds],
        high=[high for _, high in bounds],
    )


def compare_composites(
    truth: np.ndarray,
    raw: np.ndarray,
    dehazed: np.ndarray,
    clear: np.ndarray,
    *,
    specificity: float,
) -> pd.DataFrame:
    """Compare false positives before and after haze removal, on cloudier and clearer composites.

    Both detectors get the threshold at which they have the specificity on all chips.

    Parameters
    ----------
    truth : ndarray of shape (N,), bool
    raw, dehazed : ndarray of shape (N,), float
        Scores of the two detectors.
    clear : ndarray of shape (N,), float
        Share of clear observations that each chip's composite asks for.
    specificity : float

    Returns
    -------
    DataFrame
        One row for each value of `clear`: ``chips`` without the label, shares of them that are
        flagged, ``raw`` and ``dehazed``, and ``p``, that the two differ (McNemar's exact test).
    """
    flagged = [each >= find_threshold(truth, each, specificity) for each in (raw, dehazed)]
    rows = {}
    for value in np.unique(clear):
        before, after = (each[~truth & (clear == value)] for each in flagged)
        if not len(before):
            continue
        only = int((before & ~after).sum()), int((~before & after).sum())
        rows[value] = {
            "chips": len(before),
            "raw": before.mean(),
            "dehazed": after.mean(),
            "p": compare_pairs(*only),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("clear")
