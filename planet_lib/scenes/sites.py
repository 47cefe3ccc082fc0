"""Dissolve the cells of probable mines into sites."""

from collections import defaultdict

import geopandas as gpd
import numpy as np
import pandas as pd
from rasterio.features import shapes
from scipy import ndimage
from scipy.spatial import KDTree
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry
from shapely.ops import unary_union

from planet_lib.data.labels import MINE
from planet_lib.scenes.detector import Detector
from planet_lib.scenes.grid import CELLS, WGS84
from planet_lib.scenes.merge import ProbabilityMap

EQUAL_AREA = "EPSG:6933"
NEIGHBOURS = 5
NEIGHBOUR_KM = 3.0  # as Amazon Mining Watch
TOUCHING = np.ones((3, 3), int)
M2_PER_HA = 1e4


def find_sites(
    found: ProbabilityMap,
    probabilities: np.ndarray,
    detector: Detector,
    *,
    threshold: float,
    isolated_threshold: float,
) -> tuple[gpd.GeoDataFrame, int]:
    """Find sites: groups of touching cells whose probability reaches a threshold.

    A site must reach `isolated_threshold` where it is smaller than five tiles and fewer than five
    other tiles that reach `threshold` lie within 3 km.

    Parameters
    ----------
    found : ProbabilityMap
    probabilities : ndarray of shape (R, T, L), float32
        Of each tile.
    detector : Detector
    threshold, isolated_threshold : float

    Returns
    -------
    sites : GeoDataFrame
        In the CRS of the grid, sorted by the highest probability:

        - ``area_ha``: of the cells that reach `threshold`, on an equal-area projection;
          ``area_low_ha``: of those that reach `isolated_threshold`; ``area_high_ha``: of those
          within a tile's side that reach half of `threshold`;
        - ``probability_mean``, ``probability_max``: of the cells;
        - ``provisional``: the highest probability is below `isolated_threshold`, or the site
          touches ground that was not assessed;
        - ``labels``: others that its tiles show.
    isolated : int
        Number of isolated groups that were left out.
    """
    above = np.nan_to_num(found.probability) >= threshold
    numbers, count = ndimage.label(above, TOUCHING)
    boxes = ndimage.find_objects(numbers)
    highest = ndimage.maximum(found.probability, numbers, range(1, count + 1))
    tiles = _number_tiles(found, probabilities, detector, threshold, numbers)
    near = _find_neighboured(found, tiles, np.bincount(numbers.ravel())[1:])
    kept = [i for i in range(count) if highest[i] >= isolated_threshold or i + 1 in near]
    polygons = _draw_polygons(numbers, found)
    shown = dict(list(tiles.groupby("site")))
    rows = [
        _describe(found, numbers, i + 1, boxes[i], threshold, isolated_threshold)
        | {"labels": _list_labels(shown.get(i + 1), probabilities, detector)}
        for i in kept
    ]
    columns = ["area_ha", "area_low_ha", "area_high_ha", "probability_mean", "probability_max",
               "provisional", "labels"]  # fmt: skip
    sites = gpd.GeoDataFrame(
        pd.DataFrame(rows, columns=columns),
        geometry=[polygons[i + 1] for i in kept],
        crs=found.grid.crs,
    )
    cell_m2 = (found.grid.cell_px * found.grid.step) ** 2
    projected = sites.to_crs(EQUAL_AREA).area / np.maximum(sites.area, 1)
    for column in columns[:3]:
        sites[column] *= projected * cell_m2 / M2_PER_HA
    order = sites.probability_max.sort_values(ascending=False, kind="stable").index
    return sites.loc[order].reset_index(drop=True), count - len(kept)


