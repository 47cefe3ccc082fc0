"""Figures of the data: labels, their co-occurrence, sample chips, haziness and colours."""

import textwrap

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from planet_lib.data.labels import LABELS, LAND, MINE, WEATHER
from planet_lib.report.contents import name_label
from planet_lib.report.figures.style import (
    FOREST,
    INK,
    MUTED,
    OCHRE,
    SEQUENTIAL,
    SKY,
    WEATHER_COLOURS,
    draw_chip,
    label_plainly,
    make_figure,
)


def plot_label_counts(counts: pd.Series) -> Figure:
    """Plot how many chips have each label, on a log axis, with the mines highlighted."""
    counts = counts.sort_values()
    figure, axes = make_figure(height_in=5.2)
    colours = [OCHRE if x == MINE else SKY if x in WEATHER else FOREST for x in counts.index]
    axes.barh([name_label(x) for x in counts.index], counts.clip(lower=0.6), color=colours)
    axes.set_xscale("log")
    label_plainly(axes.xaxis)
    axes.set_xlim(0.6, counts.max() * 2)
    axes.set_xlabel("chips (log scale)")
    axes.grid(axis="y", visible=False)
    for position, count in enumerate(counts):
        axes.text(max(count, 0.6) * 1.08, position, f"{count:,}", va="center", fontsize=9)
    for colour, text in ((SKY, "weather"), (FOREST, "land"), (OCHRE, "artisanal mine")):
        axes.bar(0, 0, color=colour, label=text)
    axes.legend(loc="lower right")
    return figure


def plot_cooccurrence(encoded: np.ndarray) -> Figure:
    """Plot the share of chips with one label (row) that also have another (column).

    Parameters
    ----------
    encoded : ndarray of shape (N, 17), 0 or 1
    """
    together = encoded.T.astype(int) @ encoded.astype(int)
    share = together / np.maximum(np.diag(together), 1)[:, None]
    figure, axes = make_figure(height_in=7.4)
    axes.imshow(share, cmap=SEQUENTIAL, vmin=0, vmax=1)
    names = [name_label(label) for label in LABELS]
    axes.set_xticks(range(len(names)), names, rotation=60, ha="right", rotation_mode="anchor")
    axes.set_yticks(
        range(len(names)), [f"{n} ({c:,})" for n, c in zip(names, np.diag(together), strict=True)]
    )
    axes.grid(visible=False)
    axes.set_xlabel("… that also have this label, %")
    axes.set_ylabel("chips with this label (count) …")
    for i, j in np.argwhere((together > 0) & ~np.eye(len(LABELS), dtype=bool)):
        value = share[i, j]
        text = f"{100 * value:.0f}" if value >= 0.005 else "<1"
        axes.text(
            j, i, text, ha="center", va="center", fontsize=8, color="white" if value > 0.6 else INK
        )
    return figure


def plot_label_sets(tags: pd.Series, *, most: int = 15) -> Figure:
    """Plot how many chips have each of the most frequent label sets."""
    counts = tags.value_counts()
    top = counts.head(most)[::-1]
    figure, axes = make_figure(height_in=1.2 + 0.3 * len(top))
    names = [textwrap.fill(", ".join(map(name_label, x.split())), 48) for x in top.index]
    axes.barh(names, top, color=FOREST)
    for position, count in enumerate(top):
        axes.text(count, position, f" {count:,}", va="center", fontsize=9)
    axes.set_xlabel(f"chips; the other {len(counts) - len(top)} sets have {counts[most:].sum():,}")
    axes.grid(axis="y", visible=False)
    return figure


