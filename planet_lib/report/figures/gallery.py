"""A gallery of chips, each with a title and what there is to say of it."""

import textwrap
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from planet_lib.report.figures.style import WIDTH_IN, draw_chip, make_figure

LINE_IN = 0.14
CHARACTERS_PER_IN = 16.5


class Card(NamedTuple):
    """One chip of a gallery."""

    title: str
    text: str  # its lines are wrapped
    pictures: tuple[np.ndarray, ...]  # of shape (H, W, 3), uint8, side by side


def plot_gallery(cards: Sequence[Card], *, columns: int = 4) -> Figure:
    """Plot chips in the given order.

    Parameters
    ----------
    cards : sequence of Card
        All with the same number of pictures.
    columns : int
        Cards in a row.
    """
    width_in = WIDTH_IN / columns - 0.1
    texts = [
        "\n".join(
            wrapped
            for line in card.text.splitlines()
            for wrapped in textwrap.wrap(line, int(CHARACTERS_PER_IN * width_in))
        )
        for card in cards
    ]
    lines = max(text.count("\n") + 1 for text in texts)
    height_in = 0.4 + width_in / len(cards[0].pictures) + LINE_IN * lines
    rows = -(-len(cards) // columns)
    figure, axes = make_figure(rows, columns, height_in=rows * height_in, squeeze=False)
    for cell in axes.flat:
        cell.set_axis_off()
        cell.set_anchor("N")  # spare room goes to the text below
    for cell, card, text in zip(axes.flat, cards, texts, strict=False):
        draw_chip(cell, _join_pictures(card.pictures))
        cell.set_title(card.title, fontsize=9, fontweight="bold", loc="left")
        cell.text(0, -0.03, text, transform=cell.transAxes, fontsize=7.5, va="top")
    return figure


def _join_pictures(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Join pictures side by side, with a white gap."""
    height, width, channels = pictures[0].shape
    gap = np.full((height, width // 32, channels), 255, np.uint8)
    return np.hstack([part for picture in pictures for part in (gap, picture)][1:])
