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


def write_text(text: str) -> str:
    """Write a foreign text, such as the name of a file, so that nothing in it is markup.

    >>> write_text("a_b <i>")
    'a&#95;b &#60;i&#62;'
    """
    return "".join(c if c.isalnum() or c in " ,.;:-" else f"&#{ord(c)};" for c in text)
