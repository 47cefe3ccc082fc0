"""Figures of a training: the network, its input, its learning curves and its progress."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from planet_lib.data.labels import LABELS
from planet_lib.report.contents import name_label
from planet_lib.report.figures.style import (
    FOREST,
    INK,
    MUTED,
    OCHRE,
    SEQUENTIAL,
    draw_chip,
    label_plainly,
    make_figure,
)


def plot_learning_curves(history: pd.DataFrame, *, best_epoch: int) -> Figure:
    """Plot the training and validation loss of each head, and mark the selected epoch.

    A head without any known label has no loss and no panel.

    Parameters
    ----------
    history : DataFrame
        One row per epoch, as returned by `planet_lib.training.progress.load_history`.
    best_epoch : int
        Counted from 1.
    """
    heads = [head for head in ("weather", "land") if history[f"{head}_loss"].any()]
    figure, panels = make_figure(1, len(heads), height_in=3.2, squeeze=False)
    for axes, head in zip(panels[0], heads, strict=True):
        axes.plot(
            history["epoch"], history[f"{head}_loss"], color=FOREST, linestyle="--",
            label="training",
        )  # fmt: skip
        axes.plot(history["epoch"], history[f"val_{head}_loss"], color=OCHRE, label="validation")
        axes.axvline(best_epoch, color=MUTED, linestyle=":", label="selected epoch")
        axes.set_title(f"{head} head")
        axes.set_xlabel("epoch")
        axes.set_yscale("log")
        label_plainly(axes.yaxis)
        axes.xaxis.get_major_locator().set_params(integer=True)
    panels[0, 0].set_ylabel("weighted loss (nats per chip)")
    panels[0, 0].legend()
    return figure


def plot_inputs(views: Sequence[np.ndarray], title: str) -> Figure:
    """Plot the views of one chip that a network is trained on, one row per picture.

    Parameters
    ----------
    views : sequence of ndarray of shape (S, S, 3 or 6)
        Of one chip: as taken, haze removed, or both side by side.
    title : str
    """
    pictures = views[0].shape[-1] // 3
    figure, axes = make_figure(
        pictures, len(views), height_in=0.35 + pictures * 7.8 / max(len(views), 8), squeeze=False
    )
    for row in range(pictures):
        for number, (cell, view) in enumerate(zip(axes[row], views, strict=True)):
            name = "" if row else f"view {number}"
            draw_chip(cell, view[..., 3 * row : 3 * row + 3], name)
    figure.suptitle(title, fontsize=10, x=0.01, ha="left")
    return figure


def plot_network(summary: pd.DataFrame) -> Figure:
    """Plot the stages of a network from the chip to its heads, as wide as their pictures.

    Parameters
    ----------
    summary : DataFrame
        As returned by `planet_lib.networks.summary.summarise_network`.
    """
    figure, axes = make_figure(height_in=0.6 + 0.34 * len(summary))
    heights = np.arange(len(summary))
    depths = np.log2(summary["maps"]) / np.log2(summary["maps"].max())
    axes.barh(
        heights, summary["side_px"] / summary["side_px"].max(), height=0.72,
        left=-summary["side_px"] / summary["side_px"].max() / 2,
        color=SEQUENTIAL(0.15 + 0.85 * depths.to_numpy()), edgecolor=MUTED, linewidth=0.5,
    )  # fmt: skip
    for height, row in zip(heights, summary.itertuples(), strict=True):
        side = f"{row.side_px} × {row.side_px} × " if row.side_px > 1 else ""
        layers = f"{row.layers} layer{'s' if row.layers > 1 else ''}, " if row.layers else ""
        weights = f"{layers}{row.parameters:,} weights" if row.parameters else ""
        axes.text(0.56, height, f"{side}{row.maps}", va="center", fontsize=9.5)
        axes.text(0.93, height, weights, va="center", fontsize=9.5, color=INK)
    axes.set_yticks(heights, [name_label(stage) for stage in summary.index])
    axes.set_ylim(len(summary) - 0.5, -0.5)
    axes.set_xlim(-0.52, 1.5)
    axes.xaxis.set_visible(False)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(left=False)
    return figure


def plot_watched(
    chips: Sequence[np.ndarray],
    names: Sequence[str],
    truth: np.ndarray,
    watched: np.ndarray,
    *,
    threshold: float,
    best_epoch: int,
) -> Figure:
    """Plot what a network says about a few chips after each epoch, one row for each chip.

    The labels of a chip stand first, in bold; then those that it reaches the threshold for.

    Parameters
    ----------
    chips : sequence of ndarray of shape (H, W, 3), uint8
    names : sequence of str
    truth : ndarray of shape (M, 17), 0 or 1, or -1 where unknown
    watched : ndarray of shape (epochs, M, 17), float
        Probabilities.
    threshold : float
    best_epoch : int
        Counted from 1.
    """
    false = (watched[-1] >= threshold) & (truth == 0)
    shown = [
        [*np.flatnonzero(truth[i] == 1), *np.flatnonzero(false[i])]
        or [np.where(truth[i] == 0, watched[-1, i], -1).argmax()]
        for i in range(len(chips))
    ]
    heights = [max(1.7, 0.3 + 0.2 * len(labels)) for labels in shown]
    figure, axes = make_figure(
        len(chips), 2, height_in=sum(heights) + 0.5, squeeze=False,
        width_ratios=[1, 3.4], height_ratios=heights,
    )  # fmt: skip
    epochs = len(watched)
    for i, (picture, panel) in enumerate(axes):
        draw_chip(picture, chips[i])
        picture.set_title(names[i], fontsize=9, fontweight="normal")
        picture.set_anchor("W")
        image = panel.imshow(
            watched[:, i, shown[i]].T, cmap=SEQUENTIAL, vmin=0, vmax=1, aspect="auto",
            extent=(0.5, epochs + 0.5, len(shown[i]) - 0.5, -0.5), interpolation="nearest",
        )  # fmt: skip
        panel.set_yticks(range(len(shown[i])), [name_label(LABELS[k]) for k in shown[i]])
        for tick, label in zip(panel.get_yticklabels(), shown[i], strict=True):
            true = truth[i, label] == 1
            tick.set(color=FOREST if true else MUTED, fontweight="bold" if true else "normal")
        panel.tick_params(labelsize=9, left=False)
        panel.axvline(best_epoch, color=OCHRE, linestyle=":", linewidth=1.5)
        panel.xaxis.get_major_locator().set_params(integer=True)
        panel.grid(visible=False)
    axes[-1, 1].set_xlabel("epoch")
    figure.colorbar(image, ax=axes[:, 1], label="probability", shrink=0.5, aspect=30)
    return figure
