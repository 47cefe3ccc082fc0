"""Sites of many scenes in one table, each mine once where scenes overlap."""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from planet_lib.scenes.areas import pair_areas, read_areas
from planet_lib.scenes.folder import SUMMARY
from planet_lib.scenes.grid import WGS84
from planet_lib.scenes.map_page import write_map
from planet_lib.scenes.outputs import (
    MISSING,
    SITES,
    read_missing,
    read_sites,
    write_missing,
    write_sites,
)
from planet_lib.scenes.sites import EQUAL_AREA, M2_PER_HA

ALL_FORMATS = (".geojson", ".gpkg", ".kml", ".csv")
CHANGES = ("grown", "known", "new")  # what one scene sees of a site holds before what others miss


def merge_scenes(
    out: Path, names: Collection[str] | None = None, *, boundaries: Path | None = None
) -> gpd.GeoDataFrame:
    """Write the sites of finished scenes of a folder into one table of each format and one map.

    If scenes were compared with earlier sites, those that none of the scenes shows any more are in
    ``missing.geojson``, as from `gather_missing`.

    Parameters
    ----------
    out : Path
    names : collection of str, optional
        Of the scenes; by default all that are finished.
    boundaries : Path, optional
        Areas that are drawn on the map.

    Returns
    -------
    GeoDataFrame
        In WGS 84, as from `dissolve_sites`.
    """
    finished = [path.parent for path in sorted(out.glob(f"*/{SUMMARY}"))]
    folders = [folder for folder in finished if names is None or folder.name in names]
    files = [folder / SITES for folder in folders]
    tables = [table for path in files if len(table := read_sites(path))]
    found = pd.concat(tables, ignore_index=True) if tables else read_sites(files[0])
    sites = dissolve_sites(found)
    write_sites(sites, out, endings=ALL_FORMATS)
    missing = gather_missing(folders, found)
    if missing is None:
        (out / MISSING).unlink(missing_ok=True)
    else:
        write_missing(missing, out / MISSING)
    areas = read_areas(boundaries) if boundaries else None
    write_map(out, folders, sites, areas=areas, missing=missing)
    return sites


def gather_missing(folders: Sequence[Path], sites: gpd.GeoDataFrame) -> gpd.GeoDataFrame | None:
    """Gather the earlier sites that no scene shows any more.

    Parameters
    ----------
    folders : sequence of Path
        Of finished scenes.
    sites : GeoDataFrame
        Of these scenes, in WGS 84.

    Returns
    -------
    GeoDataFrame or None
        In WGS 84: ``name``, ``change``, ``area_ha``, ``latitude`` and ``longitude``, the largest
        first. ``change`` is ``gone`` where any of the scenes saw the place, else ``not assessed``.
        None if no scene was compared with earlier sites.
    """
    tables = [read_missing(path) for folder in folders if (path := folder / MISSING).exists()]
    if not tables:
        return None
    missing = pd.concat(tables, ignore_index=True)
    missing = missing.sort_values("change", kind="stable", ignore_index=True)  # gone comes first
    again = missing.assign(outline=missing.geometry.to_wkb()).duplicated(["name", "outline"])
    missing = missing[~again].reset_index(drop=True)
    found_elsewhere, _ = pair_areas(missing, sites)
    missing = missing.drop(index=np.unique(found_elsewhere)).reset_index(drop=True)
    ground = missing.to_crs(EQUAL_AREA).geometry
    centres = ground.centroid.to_crs(WGS84)
    missing = missing.assign(
        area_ha=(ground.area / M2_PER_HA).round(2),
        latitude=centres.y.round(6),
        longitude=centres.x.round(6),
    )
    return missing.sort_values("area_ha", ascending=False, kind="stable", ignore_index=True)


def dissolve_sites(sites: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Dissolve the sites that several scenes show of the same ground.

    Sites of different scenes are one where they have a twentieth of the smaller one's area in
    common. A dissolved site has the id, scene, date and pictures of the most probable of them, and
    the area of their union; ``area_low_ha`` is the largest of theirs, and ``area_high_ha`` adds to
    the union what each might be larger.

    Parameters
    ----------
    sites : GeoDataFrame
        In WGS 84.

    Returns
    -------
    GeoDataFrame
        With the column ``scenes``, all that show the site, joined by semicolons; sorted by the
        highest probability.
    """
    groups = _group_sites(sites)
    single = ~pd.Series(groups).duplicated(keep=False).to_numpy()
    alone = sites[single].assign(scenes=sites.scene[single])
    dissolved = [_dissolve(group) for _, group in sites[~single].groupby(groups[~single])]
    table = pd.concat([alone, *dissolved]) if dissolved else alone
    place = table.columns.get_loc("scene") + 1
    table.insert(place, "scenes", table.pop("scenes"))
    order = ["probability_max", "id"]
    return table.sort_values(order, ascending=[False, True], ignore_index=True)


def _group_sites(sites: gpd.GeoDataFrame) -> np.ndarray:
    """Number the sites so that those of the same ground have the same number."""
    scenes = sites.scene.to_numpy()
    first, second = pair_areas(sites, sites)
    other = scenes[first] != scenes[second]
    links = coo_array((other[other], (first[other], second[other])), shape=(len(sites),) * 2)
    return connected_components(links, directed=False)[1]


def _dissolve(group: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Dissolve the sites of a group into one row."""
    best = group.sort_values("probability_max", ascending=False, kind="stable").head(1)
    union = gpd.GeoSeries([group.union_all()], crs=group.crs)
    area = float(union.to_crs(EQUAL_AREA).area.iloc[0]) / M2_PER_HA
    mean = np.average(group.probability_mean, weights=group.area_ha)
    values = {
        "scenes": "; ".join(sorted(set(group.scene))),
        "latitude": float(np.average(group.latitude, weights=group.area_ha).round(6)),
        "longitude": float(np.average(group.longitude, weights=group.area_ha).round(6)),
        "area_ha": round(area, 2),
        "area_low_ha": group.area_low_ha.max(),
        "area_high_ha": round(area + float((group.area_high_ha - group.area_ha).sum()), 2),
        "probability_mean": round(float(mean), 4),
        "provisional": bool(group.provisional.all()),
    }
    for column in ("labels", "areas"):
        if column in group:
            values[column] = "; ".join(_unite_names(group[column]))
    if "change" in group:
        seen = set(group.change)  # not where all of the scenes were searched without --compare
        values["change"] = next((change for change in CHANGES if change in seen), None)
    return best.assign(**values).set_geometry([union.iloc[0]], crs=group.crs)


def _unite_names(lists: Iterable[str | None]) -> list[str]:
    """Unite names that are joined by semicolons, each once."""
    names = (name for text in lists if isinstance(text, str) for name in text.split("; "))
    return list(dict.fromkeys(name for name in names if name))
