"""Figures of the search for mines: the ranked chips and their probabilities."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from planet_lib.report.contents import name_label
from planet_lib.report.figures.style import FOREST, OCHRE, draw_chip, label_plainly, make_figure

COLUMNS = 4


def plot_gallery(chips: Sequence[tuple[str, float, str, np.ndarray]]) -> Figure:
    """Plot chips in the given order, with their name, probability and other labels.

    Parameters
    ----------
    chips : sequence of (name, probability, labels, ndarray of shape (H, W, 3))
    """
    rows = -(-len(chips) // COLUMNS)
    figure, axes = make_figure(rows, COLUMNS, height_in=2.95 * rows, squeeze=False)
    for cell in axes.flat:
        cell.set_axis_off()
    for rank, (cell, (name, probability, labels, chip)) in enumerate(
        zip(axes.flat, chips, strict=False), start=1
    ):
        draw_chip(cell, chip)
        cell.set_title(
            f"{rank}. {name}: {probability:.0%}", fontsize=10, fontweight="bold", loc="left"
        )
        cell.text(
            0,
            -0.03,
            _wrap(labels),
            transform=cell.transAxes,
            fontsize=7.5,
            va="top",
            linespacing=1.25,
        )
    return figure


def plot_probabilities(probabilities: np.ndarray, threshold: float) -> Figure:
    """Plot the sorted probabilities of a mine of all chips, and the threshold."""
    figure, axes = make_figure(height_in=3.0)
    ranked = np.sort(probabilities)[::-1]
    over = ranked >= threshold
    ranks = np.arange(1, len(ranked) + 1)
    axes.scatter(ranks[over], ranked[over], color=OCHRE, s=22, label="flagged as a mine")
    axes.scatter(ranks[~over], ranked[~over], color=FOREST, s=12, label="below the threshold")
    axes.axhline(threshold, color=OCHRE, linestyle=":", linewidth=1.2)
    axes.text(
        len(ranked), threshold, f"threshold {threshold:.2f}", ha="right", va="bottom", fontsize=9
    )
    axes.set_yscale("log")
    label_plainly(axes.yaxis)
    axes.set_xlabel("rank of the chip")
    axes.set_ylabel("probability of a mine")
    axes.legend()
    return figure


def _wrap(labels: str, *, width: int = 30) -> str:
    lines = [""]
    for label in labels.split():
        word = name_label(label)
        if lines[-1] and len(lines[-1]) + len(word) + 2 > width:
            lines.append("")
        lines[-1] += (" " if lines[-1] else "") + word + ","
    return "\n".join(lines).removesuffix(",")
