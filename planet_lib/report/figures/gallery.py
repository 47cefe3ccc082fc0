"""A gallery of chips, each with a title and what there is to say of it."""

import textwrap
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from planet_lib.report.figures.style import WIDTH_IN, draw_chip

GAP_IN = 0.12
LINE = 1.25  # height of a line of text, in font sizes
TITLE_PT, TITLE_CHARACTER = 9, 0.66  # size of the font; width of a character, in font sizes
TEXT_PT, TEXT_CHARACTER = 7.5, 0.58


class Card(NamedTuple):
    """One chip of a gallery."""

    title: str  # its lines are wrapped, and so are those of the text
    text: str
    pictures: tuple[np.ndarray, ...]  # of shape (H, W, 3), uint8, side by side


def plot_gallery(cards: Sequence[Card], *, columns: int = 4) -> Figure:
    """Plot chips in the given order.

    Parameters
    ----------
    cards : sequence of Card
        All with as many pictures of the same shape.
    columns : int
        Cards in a row.
    """
    width_in = (WIDTH_IN - GAP_IN) / columns - GAP_IN
    height, width = _join_pictures(cards[0].pictures).shape[:2]
    picture_in = width_in * height / width
    wrapped = [_wrap_card(card, width_in) for card in cards]
    rows = [wrapped[first : first + columns] for first in range(0, len(wrapped), columns)]
    above_in = [max(_measure_height(card.title, TITLE_PT) for card in row) for row in rows]
    below_in = [max(_measure_height(card.text, TEXT_PT) for card in row) for row in rows]
    height_in = sum(above_in) + sum(below_in) + len(rows) * (picture_in + GAP_IN) + GAP_IN
    figure = Figure(figsize=(WIDTH_IN, height_in))
    bottom_in = height_in
    for row, above, below in zip(rows, above_in, below_in, strict=True):
        bottom_in -= GAP_IN + above + picture_in
        for column, card in enumerate(row):
            left_in = GAP_IN + column * (width_in + GAP_IN)
            corner = left_in / WIDTH_IN, bottom_in / height_in
            axes = figure.add_axes((*corner, width_in / WIDTH_IN, picture_in / height_in))
            _draw_card(axes, card)
        bottom_in -= below
    return figure


def _draw_card(axes: Axes, card: Card) -> None:
    draw_chip(axes, _join_pictures(card.pictures))
    axes.set_title(card.title, fontsize=TITLE_PT, fontweight="bold", loc="left", pad=3)
    axes.annotate(
        card.text, (0, 0), (0, -3), xycoords="axes fraction", textcoords="offset points",
        fontsize=TEXT_PT, va="top",
    )  # fmt: skip


def _wrap_card(card: Card, width_in: float) -> Card:
    width_pt = 72 * width_in
    return card._replace(
        title=_wrap(card.title, width_pt / (TITLE_PT * TITLE_CHARACTER)),
        text=_wrap(card.text, width_pt / (TEXT_PT * TEXT_CHARACTER)),
    )


def _wrap(text: str, characters: float) -> str:
    """Wrap lines, also after the underscores of a file's name."""
    return "\n".join(
        wrapped.replace("_ ", "_")
        for line in text.splitlines()
        for wrapped in textwrap.wrap(line.replace("_", "_ "), int(characters))
    )


def _measure_height(text: str, size_pt: float) -> float:
    """Measure the inches that lines of text take, with their distance from the picture."""
    return (text.count("\n") + 1) * LINE * size_pt / 72 + 0.06


def _join_pictures(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Join pictures side by side, with a white gap."""
    height, width, channels = pictures[0].shape
    gap = np.full((height, width // 32, channels), 255, np.uint8)
    return np.hstack([part for picture in pictures for part in (gap, picture)][1:])
