"""Write what was found as files for GIS, spreadsheets and the web."""

from pathlib import Path

import cv2
import geopandas as gpd
import numpy as np
import rasterio

from planet_lib.errors import DataError, shorten
from planet_lib.files import replace_file
from planet_lib.haze import remove_haze
from planet_lib.scenes.grid import WGS84
from planet_lib.scenes.merge import CLASS_NAMES, ProbabilityMap
from planet_lib.scenes.read import Scene
from planet_lib.scenes.tiles import ASSESSED, CLOUD, DOMAIN, NO_DATA

SITES, MISSING = "sites.geojson", "missing.geojson"
PROBABILITY, CLASSES = "probability.tif", "assessed.tif"
THUMBNAIL_PX = 256
LARGEST_TILES = 12  # along a thumbnail's side
JPEG_QUALITY = 88
CLASS_COLOURS = {  # Okabe and Ito, for colour blindness
    ASSESSED: (0, 0, 0, 0),
    NO_DATA: (120, 120, 120, 255),
    CLOUD: (86, 180, 233, 255),
    DOMAIN: (204, 121, 167, 255),
}
SURE, PROVISIONAL = "#d55e00", "#e69f00"
COLUMNS = (
    "id", "scene", "date", "latitude", "longitude", "area_ha", "area_low_ha", "area_high_ha",
    "probability_mean", "probability_max", "provisional", "labels", "model", "model_version",
    "thumbnail", "thumbnail_haze_free",
)  # fmt: skip
OPTIONAL_COLUMNS = ("areas", "change")
TEXT = {"DATE_AS_STRING": "YES"}  # GDAL takes a scene's name that looks like a date for one
TABLES = {".geojson": "GeoJSON", ".gpkg": "GPKG", ".kml": "KML"}


def write_rasters(found: ProbabilityMap, folder: Path) -> None:
    """Write cloud-optimised GeoTIFFs of the probability and of what was not assessed.

    ``probability.tif`` is NaN where nothing was assessed; ``assessed.tif`` says why, in numbers
    with colours and names.
    """
    height, width = found.classes.shape
    profile = {
        "driver": "COG",
        "height": height,
        "width": width,
        "count": 1,
        "crs": found.grid.crs,
        "transform": found.transform,
        "compress": "deflate",
    }
    with (
        replace_file(folder / PROBABILITY) as partial,
        rasterio.open(
            partial,
            "w",
            dtype="float32",
            nodata=np.nan,
            predictor=3,
            resampling="average",
            **profile,
        ) as file,
    ):
        file.write(found.probability, 1)
        file.set_band_description(1, "probability of an artisanal mine")
    with (
        replace_file(folder / CLASSES) as partial,
        rasterio.open(partial, "w", dtype="uint8", resampling="nearest", **profile) as file,
    ):
        file.write(found.classes, 1)
        file.write_colormap(1, CLASS_COLOURS)
        file.set_band_description(1, "what was assessed")
        file.update_tags(1, **{name: str(number) for number, name in CLASS_NAMES.items()})


def write_thumbnails(scene: Scene, sites: gpd.GeoDataFrame, folder: Path, airlight) -> list[str]:
    """Write a picture of each site as taken, and one with its haze removed.

    Parameters
    ----------
    scene : Scene
    sites : GeoDataFrame
        In the CRS of the grid.
    folder : Path
        Gets ``thumbnails/<number>.jpg`` and ``<number>-haze-free.jpg``.
    airlight : ndarray of shape (3,)
        Of the whole scene, for `boundary_constraint`.

    Returns
    -------
    list of str
        The names of the pictures as taken, without ending.
    """
    names = [f"thumbnails/{number:05d}" for number in range(1, len(sites) + 1)]
    (folder / "thumbnails").mkdir(exist_ok=True)
    with scene.open() as reader:
        for name, bounds in zip(names, sites.bounds.to_numpy(), strict=True):
            levels, valid = reader.read(*_frame(scene, bounds))
            small = _shrink(levels)
            known = _shrink(valid.view(np.uint8))[..., None] > 0
            filled = np.rint(np.where(known, small, airlight)).astype(np.uint8)
            haze_free = remove_haze(filled, airlight=airlight) * known
            for ending, picture in (("", small), ("-haze-free", haze_free)):
                _write_jpeg(folder / f"{name}{ending}.jpg", picture)
    return names


def write_overview(scene: Scene, folder: Path) -> None:
    """Write a small picture of the whole scene, on the grid's columns and rows."""
    _write_jpeg(folder / "overview.jpg", scene.overview)


