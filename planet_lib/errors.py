"""Errors that a user can cause; the command line prints them as one line, without a traceback."""

import difflib
from collections.abc import Iterable


class PlanetError(Exception):
    """Base class; the message names the file or key, what is wrong and how to fix it."""


class DataError(PlanetError):
    """The data set, one of its files or an array made from it cannot be used."""


class ConfigError(PlanetError):
    """A profile, a parameter or a command-line argument is misspelt or out of range."""


class StageError(PlanetError):
    """A stage of the report failed, or the output of an earlier stage is missing."""


def shorten(error: Exception) -> str:
    """Shorten another library's error to the first line of its message, or to its type."""
    return str(error).strip().split("\n")[0] or type(error).__name__


def suggest(word: str, allowed: Iterable[str]) -> str:
    """Suggest the allowed word nearest to `word`, or list them all if none is near."""
    allowed = sorted(allowed)
    near = difflib.get_close_matches(word, allowed, n=1)
    return f"did you mean {near[0]!r}?" if near else "allowed: " + ", ".join(allowed)
