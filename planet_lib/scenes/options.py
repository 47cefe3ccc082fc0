"""What a user can choose about the search of a scene."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SearchOptions:
    """Options of `planet_lib.scenes.find.search_scenes`, with the same meanings."""

    model: str | None = None
    bands: tuple[int, ...] | None = None
    scaling: str | None = None
    stride: int | None = None
    threshold: float | None = None
    isolated_threshold: float | None = None
    boundaries: Path | None = None
    compare: Path | None = None
