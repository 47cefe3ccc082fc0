"""The map page: the results of all scenes of a folder in one HTML file, to look at and to review.

The page loads nothing. Everything is projected to Web Mercator, in which online maps are drawn.
"""

import base64
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import geopandas as gpd
import jinja2
import matplotlib as mpl
import numpy as np
import rasterio
import shapely
from markupsafe import Markup
from PIL import Image
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.transform import Affine
from rasterio.warp import calculate_default_transform, reproject

from planet_lib.files import embed_file, read_json, replace_file
from planet_lib.scenes.folder import SUMMARY
from planet_lib.scenes.merge import CLASS_NAMES
from planet_lib.scenes.outputs import CLASS_COLOURS, CLASSES, PROBABILITY
from planet_lib.scenes.tiles import ASSESSED

MAP = "map.html"
TEMPLATES = Path(__file__).with_name("templates")
REPORT_STYLE = Path(__file__).parents[1] / "report" / "templates" / "page.css"
MERCATOR = CRS.from_epsg(3857)
HALF_WORLD_M = np.pi * 6378137  # where Web Mercator ends
PICTURE_PX = 1024  # longest side of a scene's picture
ALL_PIXELS = 6e6  # of the pictures of all scenes together
THUMBNAIL_PX = 192
LISTED_MISSING = 500  # rows of earlier sites that were not found again
THUMBNAIL_BYTES = 4_000_000  # of all thumbnails in the page; those of further sites are linked
QUALITY = 65
COLOURS = "plasma"
FAINTEST = 0.1  # probability that is not drawn any more
UNITS_PER_DEGREE = 1e5
SITE_COLUMNS = {  # in the page's data: digits
    "probability_mean": 3, "probability_max": 3, "area_ha": 1, "area_low_ha": 1, "area_high_ha": 1,
    "latitude": 6, "longitude": 6, "id": None, "labels": None, "areas": None, "change": None,
    "provisional": None,
}  # fmt: skip


@dataclass(frozen=True)
class Pictures:
    """A scene's pictures on the map as ``data:`` URLs, and the Web Mercator bounds of all three.

    The bounds are left, top, right and bottom, from 0 to 1 over the world.
    """

    bounds: list[float]
    width: int
    height: int
    overview: str
    probability: str
    unassessed: str


def write_map(
    out: Path,
    folders: Sequence[Path],
    sites: gpd.GeoDataFrame,
    *,
    areas: gpd.GeoDataFrame | None = None,
    missing: gpd.GeoDataFrame | None = None,
) -> Path:
    """Write the map page of finished scenes of a folder.

    Parameters
    ----------
    out : Path
        As from `planet_lib.scenes.find.find_mines`; gets ``map.html``.
    folders : sequence of Path
        Of the scenes, in `out`.
    sites : GeoDataFrame
        Of all its scenes, in WGS 84.
    areas : GeoDataFrame, optional
        In WGS 84, with the column ``name``; their boundaries are drawn.
    missing : GeoDataFrame, optional
        Earlier sites that were not found again, as from `planet_lib.scenes.gather.gather_missing`.

    Returns
    -------
    Path
        The page.
    """
    summaries = [read_json(folder / SUMMARY) for folder in folders]
    size = min(PICTURE_PX, int(np.sqrt(ALL_PIXELS / max(len(folders), 1))))
    pictures = {
        summary["scene"]: draw_scene(folder, summary, size)
        for folder, summary in zip(folders, summaries, strict=True)
    }
    dates = {summary["scene"]: summary["date"] for summary in summaries}
    sites = sites.assign(date=[dates[name] for name in sites.scene])
    if areas is not None and "areas" not in sites:
        sites["areas"] = None
    order = sites.probability_max.astype(float).sort_values(ascending=False, kind="stable").index
    sites = sites.loc[order].reset_index(drop=True)
    thumbnails = embed_thumbnails(out, sites)
    script = (TEMPLATES / "map.js").read_text(encoding="utf-8")
    style = REPORT_STYLE.read_text(encoding="utf-8") + (TEMPLATES / "map.css").read_text("utf-8")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "ensure_ascii": False}
    html = environment.get_template("map.html.j2").render(
        style=Markup(style),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        scenes=summaries,
        pictures=pictures,
        sites=_list_records(sites),
        listed=len(thumbnails),
        thumbnails=thumbnails,
        areas=[] if areas is None else list(areas.name),
        missing=[] if missing is None else _list_records(missing),
        listed_missing=LISTED_MISSING,
        ramp=[mpl.colors.to_hex(colour) for colour in mpl.colormaps[COLOURS](np.linspace(0, 1, 6))],
        classes={
            name.replace("_", " "): mpl.colors.to_hex(np.array(CLASS_COLOURS[number]) / 255)
            for number, name in CLASS_NAMES.items()
            if number != ASSESSED
        },
        content=_collect(summaries, pictures, sites, areas, missing),
    )
    with replace_file(out / MAP) as partial:
        partial.write_text(html, encoding="utf-8")
    return out / MAP


