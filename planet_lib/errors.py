"""The errors a user can cause; the command line prints each as one line and no traceback."""

import difflib
from collections.abc import Iterable


class PlanetError(Exception):
    """Base of the family: the message names the file or key, what is wrong and the cure."""


class DataError(PlanetError):
    """The data set, one of its files or an array made from it cannot be used as it is."""


class ConfigError(PlanetError):
    """A profile, a parameter or a command-line value is misspelt or out of its range."""


class StageError(PlanetError):
    """A stage of the report could not finish or lacks what an earlier stage writes."""


def shorten(error: Exception) -> str:
    """Shorten another library's error to the first line that it says, or its name."""
    return str(error).strip().split("\n")[0] or type(error).__name__


def suggest(word: str, allowed: Iterable[str]) -> str:
    """Say which of the allowed words was probably meant, or list them all."""
    allowed = sorted(allowed)
    near = difflib.get_close_matches(word, allowed, n=1)
    return f"did you mean {near[0]!r}?" if near else "allowed: " + ", ".join(allowed)
