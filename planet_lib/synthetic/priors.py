"""Label sets of synthetic chips, drawn scene by scene from those of the real chips."""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from planet_lib.data.labels import INDEX, WEATHER, encode_tags
from planet_lib.errors import DataError

CHIPS_PER_SCENE = 4
SHARED = ("primary", "water", "agriculture")
THEME = [INDEX[label] for label in (*WEATHER, *SHARED)]
THEME_BITS = 1 << np.arange(len(THEME))


@dataclass(frozen=True, eq=False)
class LabelSets:
    """The label sets of the real chips and how often each occurs.

    Attributes
    ----------
    tags : tuple of str, length S
    encoded : ndarray of shape (S, 17), uint8
    share : ndarray of shape (S,), float64
        Share of the real chips; sums to 1.
    flat_share : ndarray of shape (S,), float64
        The same distribution, flattened so that rare labels are frequent; sums to 1.
    theme : ndarray of shape (S,), int64
        Equal for sets with the same weather and the same labels of `SHARED`.
    """

    tags: tuple[str, ...]
    encoded: np.ndarray
    share: np.ndarray
    flat_share: np.ndarray
    theme: np.ndarray


@cache
def load_label_sets() -> LabelSets:
    """Load the table of label sets that comes with the package."""
    text = files("planet_lib.synthetic").joinpath("label_sets.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    tags = tuple(row["tags"] for row in rows)
    chips = np.array([int(row["chips"]) for row in rows], dtype=np.float64)
    encoded = encode_tags(tags)
    share = chips / chips.sum()
    rarity = (encoded / (share @ encoded)).max(axis=1)
    flat = np.sqrt(share * rarity)
    return LabelSets(tags, encoded, share, flat / flat.sum(), encoded[:, THEME] @ THEME_BITS)


def draw_tags(
    rng: np.random.Generator, *, enrich: float = 0.0, tags: str | None = None
) -> list[str]:
    """Draw the label sets of the chips of one scene.

    The chips of a scene share their theme: weather, forest, water and farmland. A theme is drawn
    with its share of the real chips, then each chip's label set with its share within the theme, so
    that label sets have exactly the real distribution.

    Parameters
    ----------
    rng : numpy.random.Generator
        Random generator.
    enrich : float, 0 to 1
        Probability that the scene is drawn from the flattened distribution.
    tags : str, optional
        Tags whose theme to use instead of a random one.

    Returns
    -------
    list of str, length 4
        Space-separated tags.

    Raises
    ------
    DataError
        No real chip has the weather, forest, water and farmland of `tags`.
    """
    known = load_label_sets()
    share = known.flat_share if rng.random() < enrich else known.share
    theme = known.theme[rng.choice(len(share), p=share)]
    if tags is not None:
        theme = _name_theme(known, tags)
    members = np.flatnonzero(known.theme == theme)
    weights = share[members] / share[members].sum()
    return [known.tags[i] for i in rng.choice(members, CHIPS_PER_SCENE, p=weights)]


def _name_theme(known: LabelSets, tags: str) -> int:
    """Find the theme of the tags; a DataError says why a chip cannot have them."""
    row = encode_tags([tags])[0]
    theme = int(row[THEME] @ THEME_BITS)
    land = row[len(WEATHER) :].any()
    if theme not in known.theme or (row[INDEX["cloudy"]] and land):
        raise DataError(
            f"no real chip has the labels {tags!r}; give one weather label of "
            f"{', '.join(WEATHER)}, and land labels unless it is cloudy"
        )
    return theme
