"""Relate sites to areas of others: names of protected areas, and sites found earlier."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
from pyogrio.errors import DataSourceError
from rasterio.features import geometry_mask
from shapely import STRtree

from planet_lib.errors import DataError, shorten
from planet_lib.scenes.grid import WGS84
from planet_lib.scenes.merge import ProbabilityMap
from planet_lib.scenes.sites import EQUAL_AREA
from planet_lib.scenes.tiles import ASSESSED

NAME_COLUMNS = ("name", "nome", "nombre", "nom", "title", "terrai_nom", "id")
GROWN = 1.1  # times the earlier area
SAME = 0.05  # share of the smaller area that two sites must have in common


def read_areas(path: Path) -> gpd.GeoDataFrame:
    """Read areas from any vector file.

    Returns
    -------
    GeoDataFrame
        In WGS 84 with the column ``name``; without empty geometries.

    Raises
    ------
    DataError
        The file is missing or unreadable, or holds no areas.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file")
    try:
        areas = gpd.read_file(path, engine="pyogrio")
    except (DataSourceError, ValueError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as areas ({shorten(error)})") from None
    if "geometry" not in areas or areas.geometry.isna().all():
        raise DataError(f"{path}: no areas in it")
    areas = areas[~(areas.geometry.isna() | areas.geometry.is_empty)].reset_index(drop=True)
    areas = areas.set_crs(WGS84) if areas.crs is None else areas.to_crs(WGS84)
    if not areas.geom_type.isin(["Polygon", "MultiPolygon"]).all():
        raise DataError(f"{path}: not all of it are polygons")
    lower = {column.lower(): column for column in areas.columns}
    column = next((lower[name] for name in NAME_COLUMNS if name in lower), None)
    names = areas[column].astype(str) if column else [f"area {i + 1}" for i in range(len(areas))]
    return gpd.GeoDataFrame({"name": names}, geometry=areas.geometry.make_valid(), crs=WGS84)


def name_areas(sites: gpd.GeoDataFrame, areas: gpd.GeoDataFrame) -> list[str]:
    """Name the areas that each site touches, joined by semicolons; both are in WGS 84."""
    tree = STRtree(areas.geometry.to_numpy())
    return [
        "; ".join(areas.name.iloc[sorted(tree.query(site, predicate="intersects"))])
        for site in sites.geometry
    ]


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
    first, second = STRtree(then.to_numpy()).query(now.to_numpy(), predicate="intersects")
    common = now.iloc[first].intersection(then.iloc[second], align=False).area.to_numpy()
    smaller = np.minimum(now.area.to_numpy()[first], then.area.to_numpy()[second])
    same = common >= SAME * smaller
    pairs = pd.DataFrame({"now": first[same], "then": second[same]})
    area_then = pairs.then.map(then.area).groupby(pairs.now).sum()
    changes = [
        "new" if i not in area_then else "grown" if area > GROWN * area_then[i] else "known"
        for i, area in enumerate(now.area)
    ]
    missing = earlier[~earlier.index.isin(pairs.then)]
    states = [_see(geometry, found) for geometry in missing.to_crs(found.grid.crs).geometry]
    missing = missing.assign(change=states)
    return changes, missing[missing.change != "outside"].reset_index(drop=True)


def _see(geometry, found: ProbabilityMap) -> str:
    """Tell whether the place of an earlier site was assessed this time."""
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
    return "gone" if (classes[inside] == ASSESSED).mean() > 0.5 else "not assessed"
