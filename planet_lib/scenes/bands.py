"""Find red, green and blue among a scene's bands, and the date among its tags."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from rasterio.enums import ColorInterp

from planet_lib.errors import DataError

COLOURS = ("red", "green", "blue")
SENTINEL2 = {"B04": "red", "B4": "red", "B03": "green", "B3": "green", "B02": "blue", "B2": "blue"}
DATE_TAGS = ("acquired", "acquisition_date", "date", "tifftag_datetime")
DATE = re.compile(r"(?<!\d)(20\d\d)[-_:]?(0[1-9]|1[0-2])[-_:]?(0[1-9]|[12]\d|3[01])(?!\d)")


def find_colours(
    descriptions: Sequence[str | None], interpretations: Sequence[ColorInterp]
) -> tuple[list[int], str]:
    """Find the bands that hold red, green and blue.

    Parameters
    ----------
    descriptions : sequence of str or None
        Of each band: a colour, perhaps among other words, or a name of Sentinel-2's.
    interpretations : sequence of ColorInterp
        Of each band.

    Returns
    -------
    bands : list of int
        Numbers from 1, in the order red, green, blue.
    reason : str
        What they were found by.

    Raises
    ------
    DataError
        They cannot be told.
    """
    named = [_read_colour(text) for text in descriptions]
    interpreted = [colour.name for colour in interpretations]
    for names, reason in ((named, "description"), (interpreted, "colour interpretation")):
        if all(names.count(colour) == 1 for colour in COLOURS):
            return [names.index(colour) + 1 for colour in COLOURS], reason
    if len(descriptions) < len(COLOURS):
        raise DataError(
            f"bands: {len(descriptions)}; red, green and blue are needed; separate files are one "
            "scene when joined by commas: red.tif,green.tif,blue.tif"
        )
    raise DataError(
        f"none of its {len(descriptions)} bands is marked as red, green or blue; say which they "
        "are, such as --bands 3,2,1"
    )


def find_date(path: Path, tags: Mapping[str, str]) -> str | None:
    """Find the day on which a scene was taken, in its name or its tags.

    Returns
    -------
    str or None
        ``YYYY-MM-DD``.
    """
    lower = {name.lower(): value for name, value in tags.items()}
    for text in (path.name, *(lower.get(name, "") for name in DATE_TAGS)):
        for found in DATE.finditer(text):
            try:
                return date(*map(int, found.groups())).isoformat()
            except ValueError:
                continue
    return None


def _read_colour(description: str | None) -> str | None:
    words = re.findall(r"[a-z]+\d*", (description or "").lower())
    names = {SENTINEL2.get(word.upper(), word) for word in words}
    found = [colour for colour in COLOURS if colour in names]
    return found[0] if len(found) == 1 and not {"edge", "rededge"} & names else None
