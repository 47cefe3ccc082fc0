"""Turn the marks of an analyst into chips with labels for the next training.

The chips are written in the layout of Mining Watch's gallery. It says of a chip only whether it
shows a mine, which is all that a review says, and it is what the mine detector is trained on.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
from PIL import Image
from pyogrio.errors import DataSourceError
from pyproj import Transformer
from rasterio.features import geometry_mask
from sklearn.cluster import DBSCAN

from planet_lib.data.mining_watch import GALLERY, GALLERY_CHIP_PX, GROUND_DISTANCE_M, LOCATIONS
from planet_lib.data.problems import Problem
from planet_lib.errors import ConfigError, DataError, shorten
from planet_lib.files import read_json, replace_file, write_json
from planet_lib.scenes.folder import SUMMARY
from planet_lib.scenes.grid import CELLS, WGS84, lay_grid
from planet_lib.scenes.outputs import PROBABILITY, SITES, TEXT, read_sites
from planet_lib.scenes.read import Scene
from planet_lib.scenes.source import describe_source
from planet_lib.scenes.stac import FIRST_SATELLITE
from planet_lib.scenes.tiles import fill_holes

RIGHT, WRONG, UNSURE = "right", "wrong", "unsure"
NEEDED = ("id", "scene", "latitude", "longitude", "mark")
CHIPS_PER_SITE = 4
SHEET_COLUMNS = 10
SAME_DEGREES = 2e-6  # rounding of the coordinates
TABLES = "data/reviewed"


@dataclass
class Applied:
    """What became of the marks: the number of chips of each kind, and the marks not used."""

    mines: int = 0
    look_alikes: int = 0
    problems: list[Problem] = field(default_factory=list)


def apply_reviews(reviews: Sequence[Path], out: Path, *, results: Path | None = None) -> Applied:
    """Write the chips of reviewed sites, in the layout of Mining Watch's gallery.

    A site that is right becomes chips of mines, one that is wrong negatives of the kind "reviewed
    look-alike". Marks of the same place in the same scene are one; if they contradict each other,
    none is used. Sheets of the same scene and model are replaced, all else in `out` is kept, so
    that `out` may be the gallery that the detector was trained on.

    Parameters
    ----------
    reviews : sequence of Path
        GeoJSON or CSV, as downloaded from the map page.
    out : Path
        Gets sheets, their points, and in ``data/reviewed/`` a table of the chips of each sheet.
    results : Path, optional
        The folder of the results that were reviewed; by default that of the first review.

    Returns
    -------
    Applied

    Raises
    ------
    DataError
        A review cannot be read, its results or the scene's files are missing or have changed, or
        the detector's chips are not those of the gallery.
    """
    results = results or reviews[0].parent
    marks = pd.concat([read_review(path) for path in reviews], ignore_index=True)
    applied = Applied()
    for name, group in marks.groupby("scene", sort=True):
        if not (results / name / SUMMARY).is_file():
            raise DataError(
                f"{results / name}: no results of this scene; name their folder with --results"
            )
        summary = read_json(results / name / SUMMARY)
        _check_chips(name, summary)
        side_m = summary["cells"]["side_m"]
        _write_scene(
            results / name, summary, _settle(group, side_m, applied.problems), out, applied
        )
    return applied


def read_review(path: Path) -> pd.DataFrame:
    """Read marks from GeoJSON or CSV.

    Returns
    -------
    DataFrame
        ``id``, ``scene``, ``latitude``, ``longitude``, ``mark`` and ``file``; without sites that
        have no mark.

    Raises
    ------
    DataError
        The file is missing or unreadable, lacks a column, or a value cannot be used.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    try:
        if path.suffix.lower() == ".csv":
            table = pd.read_csv(path, dtype={"id": str, "scene": str, "mark": str}, comment=None)
        else:
            table = pd.DataFrame(gpd.read_file(path, engine="pyogrio", **TEXT))
    except (DataSourceError, ValueError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as a review ({shorten(error)})") from None
    missing = [name for name in NEEDED if name not in table]
    if missing:
        raise DataError(f"{path}: no column {', '.join(missing)}; download it from the map again")
    table = table[table["mark"].notna() & table["mark"].ne("")]
    table = table[list(NEEDED)].assign(file=path.name).reset_index(drop=True)
    unknown = sorted(set(table["mark"].astype(str)) - {RIGHT, WRONG, UNSURE})
    if unknown:
        raise DataError(f"{path}: mark {unknown[0]!r}; allowed: {RIGHT}, {WRONG}, {UNSURE}")
    for name, limit in (("latitude", 90), ("longitude", 180)):
        table[name] = pd.to_numeric(table[name], errors="coerce")
        wrong = ~table[name].abs().le(limit)
        if wrong.any():
            raise DataError(f"{path}: {table['id'][wrong].iloc[0]} has no {name} in degrees")
    nowhere = table["scene"].isna() | table["scene"].astype(str).str.contains(r"[/\\]|^\.*$")
    if nowhere.any():
        raise DataError(f"{path}: {table['id'][nowhere].iloc[0]} has no name of a scene")
    return table


def _check_chips(name: str, summary: dict) -> None:
    model = summary["model"]
    if (model["chip_px"], model["ground_distance_m"]) != (GALLERY_CHIP_PX, GROUND_DISTANCE_M):
        raise ConfigError(
            f"{name}: {model['name']} takes chips of {model['chip_px']} px of "
            f"{model['ground_distance_m']:g} m; the gallery holds {GALLERY_CHIP_PX} px of "
            f"{GROUND_DISTANCE_M:g} m, so search the scene with a detector of these"
        )


def _settle(marks: pd.DataFrame, side_m: float, problems: list[Problem]) -> pd.DataFrame:
    """Keep one mark of each place of a scene; report duplicates, contradictions and doubts."""
    for row in marks[marks["mark"].eq(UNSURE)].itertuples():
        problems.append(Problem(f"{row.file}: {row.id}", "unsure", "left out"))
    marks = marks[marks["mark"].ne(UNSURE)]
    if marks.empty:
        return marks
    near = DBSCAN(eps=side_m / 6_371_000, min_samples=1, metric="haversine")
    places = near.fit_predict(np.radians(marks[["latitude", "longitude"]].to_numpy()))
    kept = []
    for _, group in marks.groupby(places):
        names = ", ".join(f"{row.file}: {row.id}" for row in group.itertuples())
        if len(set(group["mark"])) > 1:
            problems.append(Problem(names, "right and wrong at once", "left out"))
            continue
        if len(group) > 1:
            problems.append(Problem(names, "the same place marked twice", "used once"))
        kept.append(group.iloc[:1])
    return pd.concat(kept) if kept else marks.iloc[:0]


def _write_scene(
    folder: Path, summary: dict, marks: pd.DataFrame, out: Path, applied: Applied
) -> None:
    """Cut the chips of a scene's sites and write them as one sheet of each class."""
    identity = [summary["scene"], summary["plan"]["files"], summary["model"]["version"]]
    digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:8]
    cut = {}
    if not marks.empty:
        scene = _open_scene(folder, summary)
        sites = _read_reviewed_sites(folder)
        for mark in (RIGHT, WRONG):
            cut[mark] = _cut_chips(scene, folder, sites, marks[marks["mark"].eq(mark)])
    for place in (GALLERY, TABLES):
        for old in (out / place).glob(f"reviewed-{digest}_*"):
            old.unlink()
    first = summary["date"] or FIRST_SATELLITE[:10]
    last = summary["date"] or date.today().isoformat()
    dates = f"{1 - summary['shares']['cloud']:.2f}_{first}_{last}"
    for mark, (chips, rows) in cut.items():
        if not len(chips):
            continue
        series = f"reviewed-{digest}_{'positives' if mark == RIGHT else 'negatives'}"
        stem = f"{series}_S2L1C_clear{dates}"
        _write_sheet(chips, out / GALLERY / f"{stem}.png")
        table = pd.DataFrame(rows)
        table.insert(0, "chip", [f"{stem}_{cell:04d}" for cell in range(len(rows))])
        table = table.assign(
            mark=mark, scene=summary["scene"], date=summary["date"],
            model=summary["model"]["name"], model_version=summary["model"]["version"],
        )  # fmt: skip
        with replace_file(out / TABLES / f"{stem}.csv") as partial:
            table.to_csv(partial, index=False)
        points = gpd.points_from_xy(table.longitude, table.latitude)
        write_json(out / LOCATIONS / f"{series}.geojson", gpd.GeoSeries(points).__geo_interface__)
        if mark == RIGHT:
            applied.mines += len(chips)
        else:
            applied.look_alikes += len(chips)


