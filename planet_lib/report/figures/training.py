"""Figures of a training: its learning curves and what the network sees."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from planet_lib.report.figures.style import (
    FOREST,
    MUTED,
    OCHRE,
    draw_chip,
    label_plainly,
    make_figure,
)


def plot_learning_curves(history: pd.DataFrame, *, best_epoch: int) -> Figure:
    """Plot the loss of both heads on training and validation chips, the kept epoch marked.

    Parameters
    ----------
    history : DataFrame
        A row an epoch, as `planet_lib.training.progress.load_history` returns it.
    best_epoch : int
        Counted from 1.
    """
    figure, panels = make_figure(1, 2, height_in=3.2)
    for axes, head in zip(panels, ("weather", "land"), strict=True):
        axes.plot(history["epoch"], history[f"{head}_loss"], color=FOREST, label="training")
        axes.plot(history["epoch"], history[f"val_{head}_loss"], color=OCHRE, label="validation")
        axes.axvline(best_epoch, color=MUTED, linestyle=":", label="kept epoch")
        axes.set_title(f"{head} head")
        axes.set_xlabel("epoch")
        axes.set_yscale("log")
        label_plainly(axes.yaxis)
        axes.xaxis.get_major_locator().set_params(integer=True)
    panels[0].set_ylabel("weighted loss (nats a chip)")
    panels[0].legend()
    return figure


def plot_inputs(views: Sequence[np.ndarray], title: str) -> Figure:
    """Plot one chip as the network may see it, in each of its views, a row a picture.

    Parameters
    ----------
    views : sequence of ndarray of shape (S, S, 3 or 6)
        Of one chip, as taken or haze-free, or both side by side.
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
