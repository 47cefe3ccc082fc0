"""Figures of the ensemble: the ladder of its steps."""

import textwrap

import pandas as pd
from matplotlib.figure import Figure

from planet_lib.report.figures.style import FOREST, INK, MUTED, make_figure


def plot_ladder(ladder: pd.DataFrame) -> Figure:
    """Plot the score of each step with its interval, and what it gains over the one before.

    Parameters
    ----------
    ladder : DataFrame
        As of `planet_lib.evaluation.ladder.score_ladder`.
    """
    figure, axes = make_figure(height_in=0.9 + 0.62 * len(ladder))
    heights = range(len(ladder))
    axes.hlines(heights, ladder["low"], ladder["high"], color=MUTED, alpha=0.45, linewidth=5)
    axes.scatter(ladder["f2"], heights, s=64, color=FOREST, zorder=3)
    for height, row in zip(heights, ladder.itertuples(), strict=True):
        axes.annotate(
            f"{row.f2:.3f}", (row.f2, height), (0, 9), textcoords="offset points",
            ha="center", fontweight="bold", color=FOREST, fontsize=10,
        )  # fmt: skip
        if pd.notna(row.gain):
            gain = f"{row.gain:+.3f} ({row.gain_low:+.3f} to {row.gain_high:+.3f})"
            axes.annotate(
                gain.replace("-", "−"), (1.01, height), xycoords=("axes fraction", "data"),
                va="center", fontsize=9.5, color=INK,
            )  # fmt: skip
    axes.set_yticks(heights, [textwrap.fill(step, 30) for step in ladder.index])
    axes.set_ylim(len(ladder) - 0.4, -0.7)
    axes.set_xlabel("mean F2 of a chip, 95 % interval")
    axes.annotate(
        "gain over the step above", (1.01, -0.45), xycoords=("axes fraction", "data"),
        va="center", fontsize=9.5, color=MUTED,
    )  # fmt: skip
    axes.grid(axis="y", visible=False)
    return figure
