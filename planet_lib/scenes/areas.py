"""Relate sites to areas of others: names of protected areas, and sites found earlier."""

from collections.abc import Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from pyogrio.errors import DataSourceError
from rasterio.features import geometry_mask
from rasterio.warp import transform_bounds
from shapely import STRtree, box

from planet_lib.errors import DataError, shorten
from planet_lib.scenes.grid import WGS84
from planet_lib.scenes.merge import ProbabilityMap
from planet_lib.scenes.sites import EQUAL_AREA
from planet_lib.scenes.tiles import ASSESSED

NAME_COLUMNS = ("name", "nome", "nombre", "nom", "title", "terrai_nom", "id")
EARLIER_COLUMNS = ("id", *NAME_COLUMNS)
UNSEEN = r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]"  # and turn writing around
MARGIN_DEGREES = 0.01
GROWN = 1.1  # times the earlier area
SAME = 0.05  # share of the smaller area that two sites must have in common


def read_areas(
    path: Path, *, name_columns: Sequence[str] = NAME_COLUMNS, allow_none: bool = False
) -> gpd.GeoDataFrame:
    """Read areas from any vector file.

    Parameters
    ----------
    path : Path
    name_columns : sequence of str
        In small letters; the first that holds anything gives the names.
    allow_none : bool
        Whether the file may hold no area, as that of a search that found nothing.

    Returns
    -------
    GeoDataFrame
        In WGS 84 with the column ``name``; without those that enclose nothing.

    Raises
    ------
    DataError
        The file is missing or unreadable, holds no areas, or areas that are not on Earth.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file")
    try:
        areas = gpd.read_file(path, engine="pyogrio")
    except (DataSourceError, ValueError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as areas ({shorten(error)})") from None
    if "geometry" not in areas:
        raise DataError(f"{path}: a table without outlines; give GeoJSON, GeoPackage or KML")
    if areas.empty and allow_none:
        return gpd.GeoDataFrame({"name": []}, geometry=[], crs=WGS84)
    if areas.geometry.isna().all():
        raise DataError(f"{path}: no areas in it")
    areas = areas[~(areas.geometry.isna() | areas.geometry.is_empty)].reset_index(drop=True)
    areas = areas.set_crs(WGS84) if areas.crs is None else areas.to_crs(WGS84)
    if others := set(areas.geom_type) - {"Polygon", "MultiPolygon"}:
        raise DataError(f"{path}: areas are polygons, but it also has {', '.join(sorted(others))}")
    reach = np.abs(areas.total_bounds)
    if not (reach <= (360, 90, 360, 90)).all():
        raise DataError(
            f"{path}: coordinates up to {reach.max():g}, not degrees; the file must name its "
            "coordinate reference system"
        )
    lower = {column.lower(): column for column in areas.columns}
    named = (lower[name] for name in name_columns if name in lower)
    column = next((name for name in named if areas[name].notna().any()), None)
    names = pd.Series([f"area {i + 1}" for i in range(len(areas))], dtype=object)
    if column is not None:
        written = areas[column].astype(str).str.replace(UNSEEN, " ", regex=True)
        written = written.str.split().str.join(" ")
        names = written.where(areas[column].notna() & written.ne(""), names)
    named = gpd.GeoDataFrame({"name": names}, geometry=areas.geometry.make_valid(), crs=WGS84)
    named = named[shapely.area(named.geometry.to_numpy()) > 0].reset_index(drop=True)
    if named.empty:
        raise DataError(f"{path}: no areas in it")
    return named


def name_areas(sites: gpd.GeoDataFrame, areas: gpd.GeoDataFrame) -> list[str]:
    """Name the areas that each site touches, joined by semicolons; both are in WGS 84."""
    tree = STRtree(areas.geometry.to_numpy())
    return [
        "; ".join(areas.name.iloc[sorted(tree.query(site, predicate="intersects"))])
        for site in sites.geometry
    ]


def pair_areas(first: gpd.GeoDataFrame, second: gpd.GeoDataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Pair the areas of two tables that have a twentieth of the smaller one's area in common.

    Returns
    -------
    first, second : ndarray of int
        Positions in the tables.
    """
    one, other = first.to_crs(EQUAL_AREA).geometry, second.to_crs(EQUAL_AREA).geometry
    i, j = STRtree(other.to_numpy()).query(one.to_numpy(), predicate="intersects")
    common = one.iloc[i].intersection(other.iloc[j], align=False).area.to_numpy()
    same = common >= SAME * np.minimum(one.area.to_numpy()[i], other.area.to_numpy()[j])
    return i[same], j[same]


