"""Wording that the findings share."""

import re
from collections.abc import Sequence


def join_names(names: Sequence[str]) -> str:
    """Join names as in a sentence; a semicolon separates names that hold commas."""
    separator = "; " if any("," in name for name in names) else ", "
    *rest, last = names
    if not rest:
        return last
    return f"{separator.join(rest)}{separator.rstrip(', ')} and {last}"


def write_minus(text: str) -> str:
    """Write a true minus sign before numbers."""
    return re.sub(r"(?<![\w%])-(?=\d)", "\N{MINUS SIGN}", text)