def write_sites(sites: gpd.GeoDataFrame, folder: Path, *, endings: tuple[str, ...]) -> None:
    """Write sites as ``sites`` with each of the endings.

    Parameters
    ----------
    sites : GeoDataFrame
        In WGS 84.
    folder : Path
    endings : tuple of str
        Of ``.geojson`` (RFC 7946, styled by simplestyle), ``.gpkg``, ``.kml`` and ``.csv``.
    """
    for ending in endings:
        with replace_file(folder / f"sites{ending}") as partial:
            if ending == ".csv":
                sites.drop(columns="geometry").to_csv(partial, index=False)
                continue
            partial.unlink(missing_ok=True)
            table = _style(sites) if ending == ".geojson" else sites
            if ending == ".kml":
                table = table.rename(columns={"id": "Name"})
            options = {"RFC7946": "YES"} if ending == ".geojson" else {}
            try:
                table.to_file(
                    partial, driver=TABLES[ending], engine="pyogrio", layer="sites", **options
                )
            except RuntimeError as error:  # pyogrio's, on a full disk for instance
                raise DataError(
                    f"{folder / f'sites{ending}'}: cannot be written ({shorten(error)})"
                ) from None


def read_sites(path: Path) -> gpd.GeoDataFrame:
    """Read the sites of one scene, as `write_sites` wrote them to GeoJSON."""
    sites = gpd.read_file(path, engine="pyogrio", **TEXT)
    if sites.empty:
        return gpd.GeoDataFrame(columns=[*COLUMNS, "geometry"], geometry="geometry", crs=WGS84)
    kept = [name for name in (*COLUMNS, *OPTIONAL_COLUMNS) if name in sites]
    return sites[[*kept, "geometry"]]


def write_missing(missing: gpd.GeoDataFrame, path: Path) -> None:
    """Write the earlier sites that were not found again, in WGS 84, as GeoJSON (RFC 7946)."""
    with replace_file(path) as partial:
        partial.unlink(missing_ok=True)
        missing.to_file(partial, driver="GeoJSON", engine="pyogrio", layer=path.stem, RFC7946="YES")


def read_missing(path: Path) -> gpd.GeoDataFrame:
    """Read the earlier sites that `write_missing` wrote."""
    missing = gpd.read_file(path, engine="pyogrio", **TEXT)
    if missing.empty:
        return gpd.GeoDataFrame({"name": [], "change": []}, geometry=[], crs=WGS84)
    return missing


def _style(sites: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Add the properties of simplestyle 1.1."""
    colour = np.where(sites.provisional.astype(bool), PROVISIONAL, SURE)
    titles = [f"{name}, {area:.0f} ha" for name, area in zip(sites.id, sites.area_ha, strict=True)]
    return sites.assign(
        **{
            "title": titles,
            "stroke": colour,
            "stroke-width": 2,
            "stroke-opacity": 1.0,
            "fill": colour,
            "fill-opacity": 0.25,
        }
    )


def _frame(scene: Scene, bounds: np.ndarray) -> tuple[range, range]:
    """Frame a site, or the middle of a large one, with a margin of half a tile within the scene."""
    grid = scene.grid
    left, bottom, right, top = bounds
    columns = (np.array([left, right]) - grid.phase[0]) / grid.step
    rows = (grid.phase[1] - np.array([top, bottom])) / grid.step
    return _frame_side(rows, grid.rows, grid.chip_px), _frame_side(
        columns, grid.columns, grid.chip_px
    )


def _frame_side(edges: np.ndarray, pixels: range, chip_px: int) -> range:
    middle, half = edges.mean(), min(np.ptp(edges) + chip_px, LARGEST_TILES * chip_px) / 2
    return range(max(round(middle - half), pixels.start), min(round(middle + half), pixels.stop))


def _shrink(picture: np.ndarray) -> np.ndarray:
    factor = THUMBNAIL_PX / max(picture.shape[:2])
    interpolation = cv2.INTER_AREA if factor < 1 else cv2.INTER_NEAREST
    return cv2.resize(picture, None, fx=factor, fy=factor, interpolation=interpolation)


def _write_jpeg(path: Path, picture: np.ndarray) -> None:
    encoded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    with replace_file(path) as partial:
        partial.write_bytes(encoded.tobytes())


def outline_scene(scene: Scene) -> dict:
    """Return the scene's outline in WGS 84 as a GeoJSON polygon."""
    ring = scene.source.placement.outline(WGS84).T[::10].round(6).tolist()
    return {"type": "Polygon", "coordinates": [[*ring[::-1], ring[-1]]]}