def plot_weather_by_land(encoded: np.ndarray) -> Figure:
    """Plot the distribution of each land label's chips over the weather labels."""
    weather, land = encoded[:, : len(WEATHER)].astype(int), encoded[:, len(WEATHER) :].astype(int)
    counts = pd.DataFrame(land.T @ weather, LAND, WEATHER)
    counts = counts[counts.sum(axis=1) > 0]
    share = counts.div(counts.sum(axis=1), axis=0)[::-1]
    figure, axes = make_figure(height_in=4.6)
    left = np.zeros(len(share))
    names = [f"{name_label(label)} ({counts.loc[label].sum():,})" for label in share.index]
    for label in WEATHER:
        axes.barh(
            names, share[label], left=left, color=WEATHER_COLOURS[label], label=name_label(label)
        )
        left += share[label].to_numpy()
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of the label's chips (count)")
    axes.grid(axis="y", visible=False)
    axes.legend(ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure


def plot_label_samples(chips: dict[str, list[tuple[str, np.ndarray]]], *, columns: int) -> Figure:
    """Plot sample chips with their names, one row per label.

    Parameters
    ----------
    chips : dict of list of (name, ndarray of shape (H, W, 3), uint8)
    columns : int
        Chips per row.
    """
    figure, axes = make_figure(
        len(chips), columns, height_in=(0.2 + 7.6 / columns) * len(chips), squeeze=False
    )
    for row, (label, samples) in zip(axes, chips.items(), strict=True):
        for cell in row:
            cell.set_axis_off()
        for cell, (name, chip) in zip(row, samples, strict=False):
            draw_chip(cell, chip, name)
        row[0].text(
            -0.08, 0.5, name_label(label), transform=row[0].transAxes, rotation=90, va="center",
            ha="right", fontsize=10, fontweight="bold", color=OCHRE if label == MINE else INK,
        )  # fmt: skip
    return figure


def plot_haziness(statistics: pd.DataFrame, weather: np.ndarray) -> Figure:
    """Plot haziness and airlight of the chips with each weather label.

    Parameters
    ----------
    statistics : DataFrame of N rows
        As returned by `planet_lib.features.statistics.load_statistics`.
    weather : ndarray of shape (N,), int
        Index into `WEATHER`, -1 for none.
    """
    figure, panels = make_figure(1, 2, height_in=3.4)
    present = [i for i in range(len(WEATHER)) if (weather == i).any()]
    for axes, (name, text) in zip(
        panels,
        (("haziness", "haziness w (0-1)"), ("airlight", "airlight A (grey level, 0-255)")),
        strict=True,
    ):
        boxes = axes.boxplot(
            [statistics[name][weather == i] for i in present],
            patch_artist=True,
            widths=0.6,
            medianprops={"color": "white", "linewidth": 2},
            flierprops={"markersize": 2, "markeredgecolor": MUTED},
        )
        for box, i in zip(boxes["boxes"], present, strict=True):
            box.set(facecolor=WEATHER_COLOURS[WEATHER[i]], edgecolor="none")
        names = [f"{name_label(WEATHER[i])}\n({(weather == i).sum():,})" for i in present]
        axes.set_xticks(range(1, len(present) + 1), names)
        axes.set_ylabel(text)
        axes.grid(axis="x", visible=False)
    return figure


def plot_colours(statistics: pd.DataFrame, weather: np.ndarray) -> Figure:
    """Plot contrast and texture against brightness, one point per chip, coloured by weather."""
    figure, panels = make_figure(1, 2, height_in=3.8)
    for axes, (name, text) in zip(
        panels,
        (
            ("value_std", "contrast (std of the brightness)"),
            ("laplacian_std", "texture (std of the Laplacian)"),
        ),
        strict=True,
    ):
        for i, label in enumerate(WEATHER):
            chosen = statistics[weather == i]
            axes.scatter(
                chosen["value_mean"], chosen[name], s=8, alpha=0.6, linewidth=0,
                color=WEATHER_COLOURS[label], label=f"{name_label(label)} ({len(chosen):,})",
            )  # fmt: skip
        axes.set_xlabel("mean brightness (0-255)")
        axes.set_ylabel(text)
        axes.set_yscale("log")
        label_plainly(axes.yaxis)
    figure.legend(
        *panels[0].get_legend_handles_labels(), ncols=4, loc="outside upper center", markerscale=2
    )
    return figure
