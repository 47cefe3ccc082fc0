"""Style of all figures and tables, and their display with a caption."""

import base64
import html
import io
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from IPython.display import Markdown, display
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from planet_lib.report.contents import name_label

WIDTH_IN = 8.0
DPI = 150
PHOTOGRAPH_PX = 32  # smaller images in a figure are matrices, not photographs
VECTOR_BYTES = 300_000  # a plot of so many marks that it is larger is published as pixels
WEBP_PX = 16_383  # the longest side that the format allows
WEBP_QUALITY = 85
INK = "#22302a"
MUTED = "#7b8780"
FOREST = "#1b7f5c"
OCHRE = "#c8641b"
SKY = "#2f6db5"
PLUM = "#8a4f9e"
WEATHER_COLOURS = {"clear": SKY, "partly_cloudy": "#8a6fb0", "haze": OCHRE, "cloudy": MUTED}
DENSE_SPAN = 50  # from lowest to highest, above which 1, 2 and 5 of each decade collide
SEQUENTIAL = sns.light_palette(FOREST, as_cmap=True)

mpl.use("agg")
sns.set_theme(
    context="notebook",
    style="ticks",
    rc={
        "figure.dpi": 72,
        "savefig.dpi": DPI,
        "svg.hashsalt": "planet",  # the same figure gives the same file
        "axes.edgecolor": MUTED,
        "axes.labelcolor": INK,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlelocation": "left",
        "axes.titlesize": 12,
        "axes.titleweight": "bold",
        "axes.grid": True,
        "grid.color": "#e6eae7",
        "text.color": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "font.size": 11,
        "legend.frameon": False,
    },
)


@dataclass(frozen=True)
class Table:
    """A table as it is displayed in a notebook, with a caption, and its numbers as CSV."""

    written: pd.DataFrame
    values: pd.DataFrame
    caption: str

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        caption = f"<caption>{html.escape(self.caption)}</caption>"
        with pd.option_context("display.max_colwidth", None):
            table = self.written.to_html()
        return {
            "text/html": table.replace("<thead>", f"{caption}<thead>", 1),
            "text/csv": self.values.to_csv(),
            "text/plain": f"{self.caption}\n{self.written}",
        }


def format_table(table: pd.DataFrame, *, caption: str, digits: int = 3) -> Table:
    """Format a table for the reader: rounded numbers, dashes for NaN, labels in plain words.

    Parameters
    ----------
    table : DataFrame
    caption : str
        What the table shows, in plain text.
    digits : int
        After the decimal point; the CSV that a page offers has them all.
    """
    written = table.map(lambda value: _write_value(value, digits))
    written.columns = [str(name).replace("_", " ").replace("f2", "F2") for name in table.columns]
    written.index = [name_label(str(name)) for name in table.index]
    return Table(written, table, caption)


def make_figure(rows: int = 1, columns: int = 1, *, height_in: float, **options) -> tuple:
    """Create a figure of the report's width and its axes."""
    figure = Figure(figsize=(WIDTH_IN, height_in), layout="constrained")
    return figure, figure.subplots(rows, columns, **options)


def draw_chip(axes: mpl.axes.Axes, chip: np.ndarray, title: str = "") -> None:
    """Draw a chip, or in grey a plane of values from 0 to 1, without axes."""
    axes.imshow(chip, **({"cmap": "gray", "vmin": 0, "vmax": 1} if chip.ndim == 2 else {}))
    axes.set_axis_off()
    axes.set_title(title, fontsize=9, fontweight="normal", loc="center")


def label_plainly(axis: mpl.axis.Axis) -> None:
    """Label a logarithmic axis with plain numbers, each decade once where there are many."""
    low, high = axis.get_view_interval()
    many = low > 0 and high / low > DENSE_SPAN
    axis.set_major_locator(LogLocator(subs=(1,) if many else (1, 2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_locator(NullLocator())


def show_figure(figure: Figure, *, alt: str, caption: str) -> None:
    """Display a figure with its alternative text and its caption, both in plain text."""
    kind, content = encode_figure(figure)
    display(
        {kind: content, "text/plain": alt},
        metadata={kind: {"alt": alt, "width": int(WIDTH_IN * 96)}},
        raw=True,
    )
    display(Markdown(f"*{caption}*", metadata={"caption": caption}))


def encode_figure(figure: Figure) -> tuple[str, str]:
    """Encode a figure for a page: plots as vectors, figures with photographs as WebP.

    Returns
    -------
    media_type : str
        ``image/svg+xml`` or ``image/webp``.
    content : str
        The SVG, or the WebP in base64.
    """
    buffer = io.BytesIO()
    if not _has_photographs(figure):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
        if buffer.tell() <= VECTOR_BYTES:
            return "image/svg+xml", buffer.getvalue().decode()
        buffer = io.BytesIO()
    dpi = min(DPI, WEBP_PX / max(figure.get_size_inches()))
    figure.savefig(buffer, format="webp", dpi=dpi, pil_kwargs={"quality": WEBP_QUALITY})
    return "image/webp", base64.b64encode(buffer.getvalue()).decode()


def _has_photographs(figure: Figure) -> bool:
    images = [image.get_array() for axes in figure.axes for image in axes.images]
    return any(min(image.shape[:2]) >= PHOTOGRAPH_PX for image in images)


def _write_value(value: object, digits: int) -> str:
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        text = f"{value:.{digits}f}" if np.isfinite(value) else "–"
        return text.replace("-", "\N{MINUS SIGN}")
    return f"{value:,}" if isinstance(value, int | np.integer) else str(value)
