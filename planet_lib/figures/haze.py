"""Figures of haze removal: its steps, before and after, and what it changes."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from planet_lib.figures.style import FOREST, MUTED, OCHRE, draw_chip, make_figure
from planet_lib.labels import WEATHER


def plot_steps(steps: Sequence[tuple[str, np.ndarray]]) -> Figure:
    """Plot the steps from a hazy chip to a haze-free one, each picture named.

    Parameters
    ----------
    steps : sequence of (str, ndarray)
        Pictures of shape (H, W, 3), uint8 RGB, or planes of shape (H, W) in 0-1.
    """
    figure, axes = make_figure(1, len(steps), height_in=0.3 + 7.8 / len(steps), squeeze=False)
    for cell, (name, picture) in zip(axes[0], steps, strict=True):
        draw_chip(cell, picture, name)
    return figure


def plot_before_after(rows: Sequence[tuple[str, Mapping[str, np.ndarray]]]) -> Figure:
    """Plot chips, a row each, as taken and after each method.

    Parameters
    ----------
    rows : sequence of (str, mapping of str to ndarray of shape (H, W, 3))
        What the chip is, and its named pictures.
    """
    columns = len(rows[0][1])
    height_in = 0.3 + (0.1 + 7.4 / columns) * len(rows)
    figure, axes = make_figure(len(rows), columns, height_in=height_in, squeeze=False)
    for number, (row, (title, pictures)) in enumerate(zip(axes, rows, strict=True)):
        for cell, (name, picture) in zip(row, pictures.items(), strict=True):
            draw_chip(cell, picture, "" if number else name.replace("_", " "))
        row[0].text(
            -0.06, 0.5, title, transform=row[0].transAxes, rotation=90, va="center", ha="right",
            fontsize=9,
        )  # fmt: skip
    return figure


def plot_haziness_change(before: pd.DataFrame, after: pd.DataFrame, weather: pd.Series) -> Figure:
    """Plot each weather label's mean haziness and contrast before and after haze removal.

    Parameters
    ----------
    before, after : DataFrame of N rows
        Statistics of the same chips.
    weather : Series of N rows, str
    """
    figure, panels = make_figure(1, 2, height_in=2.8, sharey=True)
    names = [label for label in WEATHER if (weather == label).any()]
    for axes, (column, text) in zip(
        panels,
        (("haziness", "haziness w (0-1)"), ("value_std", "contrast (grey levels, 0-255)")),
        strict=True,
    ):
        for position, name in enumerate(names):
            chosen = (weather == name).to_numpy()
            start, end = before[column][chosen].mean(), after[column][chosen].mean()
            axes.plot([start, end], [position] * 2, color=MUTED, linewidth=1.5, zorder=1)
            axes.scatter(start, position, color=OCHRE, s=55, zorder=2)
            axes.scatter(end, position, color=FOREST, s=55, zorder=2)
        axes.set_yticks(
            range(len(names)), [f"{n.replace('_', ' ')} ({(weather == n).sum()})" for n in names]
        )
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlabel(text)
    handles = [panels[0].scatter([], [], color=colour, s=55) for colour in (OCHRE, FOREST)]
    figure.legend(handles, ["as taken", "haze removed"], ncols=2, loc="outside upper center")
    return figure