def _read_reviewed_sites(folder: Path) -> gpd.GeoDataFrame:
    """Read the sites of a scene, those that others show too at the place that the map gives them.

    The map shows a site of several scenes once, with the id of the most probable of its parts.
    """
    sites = read_sites(folder / SITES)
    shown = read_sites(folder.parent / SITES) if (folder.parent / SITES).is_file() else sites
    shown = shown.set_index("id")[["latitude", "longitude"]].reindex(sites["id"])
    for name in shown:
        sites[name] = shown[name].fillna(sites.set_index("id")[name]).to_numpy()
    return sites


def _open_scene(folder: Path, summary: dict) -> Scene:
    plan, model = summary["plan"], summary["model"]
    if not all(Path(file).is_absolute() for file in plan["files"]):
        raise DataError(
            f"{folder}: published results do not say where the scene's files are; name the folder "
            "of the search, runs/NAME/scenes, with --results"
        )
    source = describe_source(",".join(plan["files"]), bands=plan["bands"])
    values = source.describe_values()
    if (source.stamp, values) != (plan["stamp"], plan.get("values", values)):
        raise DataError(f"{source.paths[0]}: has changed since it was searched; search it again")
    grid, native = lay_grid(
        source.placement,
        ground_distance_m=model["ground_distance_m"],
        chip_px=model["chip_px"],
        stride_px=plan["stride_px"],
    )
    return Scene(source, grid, native=native, scaling=plan["scaling"])