def locate_sites(sites: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Return sites in WGS 84 with ``latitude`` and ``longitude`` of their centroids."""
    centroids = sites.centroid.to_crs(WGS84)
    located = sites.to_crs(WGS84)
    located.insert(0, "longitude", centroids.x.round(6))
    located.insert(0, "latitude", centroids.y.round(6))
    return located


def _describe(
    found: ProbabilityMap,
    numbers: np.ndarray,
    number: int,
    box: tuple[slice, slice],
    threshold: float,
    isolated_threshold: float,
) -> dict:
    """Describe one site; areas are in cells."""
    around = tuple(slice(max(side.start - CELLS, 0), side.stop + CELLS) for side in box)
    site = numbers[around] == number
    probability, valid = found.probability[around], found.valid[around]
    inside = probability[site]
    possible = np.nan_to_num(probability) >= threshold / 2
    reach = ndimage.binary_dilation(
        site, TOUCHING, iterations=CELLS, mask=possible & (site | (numbers[around] == 0))
    )
    edge = ndimage.binary_dilation(np.pad(site, 1), TOUCHING)
    unknown = np.pad(np.isnan(probability), 1, constant_values=True)
    return {
        "area_ha": valid[site].sum(),
        "area_low_ha": valid[site & (np.nan_to_num(probability) >= isolated_threshold)].sum(),
        "area_high_ha": valid[reach].sum(),
        "probability_mean": round(float(inside.mean()), 4),
        "probability_max": round(float(inside.max()), 4),
        "provisional": bool(inside.max() < isolated_threshold or (edge & unknown).any()),
    }


def _number_tiles(
    found: ProbabilityMap,
    probabilities: np.ndarray,
    detector: Detector,
    threshold: float,
    numbers: np.ndarray,
) -> pd.DataFrame:
    """List the tiles that reach the threshold, with a site that they show or 0."""
    mines = probabilities[..., detector.labels.index(MINE)]
    row, column = np.nonzero(np.nan_to_num(mines) >= threshold)
    step, cell_px = found.grid.stride_px // found.grid.cell_px, found.grid.cell_px
    down = row * step + (found.grid.tile_rows[0] - found.row) // cell_px
    right = column * step + (found.grid.tile_columns[0] - found.column) // cell_px
    tiles = [
        numbers[max(y, 0) : y + CELLS, max(x, 0) : x + CELLS].max(initial=0)
        for y, x in zip(down, right, strict=True)
    ]
    return pd.DataFrame({"row": row, "column": column, "site": np.array(tiles, int)})


def _find_neighboured(found: ProbabilityMap, tiles: pd.DataFrame, cells: np.ndarray) -> set[int]:
    """Find the sites as large as five tiles, or with five other tiles within 3 km."""
    metres = found.grid.stride_px * found.grid.step_m
    places = tiles[["row", "column"]].to_numpy() * metres
    near = set(np.flatnonzero(cells >= NEIGHBOURS * CELLS**2) + 1)
    if tiles.empty:
        return near
    tree = KDTree(places)
    for site, own in tiles.groupby("site").indices.items():
        around = tree.query_ball_point(places[own], 1000 * NEIGHBOUR_KM)
        others = set().union(*around) - set(own)
        if site not in near and len(others) >= NEIGHBOURS:
            near.add(site)
    return near


def _draw_polygons(numbers: np.ndarray, found: ProbabilityMap) -> dict[int, BaseGeometry]:
    parts = defaultdict(list)
    for polygon, number in shapes(numbers.astype(np.int32), numbers > 0, transform=found.transform):
        parts[int(number)].append(shape(polygon))
    return {number: unary_union(polygons) for number, polygons in parts.items()}


def _list_labels(tiles: pd.DataFrame | None, probabilities: np.ndarray, detector: Detector) -> str:
    """List the other known labels whose threshold the mean of a site's tiles reaches."""
    if tiles is None:
        return ""
    mean = probabilities[tiles.row, tiles.column].mean(axis=0)
    shown = [
        label
        for label, probability in zip(detector.labels, mean, strict=True)
        if label != MINE and probability >= detector.thresholds.get(label, np.inf)
    ]
    return "; ".join(shown)
