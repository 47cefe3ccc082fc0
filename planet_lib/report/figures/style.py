"""Style of all figures and tables, and the display of a figure with its caption."""

import io

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from IPython.display import Markdown, display
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from planet_lib.report.contents import name_label

WIDTH_IN = 8.0
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
        "savefig.dpi": 150,
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


def format_table(table: pd.DataFrame, *, digits: int = 3) -> pd.DataFrame:
    """Format a table for the reader: rounded numbers, dashes for NaN, labels in plain words."""
    written = table.map(lambda value: _write_value(value, digits))
    written.columns = [str(name).replace("_", " ").replace("f2", "F2") for name in table.columns]
    written.index = [name_label(str(name)) for name in table.index]
    return written


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
    """Display a figure with its alternative text and its caption."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    display(
        {"image/png": buffer.getvalue(), "text/plain": alt},
        metadata={"image/png": {"alt": alt, "width": int(WIDTH_IN * 96)}},
        raw=True,
    )
    display(Markdown(f"*{caption}*"))


def _write_value(value: object, digits: int) -> str:
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float | np.floating):
        text = f"{value:.{digits}f}" if np.isfinite(value) else "–"
        return text.replace("-", "\N{MINUS SIGN}")
    return f"{value:,}" if isinstance(value, int | np.integer) else str(value)
