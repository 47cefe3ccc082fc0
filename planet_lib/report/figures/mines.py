"""Figures of the search for mines: the ranked probabilities, and the effort of a search."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from planet_lib.report.figures.style import FOREST, MUTED, OCHRE, SKY, label_plainly, make_figure

LOWEST = 1e-4  # probabilities below are drawn here


def plot_probabilities(probabilities: np.ndarray, threshold: float) -> Figure:
    """Plot the sorted probabilities of a mine of all chips, and the threshold."""
    figure, axes = make_figure(height_in=3.0)
    ranked = np.maximum(np.sort(probabilities)[::-1], LOWEST)
    over = ranked >= threshold
    ranks = np.arange(1, len(ranked) + 1)
    axes.scatter(ranks[over], ranked[over], color=OCHRE, s=22, label="flagged as a mine")
    axes.scatter(ranks[~over], ranked[~over], color=FOREST, s=12, label="below the threshold")
    axes.axhline(threshold, color=OCHRE, linestyle=":", linewidth=1.2)
    axes.text(
        len(ranked), threshold, f"threshold {threshold:.2f}", ha="right", va="bottom", fontsize=9
    )
    axes.set_yscale("log")
    axes.set_ylim(top=1.3)
    label_plainly(axes.yaxis)
    axes.set_xlabel("rank of the chip")
    axes.set_ylabel("probability of a mine")
    axes.legend()
    return figure


def plot_effort(efforts: Mapping[str, pd.DataFrame]) -> Figure:
    """Plot the share of the mines found against the share of the chips looked at.

    Parameters
    ----------
    efforts : mapping of str to DataFrame
        By name of the chips, as returned by `planet_lib.evaluation.mines.measure_effort`; each
        with at least one mine.
    """
    figure, axes = make_figure(height_in=3.2)
    styles = ((OCHRE, "-"), (SKY, "--"))
    for (name, effort), (colour, line) in zip(efforts.items(), styles, strict=False):
        found = np.arange(len(effort) + 1) / len(effort)
        looked = [0, *effort["share"], 1]
        axes.step(
            looked, [*found, 1], where="post", color=colour, linestyle=line, linewidth=2,
            label=f"{name} ({len(effort)})",
        )  # fmt: skip
    axes.plot([0, 1], [0, 1], color=MUTED, linestyle=":", label="in no particular order")
    axes.xaxis.set_major_formatter("{x:.0%}")
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.04)
    axes.set_xlabel("chips looked at, most probable first")
    axes.set_ylabel("mines found")
    axes.legend(loc="lower right")
    return figure
