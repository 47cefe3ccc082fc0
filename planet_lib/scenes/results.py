"""Read what the searches of scenes have written, for whoever shows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
import shapely
from rasterio.crs import CRS
from rasterio.transform import Affine

from planet_lib.errors import StageError
from planet_lib.files import read_json
from planet_lib.scenes.folder import OUTCOMES, RESULTS, SUMMARY
from planet_lib.scenes.outputs import (
    CLASSES,
    MISSING,
    OPTIONAL_COLUMNS,
    PROBABILITY,
    read_missing,
)

MAP_PX = 1600  # longest side of the maps that are read
M_PER_KM = 1000.0


@dataclass(frozen=True, eq=False)
class SceneMaps:
    """A scene and what was found in it, in kilometres to the east and north of its corner.

    Attributes
    ----------
    overview : ndarray of shape (H, W, 3), uint8
        RGB.
    probability : ndarray of shape (M, N), float32
        Of a mine; NaN where nothing was assessed.
    classes : ndarray of shape (M, N), uint8
        As `planet_lib.scenes.merge.ProbabilityMap.classes`.
    overview_km, cells_km : tuple of float
        Left, right, bottom and top of the overview, and of the two maps.
    outlines : list of ndarray of shape (P, 2), float
        The rings of the sites.
    """

    overview: np.ndarray
    probability: np.ndarray
    classes: np.ndarray
    overview_km: tuple[float, float, float, float]
    cells_km: tuple[float, float, float, float]
    outlines: list[np.ndarray]


def read_outcomes(run_dir: Path) -> tuple[dict[str, dict], dict[str, str]]:
    """Read how the searches of a report's scenes ended.

    Returns
    -------
    summaries : dict of str to dict
        Of each finished scene, the content of its ``scene.json``.
    failed : dict of str to str
        Of each other scene, why it could not be searched.

    Raises
    ------
    StageError
        No scenes were searched for the report.
    """
    path = run_dir / RESULTS / OUTCOMES
    if not path.exists():
        raise StageError(
            f"{path}: not there yet; run 'make report NAME={run_dir.name} SCENES=path' first"
        )
    outcomes = read_json(path)
    folders = {name: run_dir / RESULTS / name for name in outcomes["finished"]}
    summaries = {name: read_json(folder / SUMMARY) for name, folder in folders.items()}
    return summaries, outcomes["failed"]


def load_missing(run_dir: Path) -> gpd.GeoDataFrame | None:
    """Read the earlier sites that were not found again; None if there was no comparison."""
    path = run_dir / RESULTS / MISSING
    return read_missing(path) if path.exists() else None


def tabulate_settings(summaries: Mapping[str, dict]) -> pd.DataFrame:
    """Tabulate what each scene is, and how it was read and searched."""
    return pd.DataFrame(
        [
            {
                "scene": name,
                "date": summary["date"] or "unknown",
                "pixels": "{1:,} × {0:,}".format(*summary["size_px"]),
                "metres a pixel": summary["ground_distance_m"],
                "bands R, G, B": ", ".join(map(str, summary["bands"]["numbers"])),
                "found by": summary["bands"]["found_by"],
                "black, white": "{low:g}, {high:g} ({name})".format(**summary["scaling"]),
                "detector": summary["model"]["name"],
                "threshold": summary["settings"]["threshold"],
                "if isolated": summary["settings"]["isolated_threshold"],
            }
            for name, summary in summaries.items()
        ],
        index=range(1, len(summaries) + 1),
    )


def tabulate_shares(summaries: Mapping[str, dict]) -> pd.DataFrame:
    """Tabulate which share of each scene, in percent, was assessed and what hid the rest."""
    shares = [
        {"scene": name}
        | {f"{kind.replace('_', ' ')}, %": 100 * share for kind, share in each["shares"].items()}
        | {"sites": each["sites"], "provisional": each["provisional"]}
        for name, each in summaries.items()
    ]
    return pd.DataFrame(shares, index=range(1, len(shares) + 1))


def tabulate_sites(sites: gpd.GeoDataFrame) -> pd.DataFrame:
    """Tabulate sites for the reader, numbered from 1, with as many digits as mean something."""
    columns = {
        "highest probability": sites.probability_max.map("{:.3f}".format),
        "mean": sites.probability_mean.map("{:.3f}".format),
        "area, ha": sites.area_ha.map("{:.1f}".format),
        "range, ha": [
            f"{low:.0f} to {high:.0f}"
            for low, high in zip(sites.area_low_ha, sites.area_high_ha, strict=True)
        ],
        "latitude": sites.latitude.map("{:.5f}".format),
        "longitude": sites.longitude.map("{:.5f}".format),
        "provisional": sites.provisional.astype(bool),
        "scene": sites.scene,
    }
    columns |= {name: sites[name] for name in OPTIONAL_COLUMNS if name in sites}
    return pd.DataFrame(columns).set_axis(range(1, len(sites) + 1))


def tabulate_missing(missing: gpd.GeoDataFrame) -> pd.DataFrame:
    """Tabulate earlier sites that were not found again, numbered from 1."""
    columns = {
        "earlier site": missing.name,
        "change": missing.change,
        "area, ha": missing.area_ha.map("{:.1f}".format),
        "latitude": missing.latitude.map("{:.5f}".format),
        "longitude": missing.longitude.map("{:.5f}".format),
    }
    return pd.DataFrame(columns).set_axis(range(1, len(missing) + 1))


def read_maps(folder: Path, summary: Mapping, sites: gpd.GeoDataFrame) -> SceneMaps:
    """Read a scene's overview and its maps; large maps are reduced to the highest probability.

    Parameters
    ----------
    folder : Path
        Of a finished scene.
    summary : mapping
        The content of its ``scene.json``.
    sites : GeoDataFrame
        Those to outline.
    """
    overview = cv2.imread(str(folder / summary["overview"]["file"]))[..., ::-1]
    with rasterio.open(folder / PROBABILITY) as file:
        probability = file.read(1)
    with rasterio.open(folder / CLASSES) as file:
        classes = file.read(1)
    factor = -(-max(probability.shape) // MAP_PX)
    shape = np.array(probability.shape)
    margin = [(0, -size % factor) for size in shape]
    placed = Affine(*summary["overview"]["transform"])
    cells = Affine(*summary["cells"]["transform"])
    crs = CRS.from_wkt(summary["cells"]["crs"])
    unit_km = crs.linear_units_factor[1] / M_PER_KM
    left, bottom = placed @ (0, overview.shape[0])
    covered = shape + [after for _, after in margin]
    rings = shapely.get_rings(shapely.get_parts(sites.to_crs(crs).geometry.to_numpy()))
    return SceneMaps(
        overview=overview,
        probability=_reduce(np.pad(probability, margin, constant_values=np.nan), factor, np.fmax),
        classes=_reduce(np.pad(classes, margin, mode="edge"), factor, np.maximum),
        overview_km=_measure_extent(placed, overview.shape[:2], left, bottom, unit_km),
        cells_km=_measure_extent(cells, covered, left, bottom, unit_km),
        outlines=[(shapely.get_coordinates(ring) - (left, bottom)) * unit_km for ring in rings],
    )


def read_thumbnails(results: Path, sites: gpd.GeoDataFrame) -> list[tuple[np.ndarray, np.ndarray]]:
    """Read the pictures of sites, RGB of shape (H, W, 3), as taken and haze-free."""
    return [
        tuple(cv2.imread(str(results / path))[..., ::-1] for path in paths)
        for paths in zip(sites.thumbnail, sites.thumbnail_haze_free, strict=True)
    ]


def _reduce(values: np.ndarray, factor: int, function: np.ufunc) -> np.ndarray:
    rows, columns = (size // factor for size in values.shape)
    blocks = values.reshape(rows, factor, columns, factor)
    return function.reduce(function.reduce(blocks, axis=3), axis=1)


def _measure_extent(
    transform: Affine, shape: tuple[int, int], left: float, bottom: float, unit_km: float
) -> tuple[float, float, float, float]:
    first, last = transform @ (0, 0), transform @ (shape[1], shape[0])
    west, east = ((x - left) * unit_km for x in (first[0], last[0]))
    south, north = ((y - bottom) * unit_km for y in (last[1], first[1]))
    return west, east, south, north
