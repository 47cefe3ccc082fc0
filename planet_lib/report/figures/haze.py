"""Figures of haze removal: its steps, examples before and after, and scores."""

from collections.abc import Callable, Mapping, Sequence

import cv2
import ipywidgets as widgets
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from planet_lib.evaluation.haze_truth import STRENGTHS
from planet_lib.report.contents import name_label
from planet_lib.report.examples import order_conditions
from planet_lib.report.figures.style import FOREST, MUTED, OCHRE, PLUM, draw_chip, make_figure

METHOD_COLOURS = {
    "as taken": MUTED,
    "pixelwise_dark_channel": PLUM,
    "dark_channel": OCHRE,
    "boundary_constraint": FOREST,
}
METHOD_MARKERS = {
    "as taken": "|",
    "pixelwise_dark_channel": "s",
    "dark_channel": "D",
    "boundary_constraint": "o",
}
LIVE_PX = 384  # side of a chip beside the sliders
TRUTH_MEASURES = {
    "psnr_db": "PSNR (dB)\nhigher is better",
    "ssim": "SSIM (0-1)\nhigher is better",
    "ciede2000": "colour error (CIEDE2000)\nlower is better",
}


def plot_steps(steps: Sequence[tuple[str, np.ndarray]]) -> Figure:
    """Plot the steps from a hazy chip to a haze-free one, with their names.

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
    """Plot chips as taken and after each method, one row per chip.

    Parameters
    ----------
    rows : sequence of (str, mapping of str to ndarray of shape (H, W, 3))
        Title of the row, and its pictures by name.
    """
    columns = len(rows[0][1])
    height_in = 0.3 + (0.1 + 7.4 / columns) * len(rows)
    figure, axes = make_figure(len(rows), columns, height_in=height_in, squeeze=False)
    for number, (row, (title, pictures)) in enumerate(zip(axes, rows, strict=True)):
        for cell, (name, picture) in zip(row, pictures.items(), strict=True):
            draw_chip(cell, picture, "" if number else name_label(name))
        row[0].text(
            -0.06, 0.5, title, transform=row[0].transAxes, rotation=90, va="center", ha="right",
            fontsize=9,
        )  # fmt: skip
    return figure


def plot_airlight(chip: np.ndarray, chosen: np.ndarray, airlight: np.ndarray) -> Figure:
    """Plot the pixels that the airlight is estimated from, and its colour.

    Parameters
    ----------
    chip : ndarray of shape (H, W, 3), uint8
    chosen : ndarray of shape (H, W), bool
        Pixels that it is estimated from.
    airlight : ndarray of shape (3,)
        RGB, 0 to 255.
    """
    figure, axes = make_figure(1, 3, height_in=2.9)
    draw_chip(axes[0], chip, "as taken")
    draw_chip(axes[1], chip, f"the {chosen.sum()} haziest pixels")
    rows, columns = np.nonzero(chosen)
    axes[1].scatter(columns, rows, s=26, facecolors="none", edgecolors="white", linewidths=1.2)
    axes[1].scatter(columns, rows, s=12, facecolors="none", edgecolors=OCHRE, linewidths=1.2)
    swatch = np.broadcast_to(np.rint(airlight).astype(np.uint8), chip.shape)
    draw_chip(axes[2], swatch, "airlight " + ", ".join(f"{level:.0f}" for level in airlight))
    return figure


def plot_truth(scores: pd.DataFrame) -> Figure:
    """Plot the scores of each method against the truth, by haze strength.

    Parameters
    ----------
    scores : DataFrame
        As returned by `planet_lib.evaluation.haze_truth.score_chips_by_strength`; results with
        CLAHE are left out.
    """
    scores = scores[scores["method"].isin(METHOD_COLOURS)]
    means = scores.groupby(["strength", "method"]).mean(numeric_only=True)
    counts = scores[scores["method"] == "as taken"]["strength"].value_counts()
    strengths = [name for name in STRENGTHS if name in counts.index]
    figure, panels = make_figure(1, 3, height_in=1.3 + 0.5 * len(strengths), sharey=True)
    for axes, (measure, text) in zip(panels, TRUTH_MEASURES.items(), strict=True):
        for method, colour in METHOD_COLOURS.items():
            values = [means.loc[(name, method), measure] for name in strengths]
            marker = METHOD_MARKERS[method]
            axes.scatter(
                values, range(len(strengths)), s=70, color=colour, marker=marker,
                linewidths=2.5 if marker == "|" else 0, label=name_label(method),
            )  # fmt: skip
        axes.set_xlabel(text, fontsize=9)
        axes.set_ylim(len(strengths) - 0.5, -0.5)
    panels[0].set_yticks(range(len(strengths)), [f"{n} ({counts[n]})" for n in strengths])
    figure.legend(
        *panels[0].get_legend_handles_labels(), ncols=4, loc="outside upper center", fontsize=10
    )
    return figure


def plot_haziness_change(before: pd.DataFrame, after: pd.DataFrame, weather: pd.Series) -> Figure:
    """Plot mean haziness and contrast before and after haze removal, by weather label.

    Parameters
    ----------
    before, after : DataFrame of N rows
        Statistics of the same chips.
    weather : Series of N rows, str
        A label, or the composite where the weather is not known.
    """
    figure, panels = make_figure(1, 2, height_in=2.8, sharey=True)
    names = [name for name in order_conditions(weather.to_numpy()) if (weather == name).any()]
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
            range(len(names)), [f"{name_label(n)} ({(weather == n).sum()})" for n in names]
        )
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlabel(text)
    handles = [panels[0].scatter([], [], color=colour, s=55) for colour in (OCHRE, FOREST)]
    figure.legend(handles, ["as taken", "haze removed"], ncols=2, loc="outside upper center")
    return figure


def make_sliders(
    chip: np.ndarray, dehaze: Callable[..., np.ndarray], **shares: float
) -> widgets.Widget:
    """Create sliders that repeat the haze removal as they move, for a running notebook.

    Parameters
    ----------
    chip : ndarray of shape (H, W, 3), uint8
    dehaze : callable
        Takes the chip and the shares as keyword arguments; returns the haze-free chip.
    **shares : float
        Initial value of each slider, from 0.05 to 1.
    """
    sliders = {
        name: widgets.FloatSlider(share, min=0.05, max=1, step=0.05, description=name)
        for name, share in shares.items()
    }
    # An image of its own rather than `interact`, whose captured output never ends in nbclient.
    picture = widgets.Image(format="png", width=2 * LIVE_PX)

    def show(_: object = None) -> None:
        values = {name: slider.value for name, slider in sliders.items()}
        pair = np.hstack([chip, dehaze(chip, **values)])
        picture.value = cv2.imencode(".png", cv2.cvtColor(pair, cv2.COLOR_RGB2BGR))[1].tobytes()

    for slider in sliders.values():
        slider.observe(show, "value")
    show()
    return widgets.VBox([widgets.HBox(list(sliders.values())), picture])
