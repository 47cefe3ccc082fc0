"""Find mines in scenes: from GeoTIFFs to sites, maps and pictures in a folder."""

import ctypes
from collections.abc import Sequence
from pathlib import Path

import geopandas as gpd

from planet_lib.errors import ConfigError, DataError
from planet_lib.scenes.areas import EARLIER_COLUMNS, read_areas
from planet_lib.scenes.detector import choose_detector, load_detector, read_ground_distance
from planet_lib.scenes.gather import merge_scenes
from planet_lib.scenes.search import Search
from planet_lib.scenes.source import Source, describe_source

TOO_COARSE = 4.0  # times a detector's ground distance
M_ARENA_MAX = -8  # of glibc's mallopt


def find_mines(scenes: Sequence[str], out: Path, **options) -> gpd.GeoDataFrame:
    """Find mines in scenes and write sites, maps and pictures.

    A finished scene has a folder of its name in `out`; the sites of all of them are in
    ``sites.geojson``, ``.gpkg``, ``.kml`` and ``.csv`` there.

    Parameters
    ----------
    scenes, out, options
        As for `search_scenes`.

    Returns
    -------
    GeoDataFrame
        The sites of all scenes in `out`, as from `planet_lib.scenes.gather.merge_scenes`.
    """
    search_scenes(scenes, out, **options)
    return merge_scenes(out, boundaries=options.get("boundaries"))


def search_scenes(
    scenes: Sequence[str],
    out: Path,
    *,
    model: str | None = None,
    bands: Sequence[int] | None = None,
    scaling: str | None = None,
    stride: int | None = None,
    threshold: float | None = None,
    isolated_threshold: float | None = None,
    boundaries: Path | None = None,
    compare: Path | None = None,
) -> None:
    """Search scenes for mines, without a table of all.

    After an interruption the same call goes on; scenes that are finished with the same settings are
    kept.

    Parameters
    ----------
    scenes : sequence of str
        GeoTIFFs or other rasters; see `planet_lib.scenes.source.describe_source`.
    out : Path
    model : str, optional
        Name of a detector that comes with the package, or a network's folder; by default the one
        that fits the scene's ground distance.
    bands : sequence of int, optional
        Numbers of red, green and blue.
    scaling : str, optional
        See `planet_lib.scenes.scaling.choose_scaling`.
    stride : int, optional
        Distance between tiles: a quarter, a half (default) or the whole of a tile, in pixels.
    threshold, isolated_threshold : float, optional
        See `planet_lib.scenes.sites.find_sites`; by default those of the detector.
    boundaries : Path, optional
        Areas whose names go into the column ``areas``.
    compare : Path, optional
        Sites found earlier.

    Raises
    ------
    DataError
        A scene cannot be searched.
    ConfigError
        An argument is out of range.
    """
    for name, value in (("threshold", threshold), ("isolated threshold", isolated_threshold)):
        if value is not None and not 0 < value < 1:
            raise ConfigError(f"{name} is {value}; allowed: between 0 and 1")
    _limit_arenas()
    sources = [describe_source(text, bands=bands) for text in scenes]
    names = [source.name for source in sources]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"{name}: two scenes of this name; rename one, or search it apart")
    areas = read_areas(boundaries) if boundaries else None
    earlier = None
    if compare:
        earlier = read_areas(compare, name_columns=EARLIER_COLUMNS, allow_none=True)
    detectors = {}
    for source in sources:
        folder = _choose(source, model)
        if folder not in detectors:
            detectors[folder] = load_detector(folder)
        search = Search(
            source, detectors[folder], out,
            scaling=scaling, stride=stride, threshold=threshold,
            isolated_threshold=isolated_threshold, areas=areas, earlier=earlier,
        )  # fmt: skip
        search.run()


def _limit_arenas() -> None:
    """Let threads share two of glibc's arenas: each keeps what was freed in it, 0.2 GiB in all."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(M_ARENA_MAX, 2)


def _choose(source: Source, model: str | None) -> Path:
    distance = source.placement.measure_ground_distance()
    try:
        folder = choose_detector(model, distance)
        made_for = read_ground_distance(folder)
        if distance > TOO_COARSE * made_for:
            raise DataError(
                f"{distance:.3g} m a pixel, but the detector was trained on {made_for:g} m; mines "
                "cannot be seen at this ground distance"
            )
    except DataError as error:
        raise DataError(f"{source.paths[0]}: {error}") from None
    return folder
