"""Figures of the search of scenes: what was assessed, the probability, and the sites."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from planet_lib.report.figures.style import INK, WIDTH_IN, make_figure
from planet_lib.scenes.map_page import COLOURS, FAINTEST
from planet_lib.scenes.merge import CLASS_NAMES
from planet_lib.scenes.outputs import CLASS_COLOURS
from planet_lib.scenes.results import SceneMaps
from planet_lib.scenes.tiles import ASSESSED

FONT_PT, SITE_PT = 14, 12  # readable where the figure is as wide as a phone
AXIS_IN = 0.8  # left of a map
LEGEND_IN = 1.3  # below it: axis, and legend or colour bar
HEIGHTS_IN = (2.0, 9.0)
HATCHES = {"no_data": "//", "cloud": "..", "out_of_domain": "xx"}
PICTURES = ("as taken", "haze-free")


def plot_assessed(maps: SceneMaps) -> Figure:
    """Plot a scene as it was read; hatched and coloured what was not assessed, and why."""
    figure, axes = _draw_ground(maps, maps.overview)
    handles = []
    for number, name in CLASS_NAMES.items():
        hidden = maps.classes == number
        if number == ASSESSED or not hidden.any():
            continue
        colour = np.array(CLASS_COLOURS[number]) / 255
        axes.imshow(
            np.where(hidden, 1.0, np.nan), extent=maps.cells_km, cmap=ListedColormap([colour]),
            alpha=0.55, interpolation="nearest",
        )  # fmt: skip
        _hatch(axes, hidden, maps.cells_km, HATCHES[name])
        label = f"not assessed: {name.replace('_', ' ')}"
        handles.append(Patch(facecolor=colour, hatch=HATCHES[name], edgecolor=INK, label=label))
    if handles:
        figure.legend(handles=handles, loc="outside lower left", fontsize=FONT_PT, ncols=2)
    return figure


def plot_probability(maps: SceneMaps, threshold: float) -> Figure:
    """Plot the probability of a mine over a scene in grey, and the outlines of the sites.

    Probabilities below `FAINTEST` and below the threshold are not drawn.
    """
    lowest = min(FAINTEST, threshold)
    grey = maps.overview.mean(axis=-1, keepdims=True).repeat(3, axis=-1) / 255
    figure, axes = _draw_ground(maps, 0.35 + 0.65 * grey)
    drawn = axes.imshow(
        np.where(maps.probability >= lowest, maps.probability, np.nan), extent=maps.cells_km,
        cmap=mpl.colormaps[COLOURS], vmin=lowest, vmax=1, interpolation="nearest",
    )  # fmt: skip
    axes.add_collection(LineCollection(maps.outlines, colors="white", linewidths=3.0))
    axes.add_collection(LineCollection(maps.outlines, colors=INK, linewidths=1.2))
    bar = figure.colorbar(drawn, ax=axes, location="bottom", shrink=0.9, aspect=35, pad=0.03)
    bar.set_label(f"probability of a mine; line: threshold {threshold:.2f}", fontsize=FONT_PT)
    bar.ax.tick_params(labelsize=FONT_PT)
    bar.ax.axvline(threshold, color="white", linewidth=4)
    bar.ax.axvline(threshold, color=INK, linewidth=2)
    return figure


def plot_sites(titles: Sequence[str], pictures: Sequence[tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Plot sites in two columns, each as taken and with its haze removed."""
    rows = -(-len(titles) // 2)
    figure, axes = make_figure(rows, 4, height_in=rows * (WIDTH_IN / 4 + 0.4), squeeze=False)
    for cell in axes.flat:
        cell.set_axis_off()
        cell.set_anchor("NW")
    for title, pair, cells in zip(titles, pictures, axes.reshape(-1, 2), strict=False):
        cells[0].set_title(title, fontsize=SITE_PT, fontweight="bold", loc="left")
        for cell, picture, what in zip(cells, pair, PICTURES, strict=True):
            cell.imshow(picture)
            cell.text(0, -0.03, what, transform=cell.transAxes, va="top", fontsize=SITE_PT)
    return figure


def _draw_ground(maps: SceneMaps, picture: np.ndarray) -> tuple[Figure, Axes]:
    """Draw a picture of a scene with axes in kilometres."""
    left, right, bottom, top = maps.overview_km
    height_in = (
        np.clip((WIDTH_IN - AXIS_IN) * (top - bottom) / (right - left), *HEIGHTS_IN) + LEGEND_IN
    )
    figure, axes = make_figure(height_in=height_in)
    axes.imshow(picture, extent=maps.overview_km)
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)
    axes.grid(visible=False)
    axes.tick_params(labelsize=FONT_PT)
    axes.set_xlabel("km to the east", fontsize=FONT_PT)
    axes.set_ylabel("km to the north", fontsize=FONT_PT)
    return figure, axes


def _hatch(axes: Axes, hidden: np.ndarray, extent: tuple, hatch: str) -> None:
    """Hatch the cells of a map."""
    left, right, bottom, top = extent
    rows, columns = hidden.shape
    x = left + (np.arange(columns + 2) - 0.5) * (right - left) / columns
    y = top - (np.arange(rows + 2) - 0.5) * (top - bottom) / rows
    axes.contourf(x, y, np.pad(hidden, 1).astype(float), levels=[0.5, 1.5], colors="none",
                  hatches=[hatch])  # fmt: skip
