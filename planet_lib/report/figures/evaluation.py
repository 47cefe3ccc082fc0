"""Figures of the evaluation: scores of each label, confusion matrices, precision and recall."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix, precision_recall_curve

from planet_lib.data.labels import INDEX, LAND, MINE, WEATHER
from planet_lib.report.contents import INPUT_NAMES, name_label, name_run
from planet_lib.report.figures.style import (
    FOREST,
    INK,
    MUTED,
    OCHRE,
    PLUM,
    SEQUENTIAL,
    SKY,
    make_figure,
)

NETWORK_COLOURS = {
    "cnn": SKY,
    "densenet": FOREST,
    "densenet121": PLUM,
    "resnet": MUTED,
    "ensemble": OCHRE,
}
NETWORK_WIDTHS = {"cnn": 1.2, "densenet": 2.2, "densenet121": 2.2, "resnet": 1.7, "ensemble": 2.8}
INPUT_LINES = {"raw": "--", "dehazed": "-", "both": "-."}
INPUT_MARKERS = {"raw": "o", "dehazed": "o", "both": "D"}
MEASURES = {"precision": "precision", "recall": "recall", "f2": "F2"}


def style_run(run: str) -> dict[str, Any]:
    """Style the curve of a run: colour and width by network, dashes by input."""
    network, kind = run.split("-")
    return {
        "color": NETWORK_COLOURS[network],
        "linewidth": NETWORK_WIDTHS[network],
        "linestyle": INPUT_LINES[kind],
    }


def plot_comparison(tables: Mapping[str, pd.DataFrame], measures: list[str]) -> Figure:
    """Plot the scores of every label, for all networks and inputs.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        By run, ``<network>-<input>``, as returned by
        `planet_lib.evaluation.metrics.score_labels`. Labels without a chip are left out.
    measures : list of str
        One panel each: keys of `MEASURES`.
    """
    support = next(iter(tables.values()))["support"]
    labels = support[support > 0].sort_values(ascending=False).index
    networks = list(dict.fromkeys(run.split("-")[0] for run in tables))
    figure, panels = make_figure(
        1, len(measures), height_in=1.2 + 0.42 * len(labels), sharey=True, squeeze=False
    )
    offsets = np.linspace(-0.16, 0.16, len(networks)) if len(networks) > 1 else [0.0]
    for axes, measure in zip(panels[0], measures, strict=True):
        for network, offset in zip(networks, offsets, strict=True):
            _draw_dumbbells(axes, tables, network, measure, labels, offset)
        axes.set_xlim(-0.03, 1.03)
        axes.set_xlabel(MEASURES[measure])
    names = [f"{name_label(label)} ({support[label]})" for label in labels]
    panels[0][0].set_yticks(range(len(labels)), names)
    panels[0][0].set_ylim(len(labels) - 0.5, -0.5)
    for tick, label in zip(panels[0][0].get_yticklabels(), labels, strict=True):
        if label == MINE:
            tick.set(color=OCHRE, fontweight="bold")
    figure.legend(
        *panels[0][0].get_legend_handles_labels(),
        ncols=min(3, len(networks)),
        loc="outside upper center",
        fontsize=9,
    )
    return figure


def _draw_dumbbells(axes, tables, network, measure, labels, offset) -> None:
    colour = NETWORK_COLOURS[network]
    heights = np.arange(len(labels)) + offset
    values = {
        kind: tables[run].loc[labels, measure].to_numpy(float)
        for kind in INPUT_NAMES
        if (run := f"{network}-{kind}") in tables
    }
    if len(values) > 1:
        ends = np.sort(np.stack(list(values.values())), axis=0)
        axes.hlines(heights, ends[0], ends[-1], color=colour, alpha=0.4, linewidth=2)
    for kind, scores in values.items():
        raw = kind == "raw"
        axes.scatter(
            scores, heights, s=34, marker=INPUT_MARKERS[kind], edgecolors=colour, linewidths=1.6,
            facecolors="white" if raw else colour, zorder=3 if raw else 2,
            label=name_run(f"{network}-{kind}"),
        )  # fmt: skip


def plot_weather_confusion(truth: np.ndarray, predictions: Mapping[str, np.ndarray]) -> Figure:
    """Plot weather confusion matrices, one panel per method; rows are the truth.

    Parameters
    ----------
    truth : ndarray of shape (N,), int
        Index into `planet_lib.data.labels.WEATHER`.
    predictions : mapping of str to ndarray of shape (N,), int
        By method.
    """
    columns = min(2, len(predictions))
    rows = -(-len(predictions) // columns)
    figure, panels = make_figure(rows, columns, height_in=3.3 * rows, squeeze=False)
    names = [name_label(label) for label in WEATHER]
    for axes in panels.flat[len(predictions) :]:
        axes.set_visible(False)
    for axes, (title, predicted) in zip(panels.flat, predictions.items(), strict=False):
        matrix = confusion_matrix(truth, predicted, labels=range(len(WEATHER)))
        _draw_matrix(axes, matrix, names)
        axes.set_title(title)
    return figure


def plot_land_confusion(truth: np.ndarray, predictions: np.ndarray) -> Figure:
    """Plot a 2 x 2 confusion matrix for each land label.

    Parameters
    ----------
    truth, predictions : ndarray of shape (N, 17), 0 or 1
    """
    figure, panels = make_figure(3, 5, height_in=5.8)
    for axes in panels.flat[len(LAND) :]:
        axes.set_visible(False)
    for axes, label in zip(panels.flat, LAND, strict=False):
        column = INDEX[label]
        matrix = confusion_matrix(truth[:, column], predictions[:, column], labels=[1, 0])
        _draw_matrix(axes, matrix, ["yes", "no"])
        axes.set_title(name_label(label), fontsize=9, color=OCHRE if label == MINE else INK)
        axes.set_xlabel("predicted", fontsize=8)
        axes.set_ylabel("true", fontsize=8)
        axes.tick_params(labelsize=8)
    return figure


def plot_precision_recall(
    truth: np.ndarray, probabilities: Mapping[str, np.ndarray], labels: list[str]
) -> Figure:
    """Plot precision-recall curves of some labels for every run.

    Parameters
    ----------
    truth : ndarray of shape (N, 17), 0 or 1
    probabilities : mapping of str to ndarray of shape (N, 17)
        By run.
    labels : list of str
        One panel each.
    """
    rows = -(-len(labels) // 3)
    figure, panels = make_figure(
        rows, 3, height_in=0.5 + 2.5 * rows, sharex=True, sharey=True, squeeze=False
    )
    for axes in panels.flat[len(labels) :]:
        axes.set_visible(False)
    for axes, label in zip(panels.flat, labels, strict=False):
        column = INDEX[label]
        for run, predicted in probabilities.items():
            precision, recall, _ = precision_recall_curve(truth[:, column], predicted[:, column])
            axes.step(recall, precision, where="post", label=name_run(run), **style_run(run))
        base = truth[:, column].mean()
        axes.axhline(base, color=MUTED, linewidth=1, linestyle=":")
        axes.set_title(f"{name_label(label)} ({int(truth[:, column].sum())})", fontsize=10)
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.05)
    figure.supxlabel("recall", fontsize=11)
    figure.supylabel("precision", fontsize=11)
    figure.legend(
        *panels[0][0].get_legend_handles_labels(), ncols=3, loc="outside upper center", fontsize=9
    )
    return figure


def _draw_matrix(axes, matrix: np.ndarray, names: list[str]) -> None:
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap=SEQUENTIAL, vmin=0, vmax=1)
    axes.grid(visible=False)
    for (i, j), count in np.ndenumerate(matrix):
        colour = "white" if share[i, j] > 0.6 else INK
        axes.text(j, i, f"{count:,}", ha="center", va="center", fontsize=10, color=colour)
    rotation = {"rotation": 30, "ha": "right"} if len(names) > 2 else {}
    axes.set_xticks(range(len(names)), names, **rotation)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
