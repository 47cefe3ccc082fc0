"""The 17 labels of a chip: their order, and their encoding as rows of 0 and 1."""

from collections.abc import Iterable

import numpy as np

from planet_lib.errors import DataError, suggest

WEATHER = ("clear", "partly_cloudy", "haze", "cloudy")
LAND = (
    "primary",
    "agriculture",
    "road",
    "water",
    "cultivation",
    "habitation",
    "bare_ground",
    "selective_logging",
    "artisinal_mine",
    "blooming",
    "slash_burn",
    "conventional_mine",
    "blow_down",
)
LABELS = WEATHER + LAND
MINE = "artisinal_mine"
ALL_LABELS = "all"
INDEX = {label: position for position, label in enumerate(LABELS)}


def encode_tags(tags: Iterable[str]) -> np.ndarray:
    """Encode space-separated tags as rows of 0 and 1.

    Parameters
    ----------
    tags : iterable of str, length N
        One string per chip, such as ``"clear primary water"``. A repeated tag counts once.

    Returns
    -------
    ndarray of shape (N, 17), uint8
        Columns in the order of `LABELS`.

    Raises
    ------
    DataError
        A tag is not one of the 17; the message suggests the closest one.

    Examples
    --------
    >>> encode_tags(["clear primary primary"])[0, :6]
    array([1, 0, 0, 0, 1, 0], dtype=uint8)
    """
    tags = list(tags)
    encoded = np.zeros((len(tags), len(LABELS)), dtype=np.uint8)
    for row, text in zip(encoded, tags, strict=True):
        for tag in text.split():
            if tag not in INDEX:
                raise DataError(f"unknown tag {tag!r}; {suggest(tag, LABELS)}")
            row[INDEX[tag]] = 1
    return encoded


def encode_known(tags: Iterable[str], known: Iterable[str]) -> np.ndarray:
    """Encode tags as rows of 0, 1 and, where nobody has said whether a label applies, -1.

    Parameters
    ----------
    tags : iterable of str, length N
        As for `encode_tags`.
    known : iterable of str, length N
        The labels that each chip's tags say yes or no about, or `ALL_LABELS`.

    Returns
    -------
    ndarray of shape (N, 17), int8

    Examples
    --------
    >>> encode_known(["artisinal_mine", "clear"], ["artisinal_mine", "all"])[:, [0, 4, 12]]
    array([[-1, -1,  1],
           [ 1,  0,  0]], dtype=int8)
    """
    encoded = encode_tags(tags).astype(np.int8)
    known = np.array(list(known), dtype=object)
    for labels in set(known) - {ALL_LABELS}:
        unknown = encode_tags([labels])[0] == 0
        encoded[np.ix_(known == labels, unknown)] = -1
    return encoded


def list_known(encoded: np.ndarray) -> list[str]:
    """List the labels that are known of at least one chip of `encoded`, shape (N, 17)."""
    return [label for label, seen in zip(LABELS, (encoded >= 0).any(axis=0), strict=True) if seen]


def decode_labels(encoded: np.ndarray) -> list[str]:
    """Decode rows to space-separated tags, the inverse of `encode_tags`; -1 counts as 0.

    Parameters
    ----------
    encoded : ndarray of shape (N, 17), bool or integer

    Returns
    -------
    list of str, length N
    """
    return [" ".join(LABELS[i] for i in np.flatnonzero(row)) for row in np.asarray(encoded) > 0]


def decode_weather(encoded: np.ndarray) -> np.ndarray:
    """Return the weather of each chip as an index into `WEATHER`, or -1 where it has none.

    Parameters
    ----------
    encoded : ndarray of shape (N, 17), bool or integer

    Returns
    -------
    ndarray of shape (N,), int
    """
    weather = encoded[:, : len(WEATHER)] > 0
    return np.where(weather.any(axis=1), weather.argmax(axis=1), -1)
