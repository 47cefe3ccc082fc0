"""Findings of 04_detection: what is more than chance, and what the detector mistakes."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy.stats import chi2_contingency, mannwhitneyu

from planet_lib.report.contents import name_run
from planet_lib.report.findings.writing import join_names, write_minus

AVERAGE_PRECISION = "average precision"


def conclude_best(table: pd.DataFrame, best_run: str, baseline: str) -> str:
    """Conclude what the best run finds, beside the baseline.

    Parameters
    ----------
    table : DataFrame
        As returned by `planet_lib.evaluation.detection.score_detectors`.
    best_run, baseline : str
        Detectors of the table.
    """
    best, other = (table.loc[name]["value"] for name in (best_run, baseline))
    interval = table.loc[(best_run, AVERAGE_PRECISION)]
    recall = "recall at specificity 0.95"
    bounds = (
        f"95 % interval over places {interval['low']:.3f} to {interval['high']:.3f}"
        if np.isfinite(interval["low"])
        else "too few places for an interval"
    )
    return (
        f"{name_run(best_run)} has an average precision of {best[AVERAGE_PRECISION]:.3f} "
        f"({bounds}); {baseline} have "
        f"{other[AVERAGE_PRECISION]:.3f}. Where one in twenty chips without a mine may be taken "
        f"for one, it finds {best[recall]:.0%} of the mines, the baseline {other[recall]:.0%}."
    )


def conclude_pairs(table: pd.DataFrame) -> str:
    """Conclude which paired differences of the average precision have intervals without zero.

    Parameters
    ----------
    table : DataFrame
        As returned by `planet_lib.evaluation.detection.compare_detectors`.
    """
    if table.empty:
        return "No network was trained on chips as taken and on others, so nothing is compared."
    rows = table.xs(AVERAGE_PRECISION, level="measure")
    if rows["low"].isna().any():
        return "The places are too few for an interval: they settle nothing."
    verdicts = {"rises": rows.index[rows["low"] > 0], "falls": rows.index[rows["high"] < 0]}
    sentences = [
        f"The average precision {verb} by more than the draw of places explains for "
        f"{join_names([name_run(run) for run in runs])}."
        for verb, runs in verdicts.items()
        if len(runs)
    ]
    return " ".join(sentences) or (
        "Every interval of the average precision includes zero: these places do not settle whether "
        "haze removal helps to find mines."
    )


def conclude_divisions(values: Mapping[str, float], excess: pd.Series) -> str:
    """Conclude how much random splits flatter.

    Parameters
    ----------
    values : mapping of str to float
        Average precision by division: ``random``, ``by place`` and, where there, ``by time``.
    excess : Series
        ``value``, ``low`` and ``high`` of the average precision on random splits less that by
        place.
    """
    others = [name for name in values if name != "random"]
    text = join_names([f"{values[name]:.2f} {name}" for name in others])
    interval = f"95 % interval over places {excess['low']:+.2f} to {excess['high']:+.2f}"
    if not np.isfinite(excess["low"]):
        verdict = "The places are too few to tell whether random splits flatter."
    elif excess["low"] > 0:
        verdict = (
            f"Random splits flatter by {excess['value']:.2f} ({interval}): they test on places "
            "that were seen in training."
        )
    else:
        verdict = (
            f"The difference of {excess['value']:+.2f} ({interval}) does not show that random "
            "splits flatter."
        )
    text = f"The same trees reach {values['random']:.2f} on random splits, {text}. {verdict}"
    return write_minus(text)


def conclude_kinds(table: pd.DataFrame) -> str:
    """Conclude which look-alike is taken for a mine most often.

    Parameters
    ----------
    table : DataFrame
        As returned by `planet_lib.evaluation.detector_errors.score_kinds`.
    """
    if len(table) < 2:
        return "Only one kind of chip without a mine was examined, so no kinds are compared."
    if not table["flagged"].any():
        return f"None of {table['chips'].sum():,} chips without a mine is taken for one."
    worst, best = table.iloc[0], table.iloc[-1]
    single = int((table["places"] == 1).sum())
    if worst["low"] <= best["high"]:
        verdict = "Their intervals overlap, so chance may explain the order."
    elif single:
        verdict = (
            f"The chips of {single} of the {len(table)} kinds come from one place each; those of "
            "other places may differ."
        )
    else:
        verdict = ""
    return (
        f"Most often taken for a mine: {worst.name} ({worst['flagged']:.0f} of "
        f"{worst['chips']:,.0f}, {worst['share']:.1%}); least often: {best.name} "
        f"({best['flagged']:.0f} of {best['chips']:,.0f}, {best['share']:.1%}). {verdict}"
    ).rstrip()


def conclude_sizes(hectares: np.ndarray, found: np.ndarray) -> str:
    """Conclude whether missed mines show less bright ground than those that are found.

    Parameters
    ----------
    hectares : ndarray of shape (N,)
    found : ndarray of shape (N,), bool
    """
    if found.all() or not found.any():
        return f"{'Every' if found.all() else 'No'} mine is found, so sizes are not compared."
    p = mannwhitneyu(hectares[found], hectares[~found]).pvalue
    medians = (
        f"The median chip of a missed mine shows {np.median(hectares[~found]):.1f} hectares of "
        f"bright ground, that of a found one {np.median(hectares[found]):.1f}"
    )
    return f"{medians} (Mann-Whitney, p = {p:.2g} if the chips were independent)."


def conclude_regions(table: pd.DataFrame) -> str:
    """Conclude whether the recall differs between regions by more than chance.

    Parameters
    ----------
    table : DataFrame
        One row per region: ``mines`` and ``found``.
    """
    if len(table) < 2:
        return f"{'One' if len(table) else 'No'} region has a location, so none are compared."
    recalls = table["found"] / table["mines"]
    if recalls.min() == recalls.max():
        return f"Recall is {recalls.iloc[0]:.0%} in each of {len(table)} regions."
    counts = np.stack([table["found"], table["mines"] - table["found"]])
    p = chi2_contingency(counts, correction=False).pvalue
    return (
        f"Recall ranges from {recalls.min():.0%} ({recalls.idxmin()}) to {recalls.max():.0%} "
        f"({recalls.idxmax()}). {'More' if p < 0.05 else 'No more'} than chance explains, if the "
        f"chips were independent (chi-squared, p = {p:.2g}); chips of one region are not."
    )


def conclude_composites(table: pd.DataFrame) -> str:
    """Conclude what haze removal changes on cloudier composites, as against clearer ones.

    Parameters
    ----------
    table : DataFrame
        One row per composite (``clear``): ``chips``, and shares of them taken for a mine, ``raw``
        and ``dehazed``, with ``p`` of the change (McNemar's exact test).
    """
    sentences = []
    for clear, row in table.iterrows():
        change = row["dehazed"] - row["raw"]
        sentences.append(
            f"Where {clear:g} of the observations had to be clear, {row['raw']:.1%} of "
            f"{row['chips']:,.0f} chips without a mine are taken for one as taken and "
            f"{row['dehazed']:.1%} after haze removal, a change of {100 * change:+.1f} percentage "
            f"points (McNemar, p = {row['p']:.2g} if the chips were independent)."
        )
    return write_minus(" ".join(sentences))
