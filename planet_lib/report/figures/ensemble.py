"""Figures of the ensemble: what its descriptors and its ridge see, and the score of each step."""

import textwrap
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from planet_lib.report.figures.style import FOREST, INK, MUTED, draw_chip, make_figure


def plot_ladder(ladder: pd.DataFrame) -> Figure:
    """Plot the score of each step with its interval and its gain over the step before.

    Parameters
    ----------
    ladder : DataFrame
        As returned by `planet_lib.evaluation.ladder.score_ladder`.
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
    axes.set_xlabel("mean F2 per chip, 95 % interval")
    axes.annotate(
        "gain over the step above", (1.01, -0.45), xycoords=("axes fraction", "data"),
        va="center", fontsize=9.5, color=MUTED,
    )  # fmt: skip
    axes.grid(axis="y", visible=False)
    return figure


def plot_maps(chip: np.ndarray, maps: Mapping[str, np.ndarray], *, cells: int) -> Figure:
    """Plot maps of a chip, and below them their means over cells.

    Parameters
    ----------
    chip : ndarray of shape (H, W, 3), uint8
    maps : mapping of str to ndarray of shape (H, W)
        By name. Each is drawn from black, its lowest value, to white, its highest but for 1 %.
    cells : int
        Along a side.
    """
    figure, axes = make_figure(2, 1 + len(maps), height_in=0.5 + 15.6 / (1 + len(maps)))
    coarse = cv2.resize(chip, (cells, cells), interpolation=cv2.INTER_AREA)
    draw_chip(axes[0, 0], chip, "the chip")
    draw_chip(axes[1, 0], coarse, f"{cells} × {cells} cells")
    for (upper, lower), (name, plane) in zip(axes.T[1:], maps.items(), strict=True):
        plane = plane.astype(np.float32)
        low, high = plane.min(), np.quantile(plane, 0.99)
        plane = ((plane - low) / max(high - low, 1e-6)).clip(0, 1)
        draw_chip(upper, plane, name.replace(", ", "\n"))
        draw_chip(lower, cv2.resize(plane, (cells, cells), interpolation=cv2.INTER_AREA))
    return figure


def plot_neighbours(rows: Sequence[Sequence[tuple[str, np.ndarray]]]) -> Figure:
    """Plot chips, each with its most similar training chips to the right.

    Parameters
    ----------
    rows : sequence of sequence of (str, ndarray of shape (H, W, 3))
        For each chip the text below it and its picture, then those of its neighbours.
    """
    columns = len(rows[0])
    figure, axes = make_figure(
        len(rows), columns, height_in=(0.65 + 7.6 / columns) * len(rows), squeeze=False
    )
    for line, cells in zip(axes, rows, strict=True):
        for cell, (text, picture) in zip(line, cells, strict=True):
            draw_chip(cell, picture)
            cell.set_anchor("N")  # spare room goes to the text below
            wrapped = "\n".join(textwrap.fill(part, 26) for part in text.splitlines())
            cell.text(0, -0.03, wrapped, transform=cell.transAxes, fontsize=7.5, va="top")
    return figure