def compare_sites(
    sites: gpd.GeoDataFrame, earlier: gpd.GeoDataFrame, found: ProbabilityMap
) -> tuple[list[str], gpd.GeoDataFrame]:
    """Compare sites with those found earlier, by the area that they have in common.

    Parameters
    ----------
    sites, earlier : GeoDataFrame
        In WGS 84.
    found : ProbabilityMap
        Of the scene of `sites`.

    Returns
    -------
    changes : list of str
        Of each site: ``new``, ``grown`` by more than a tenth, or ``known``.
    missing : GeoDataFrame
        Earlier sites without a match, with ``change``: ``gone``, or ``not assessed``; those outside
        the scene are left out.
    """
    now, then = sites.to_crs(EQUAL_AREA).geometry, earlier.to_crs(EQUAL_AREA).geometry
    pairs = pd.DataFrame(dict(zip(("now", "then"), pair_areas(sites, earlier), strict=True)))
    area_then = pairs.then.map(then.area).groupby(pairs.now).sum()
    changes = [
        "new" if i not in area_then else "grown" if area > GROWN * area_then[i] else "known"
        for i, area in enumerate(now.area)
    ]
    missing = earlier[~earlier.index.isin(pairs.then)]
    # What is far away has no place in the scene's reference system.
    near = missing.geometry.intersection(_frame(found))
    shares = near.to_crs(EQUAL_AREA).area / then[missing.index].area
    missing, near, shares = missing[shares > 0], near[shares > 0], shares[shares > 0]
    states = [
        _see(geometry, found, share)
        for geometry, share in zip(near.to_crs(found.grid.crs), shares, strict=True)
    ]
    missing = missing.assign(change=states)
    return changes, missing[missing.change != "outside"].reset_index(drop=True)


def _frame(found: ProbabilityMap) -> shapely.Geometry:
    """Frame a scene in WGS 84, with a margin."""
    height, width = found.classes.shape
    corners = (*(found.transform @ (0, height)), *(found.transform @ (width, 0)))
    left, bottom, right, top = transform_bounds(found.grid.crs, WGS84, *corners)
    if left > right:  # across the antimeridian
        left, right = -180, 180
    return box(left, bottom, right, top).buffer(MARGIN_DEGREES, join_style="mitre")


def _see(geometry: shapely.Geometry, found: ProbabilityMap, share: float) -> str:
    """Tell whether most of an earlier site was assessed, of which `geometry` is a share."""
    inverse = ~found.transform
    left, bottom, right, top = geometry.bounds
    (x0, y0), (x1, y1) = inverse @ (left, top), inverse @ (right, bottom)
    rows = slice(max(int(y0), 0), max(int(np.ceil(y1)), 0))
    columns = slice(max(int(x0), 0), max(int(np.ceil(x1)), 0))
    classes = found.classes[rows, columns]
    if classes.size == 0:
        return "outside"
    transform = found.transform @ found.transform.translation(columns.start, rows.start)
    inside = geometry_mask([geometry], classes.shape, transform, all_touched=True, invert=True)
    if not inside.any():
        return "outside"
    height, width = found.classes.shape
    scene = box(*(found.transform @ (0, height)), *(found.transform @ (width, 0)))
    seen = geometry.intersection(scene).area / geometry.area
    assessed = (classes[inside] == ASSESSED).mean() * seen * share
    return "gone" if assessed > 0.5 else "not assessed"