def draw_scene(folder: Path, summary: dict, size_px: int) -> Pictures:
    """Draw the overview of a scene, its probability and what was not assessed.

    Parameters
    ----------
    folder : Path
        Of a finished scene.
    summary : dict
        The content of its ``scene.json``.
    size_px : int
        Longest side of the pictures, which are not enlarged.

    Returns
    -------
    Pictures
    """
    crs = CRS.from_wkt(summary["cells"]["crs"])
    overview = np.moveaxis(np.array(Image.open(folder / summary["overview"]["file"])), -1, 0)
    placed = Affine(*summary["overview"]["transform"])
    height, width = overview.shape[1:]
    corners = (*(placed @ (0, height)), *(placed @ (width, 0)))
    transform, columns, rows = calculate_default_transform(crs, MERCATOR, width, height, *corners)
    scale = max(columns / size_px, rows / size_px, 1)
    shape = (max(round(rows / scale), 1), max(round(columns / scale), 1))
    transform @= Affine.scale(columns / shape[1], rows / shape[0])
    target = {"dst_transform": transform, "dst_crs": MERCATOR}
    rgba = np.zeros((4, *shape), np.uint8)
    seen = np.full((1, height, width), 255, np.uint8)
    reproject(np.concatenate([overview, seen]), rgba, src_transform=placed, src_crs=crs,
              resampling=Resampling.bilinear, **target)  # fmt: skip
    probability = np.full(shape, np.nan, np.float32)
    classes = np.zeros(shape, np.uint8)
    with rasterio.open(folder / PROBABILITY) as file:
        reproject(rasterio.band(file, 1), probability, dst_nodata=np.nan,
                  resampling=Resampling.max, **target)  # fmt: skip
    with rasterio.open(folder / CLASSES) as file:
        reproject(rasterio.band(file, 1), classes, resampling=Resampling.mode, **target)
    probability = np.nan_to_num(probability)
    layer = mpl.colormaps[COLOURS](probability, bytes=True)
    layer[..., 3] = np.where(probability < FAINTEST, 0, 255 * probability)
    table = np.zeros((256, 4), np.uint8)
    for number, colour in CLASS_COLOURS.items():
        table[number] = colour
    left, top = _to_world(transform.c, transform.f)
    right, bottom = _to_world(*(transform @ shape[::-1]))
    return Pictures(
        bounds=[round(float(edge), 10) for edge in (left, top, right, bottom)],
        width=shape[1],
        height=shape[0],
        overview=_encode(np.moveaxis(rgba, 0, -1)),
        probability=_encode(layer),
        unassessed=_encode(table[classes], lossless=True),
    )


def embed_thumbnails(out: Path, sites: gpd.GeoDataFrame) -> list[tuple[str, str]]:
    """Embed the thumbnails of the first sites, as taken and haze-free, up to a size in all."""
    embedded, left = [], THUMBNAIL_BYTES
    for paths in zip(sites.thumbnail, sites.thumbnail_haze_free, strict=True):
        if not all((out / path).exists() for path in paths):
            break
        pair = tuple(_shrink(out / path) for path in paths)
        left -= sum(map(len, pair))
        if left < 0:
            break
        embedded.append(pair)
    return embedded


def _collect(
    summaries: list[dict],
    pictures: dict[str, Pictures],
    sites: gpd.GeoDataFrame,
    areas: gpd.GeoDataFrame | None,
    missing: gpd.GeoDataFrame | None,
) -> dict:
    """Collect what the script needs, in columns, so that thousands of sites stay small."""
    numbers = {summary["scene"]: number for number, summary in enumerate(summaries)}
    columns = {}
    for name, digits in SITE_COLUMNS.items():
        if name in sites:
            column = sites[name] if digits is None else sites[name].astype(float).round(digits)
            columns[name] = column.astype(object).where(column.notna(), None).tolist()
    return {
        "scenes": [
            {
                "name": summary["scene"],
                "date": summary["date"],
                "model": summary["model"]["name"],
                "version": summary["model"]["version"],
                "bounds": pictures[summary["scene"]].bounds,
            }
            for summary in summaries
        ],
        "sites": columns
        | {
            "scene": [numbers[name] for name in sites.scene],
            "thumbnail": [quote(path) for path in sites.thumbnail],
            "hazeFree": [quote(path) for path in sites.thumbnail_haze_free],
            "rings": [_list_rings(geometry) for geometry in sites.geometry],
        },
        "areas": []
        if areas is None
        else [
            {"name": name, "rings": _list_rings(geometry.simplify(1e-4))}
            for name, geometry in zip(areas.name, areas.geometry, strict=True)
        ],
        "missing": []
        if missing is None
        else [
            record | {"rings": _list_rings(geometry)}
            for record, geometry in zip(_list_records(missing), missing.geometry, strict=True)
        ],
        "unitsPerDegree": UNITS_PER_DEGREE,
    }


def _list_records(table: gpd.GeoDataFrame) -> list[dict]:
    """List the rows without their geometry, with None for what is missing."""
    columns = table.drop(columns="geometry").astype(object)
    return columns.where(columns.notna(), None).to_dict("records")


def _list_rings(geometry: shapely.Geometry) -> list[list[int]]:
    """List the rings of polygons: the first point and the steps from there, x and y in turn."""
    rings = []
    for polygon in shapely.get_parts(geometry):
        if polygon.geom_type == "Polygon":
            for ring in (polygon.exterior, *polygon.interiors):
                points = np.rint(shapely.get_coordinates(ring) * UNITS_PER_DEGREE).astype(int)[:-1]
                steps = np.concatenate([points[:1], np.diff(points, axis=0)])
                rings.append(steps.ravel().tolist())
    return rings


def _to_world(x: float, y: float) -> tuple[float, float]:
    return (1 + x / HALF_WORLD_M) / 2, (1 - y / HALF_WORLD_M) / 2


def _shrink(path: Path) -> str:
    picture = Image.open(path).convert("RGB")
    picture.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    return _encode(np.array(picture))


def _encode(picture: np.ndarray, *, lossless: bool = False) -> str:
    """Encode a picture (H, W, 3 or 4) as WebP in a ``data:`` URL."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "WEBP", quality=QUALITY, lossless=lossless)
    return embed_file(buffer.getvalue(), "image/webp")