def _cut_chips(
    scene: Scene, folder: Path, sites: gpd.GeoDataFrame, marks: pd.DataFrame
) -> tuple[np.ndarray, list[dict]]:
    """Cut chips around the cells of highest probability of each marked site."""
    grid = scene.grid
    forth = Transformer.from_crs(WGS84, grid.crs, always_xy=True)
    back = Transformer.from_crs(grid.crs, WGS84, always_xy=True)
    shapes = sites.to_crs(grid.crs).geometry
    chips, rows = [], []
    with scene.open() as reader, rasterio.open(folder / PROBABILITY) as file:
        probability = np.nan_to_num(file.read(1))
        for row in marks.itertuples():
            same = (
                sites["latitude"].sub(row.latitude).abs().le(SAME_DEGREES)
                & sites["longitude"].sub(row.longitude).abs().le(SAME_DEGREES)
            ).to_numpy(bool)  # fmt: skip
            if same.any():
                centres = _find_peaks(probability, file.transform, shapes[same].iloc[0])
            else:
                centres = [forth.transform(row.longitude, row.latitude)]
            for centre in centres:
                chip, place = _cut_chip(reader, grid, *centre)
                chips.append(chip)
                longitude, latitude = back.transform(*place)
                rows.append({"site": row.id, "latitude": round(latitude, 6),
                             "longitude": round(longitude, 6)})  # fmt: skip
    return np.array(chips), rows


def _find_peaks(probability: np.ndarray, transform, shape) -> list[tuple[float, float]]:
    """Find the cells of a site with the highest probability, a chip's side apart."""
    outside = geometry_mask([shape], probability.shape, transform)
    left = np.where(outside, 0, probability)
    peaks = []
    while len(peaks) < CHIPS_PER_SITE and left.any():
        row, column = np.unravel_index(left.argmax(), left.shape)
        # Of a plateau the cell nearest to its middle, so that a chip shows most of the site.
        level = np.argwhere(left == left[row, column])
        row, column = level[np.abs(level - level.mean(axis=0)).sum(axis=1).argmin()]
        peaks.append(transform @ (column + 0.5, row + 0.5))
        left[max(row - CELLS + 1, 0) : row + CELLS, max(column - CELLS + 1, 0) : column + CELLS] = 0
    return peaks


def _cut_chip(reader, grid, x: float, y: float) -> tuple[np.ndarray, tuple[float, float]]:
    """Cut one chip around a place, moved into the scene where it would reach beyond its border.

    Returns the chip, and the place of its middle.
    """
    column, row = (x - grid.phase[0]) / grid.step, (grid.phase[1] - y) / grid.step
    rows, columns = (
        _place_side(middle, pixels, whole, grid.chip_px)
        for middle, pixels, whole in zip(
            (row, column), (grid.rows, grid.columns), grid.canvas, strict=True
        )
    )
    levels, valid = reader.read(rows, columns)
    if not valid.any():
        raise DataError(f"{reader.scene.source.paths[0]}: no data where a site was found")
    middle = (
        grid.phase[0] + grid.step * (columns.start + columns.stop) / 2,
        grid.phase[1] - grid.step * (rows.start + rows.stop) / 2,
    )
    return levels if valid.all() else fill_holes(levels, valid), middle


def _place_side(middle: float, pixels: range, canvas: range, chip_px: int) -> range:
    within = pixels if len(pixels) >= chip_px else canvas
    start = min(max(round(middle - chip_px / 2), within.start), within.stop - chip_px)
    return range(start, start + chip_px)


def _write_sheet(chips: np.ndarray, path: Path) -> None:
    """Write chips row by row; what is left of the last row is black, which means empty."""
    columns = min(len(chips), SHEET_COLUMNS)
    rows = -(-len(chips) // columns)
    side = chips.shape[1]
    cells = np.zeros((rows * columns, side, side, 3), np.uint8)
    cells[: len(chips)] = chips
    sheet = cells.reshape(rows, columns, side, side, 3).swapaxes(1, 2)
    with replace_file(path) as partial:
        Image.fromarray(sheet.reshape(rows * side, columns * side, 3)).save(partial, "PNG")
