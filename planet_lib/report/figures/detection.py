"""Figures of a detector: where its chips lie, its operating points, and its errors."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from planet_lib.evaluation.detection import MEASURES, SPECIFICITIES
from planet_lib.report.contents import name_run
from planet_lib.report.figures.evaluation import NETWORK_COLOURS, style_run
from planet_lib.report.figures.style import (
    FOREST,
    INK,
    MUTED,
    OCHRE,
    SKY,
    label_plainly,
    make_figure,
)
from planet_lib.report.findings.writing import write_minus

TO = "\N{NO-BREAK SPACE}to\N{NO-BREAK SPACE}"  # a narrow table breaks a line before the interval
LOWEST_SHARE = 1e-3  # false positives, at the left end of the axis
BASELINE_STYLE = {"color": MUTED, "linewidth": 2, "linestyle": ":"}
SPLIT_COLOURS = {"train": FOREST, "validation": SKY, "test": OCHRE}


def plot_places(catalogue: pd.DataFrame) -> Figure:
    """Plot where the located chips lie, coloured by their split.

    Parameters
    ----------
    catalogue : DataFrame
        ``longitude``, ``latitude``, ``split``.
    """
    figure, axes = make_figure(height_in=5.4)
    for split, colour in SPLIT_COLOURS.items():
        part = catalogue[catalogue["split"] == split]
        axes.scatter(
            part["longitude"], part["latitude"], s=14, color=colour, alpha=0.6, linewidths=0,
            label=f"{split} ({part['longitude'].notna().sum():,})",
        )  # fmt: skip
    _finish_map(axes)
    return figure


def plot_misses(catalogue: pd.DataFrame, found: np.ndarray) -> Figure:
    """Plot where mines were found and where they were missed.

    Parameters
    ----------
    catalogue : DataFrame of N rows
        Of the mines: ``longitude`` and ``latitude``.
    found : ndarray of shape (N,), bool
    """
    figure, axes = make_figure(height_in=5.4)
    located = catalogue["longitude"].notna().to_numpy()
    for chosen, colour, marker, word in (
        (found, FOREST, "o", "found"),
        (~found, OCHRE, "x", "missed"),
    ):
        part = catalogue[chosen & located]
        axes.scatter(
            part["longitude"], part["latitude"], s=22, color=colour, marker=marker, alpha=0.8,
            label=f"{word} ({len(part):,})",
        )  # fmt: skip
    _finish_map(axes)
    return figure


def plot_operating_curves(truth: np.ndarray, scores: Mapping[str, np.ndarray]) -> Figure:
    """Plot recall against the share of false positives, on a logarithmic axis.

    Parameters
    ----------
    truth : ndarray of shape (N,), bool
    scores : mapping of str to ndarray of shape (N,)
        By run, or by the name of a baseline.
    """
    figure, axes = make_figure(height_in=4.6)
    for name, each in scores.items():
        false, found, _ = roc_curve(truth, each, drop_intermediate=False)
        trained = name.partition("-")[0] in NETWORK_COLOURS
        style = style_run(name) if trained else BASELINE_STYLE
        label = name_run(name) if trained else name
        axes.plot(np.maximum(false, LOWEST_SHARE), found, label=label, **style)
    for specificity in SPECIFICITIES:
        axes.axvline(1 - specificity, color=MUTED, linewidth=0.8, linestyle="--")
        axes.text(1 - specificity, 1.02, f"{specificity:g}", ha="center", fontsize=9, color=INK)
    axes.set_xscale("log")
    label_plainly(axes.xaxis)
    axes.set_xlim(LOWEST_SHARE, 1)
    axes.set_ylim(0, 1.08)
    axes.set_xlabel("share of the chips without a mine that are taken for one (log scale)")
    axes.set_ylabel("share of the mines that are found")
    axes.legend(fontsize=9, loc="best")
    return figure


def plot_kinds(table: pd.DataFrame, allowed: float) -> Figure:
    """Plot how often each kind of chip is taken for a mine.

    Parameters
    ----------
    table : DataFrame
        As returned by `planet_lib.evaluation.detector_errors.score_kinds`.
    allowed : float
        Share of all chips without a mine that the threshold lets through.
    """
    figure, axes = make_figure(height_in=1.1 + 0.42 * len(table))
    heights = np.arange(len(table))
    axes.hlines(heights, table["low"], table["high"], color=OCHRE, alpha=0.45, linewidth=5)
    axes.scatter(table["share"], heights, color=OCHRE, s=42, zorder=3)
    axes.axvline(allowed, color=MUTED, linestyle="--", linewidth=1.2)
    axes.text(allowed, -0.75, f"all: {allowed:.1%}", ha="center", fontsize=9, color=INK)
    axes.set_yticks(heights, [f"{row.Index} ({row.chips:,})" for row in table.itertuples()])
    axes.set_ylim(len(table) - 0.5, -1)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_xlabel("share taken for a mine, with 95 % interval")
    axes.grid(axis="y", visible=False)
    return figure


def plot_sizes(hectares: np.ndarray, found: np.ndarray, edges: np.ndarray) -> Figure:
    """Plot the recall of mines by the size of their bright ground.

    Parameters
    ----------
    hectares : ndarray of shape (N,)
        Of each mine's chip.
    found : ndarray of shape (N,), bool
    edges : ndarray of shape (B + 1,)
        Bounds of the bins.
    """
    figure, axes = make_figure(height_in=3.2)
    bins = np.clip(np.digitize(hectares, edges[1:-1]), 0, len(edges) - 2)
    names = [f"{low:g} to {high:g}" for low, high in pairwise(edges)]
    for position in range(len(names)):
        chosen = found[bins == position]
        axes.bar(position, chosen.sum(), color=FOREST, label="" if position else "found")
        axes.bar(
            position, (~chosen).sum(), bottom=chosen.sum(), color=OCHRE,
            label="" if position else "missed",
        )  # fmt: skip
        if len(chosen):
            axes.text(position, len(chosen), f"{chosen.mean():.0%}", ha="center", va="bottom")
    axes.set_xticks(range(len(names)), names)
    axes.set_xlabel("bright ground on the chip (hectares)")
    axes.set_ylabel("chips with a mine")
    axes.grid(axis="x", visible=False)
    axes.margins(y=0.12)
    axes.legend()
    return figure


def plot_haziness_by_composite(table: pd.DataFrame) -> Figure:
    """Plot haziness before and after haze removal, for each wish of clear observations.

    Parameters
    ----------
    table : DataFrame
        One row per chip: ``clear``, ``before`` and ``after``.
    """
    figure, axes = make_figure(height_in=3.2)
    shares = sorted(table["clear"].unique())
    for position, share in enumerate(shares):
        part = table[table["clear"] == share]
        for offset, name, colour in ((-0.18, "before", OCHRE), (0.18, "after", SKY)):
            axes.boxplot(
                part[name], positions=[position + offset], widths=0.3, showfliers=False,
                patch_artist=True, boxprops={"facecolor": colour, "alpha": 0.6},
                medianprops={"color": INK},
            )  # fmt: skip
    names = [f"{share:g}\n({(table['clear'] == share).sum():,} chips)" for share in shares]
    axes.set_xticks(range(len(shares)), names)
    axes.set_xlabel("share of clear observations that the composite asks for")
    axes.set_ylabel("haziness")
    for name, colour in (("before haze removal", OCHRE), ("after", SKY)):
        axes.bar(0, 0, color=colour, alpha=0.6, label=name)
    axes.legend()
    return figure


def _finish_map(axes) -> None:
    """Draw longitude and latitude at the scale of the equator's neighbourhood."""
    axes.set_aspect("equal", adjustable="datalim")
    axes.xaxis.set_major_formatter(lambda value, _: f"{abs(value):g}° {'W' if value < 0 else 'E'}")
    axes.yaxis.set_major_formatter(lambda value, _: f"{abs(value):g}° {'S' if value < 0 else 'N'}")
    axes.set_xlabel("longitude")
    axes.set_ylabel("latitude")
    axes.legend()


def format_measures(table: pd.DataFrame, *, signed: bool = False) -> pd.DataFrame:
    """Write the values of detectors with their intervals, one row for each detector.

    Parameters
    ----------
    table : DataFrame
        As returned by `planet_lib.evaluation.detection.score_detectors`.
    signed : bool
        Whether to write the sign of every number, as of differences.
    """
    style = "+.3f" if signed else ".3f"
    rows: dict[str, dict[str, str]] = {}
    for (detector, measure), row in table.iterrows():
        text = f"{row['value']:{style}}" if np.isfinite(row["value"]) else "–"
        if np.isfinite(row["low"]):
            text += f" ({row['low']:{style}}{TO}{row['high']:{style}})"
        rows.setdefault(detector, {})[measure] = write_minus(text)
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(MEASURES))
