"""Problems of a data set: all that was left out, replaced or taken twice.

This is the one place for it. Whoever reads the data adds a `Problem` for each file, row or label
that is not used as it came; the exploration page and the front page show them all.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

MAX_LEFT_OUT = 0.01
"""Share of the chips that may be unreadable before it is an error."""


@dataclass(frozen=True)
class Problem:
    """One file, row or label that is not used as it came."""

    file: str  # or the chip, or both of a pair
    problem: str  # the same words for each problem of a kind, so that they can be counted
    action: str  # what was done about it


COLUMNS = list(Problem.__annotations__)


def write_problems(problems: Iterable[Problem], path: Path) -> None:
    """Write problems as a table with the columns ``file``, ``problem`` and ``action``."""
    pd.DataFrame(problems, columns=COLUMNS).to_csv(path, index=False)


def read_problems(path: Path) -> list[Problem]:
    """Read a table that `write_problems` wrote."""
    table = pd.read_csv(path, keep_default_na=False, dtype=str)
    return [Problem(*row) for row in table[COLUMNS].itertuples(index=False)]


def summarize_problems(problems: Iterable[Problem]) -> pd.DataFrame:
    """Count the problems of each kind, the most frequent first.

    Returns
    -------
    DataFrame
        ``problem``, ``action``, ``files`` (how many) and ``example`` (the first of them).
    """
    table = pd.DataFrame(problems, columns=COLUMNS)
    kinds = table.groupby(["problem", "action"], sort=False)["file"].agg(["count", "first"])
    kinds.columns = ["files", "example"]
    return kinds.reset_index().sort_values("files", ascending=False, kind="stable")
