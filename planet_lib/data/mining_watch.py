"""The training gallery of Amazon Mining Watch: sheets of Sentinel-2 chips, with and without mines.

Data: Earth Genome, Amazon Mining Watch, CC BY 4.0; https://github.com/earthrise-media/mining-detector
"""

import json
import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from sklearn.neighbors import radius_neighbors_graph

from planet_lib.data.labels import MINE
from planet_lib.data.neighbours import group_chips
from planet_lib.data.problems import Problem
from planet_lib.errors import DataError

CREDIT = "Earth Genome, Amazon Mining Watch, CC BY 4.0"
GALLERY = "data/training_gallery"
LOCATIONS = "data/sampling_locations"
UNFINISHED = "unfinished-download"
"""Lies in the folder while sheets are missing, see `planet_lib.data.mining_watch_download`."""
GALLERY_CHIP_PX = 48
GROUND_DISTANCE_M = 10.0
PLACE_KM = 25.0
EARTH_RADIUS_KM = 6371.0
HIGHEST_DEGREES = (180, 90)  # longitude, latitude
SHEET_NAME = re.compile(
    r"(?P<series>.+)_S2L1C_clear(?P<clear>\d+(?:\.\d+)?)"
    r"_(?P<start>\d{4}-\d\d-\d\d)_(?P<end>\d{4}-\d\d-\d\d)"
)
MINES = re.compile(r"positives|MinesPos|MineriaAurifera")
NO_MINES = re.compile(r"negatives")
LOOK_ALIKES = {
    "riverbank": "river bank",
    "aquaculture": "fish pond",
    "industrial": "industrial site",
    "landslide": "landslide",
    "cloud_remnant": "cloud remnant",
    "random": "random place",
    "reviewed": "reviewed look-alike",
}
OTHER_LOOK_ALIKE = "earlier false positive"


@dataclass(frozen=True)
class Sheet:
    """What the name of a sheet says about its chips."""

    mine: bool
    kind: str
    series: str
    clear: float
    start: str
    end: str


def is_mining_watch(folder: Path) -> bool:
    """Tell whether a folder has the gallery's layout."""
    return (folder / GALLERY).is_dir()


def list_sheets(folder: Path) -> list[Path]:
    """List the sheets of the gallery."""
    return _list_files(folder / GALLERY, ".png")


def list_points(folder: Path) -> list[Path]:
    """List the files of points."""
    return _list_files(folder / LOCATIONS, ".geojson")


def _list_files(folder: Path, ending: str) -> list[Path]:
    """List the files of an ending, without the notes on files that macOS adds."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() == ending and not path.name.startswith(".")
    )


def scan_gallery(folder: Path) -> tuple[pd.DataFrame, list[Problem]]:
    """List the chips of the gallery.

    Parameters
    ----------
    folder : Path
        The repository's layout: ``data/training_gallery/`` with sheets of 48 x 48 px cells, and
        ``data/sampling_locations/`` with the points of each series.

    Returns
    -------
    catalogue : DataFrame
        One row per chip: ``chip`` (name), ``path`` (sheet, relative to `folder`), ``cell`` (its
        number in the sheet, row by row), ``tags`` (``artisinal_mine`` or empty), ``kind`` (mine,
        or the kind of look-alike), ``series``, ``clear`` (share of clear observations, 0-1, that
        the composite asked for), ``start`` and ``end`` (ISO dates of the composite),
        ``longitude`` and ``latitude`` (degrees, NaN where unknown), ``place`` (a number, see
        `group_places`).
    problems : list of Problem
        Sheets and cells that were left out, and points without a sheet.

    Raises
    ------
    DataError
        There is no gallery, its download broke off, none of its sheets can be used, or one of the
        two classes is missing.
    """
    gallery = folder / GALLERY
    if (folder / UNFINISHED).exists():
        raise DataError(
            f"{folder}: its download broke off; go on with: planet fetch mining-watch {folder}"
        )
    paths = list_sheets(folder)
    if not paths:
        raise DataError(f"{gallery}: no sheets (*.png); call: planet fetch mining-watch {folder}")
    problems: list[Problem] = []
    tables = []
    names: set[str] = set()
    for path in paths:
        name = str(path.relative_to(folder))
        if path.stem in names:
            problems.append(Problem(name, "another sheet has that name", "left out"))
            continue
        names.add(path.stem)
        try:
            tables.append(_list_chips(path, name, folder, problems))
        except DataError as error:
            problems.append(Problem(name, str(error), "left out"))
    if not tables:
        raise DataError(
            f"{gallery}: no sheet can be used; {problems[0].file}: {problems[0].problem}"
        )
    catalogue = pd.concat(tables, ignore_index=True)
    for mine, word in ((True, "with mines"), (False, "without mines")):
        if not (catalogue["tags"].eq(MINE) == mine).any():
            raise DataError(
                f"{gallery}: no sheet {word}, and both kinds are needed; "
                f"call: planet fetch mining-watch {folder}"
            )
    unmatched = catalogue.loc[catalogue["latitude"].isna() & catalogue["tags"].eq(MINE), "series"]
    read = {name: _read_points(folder, name, problems, needed=True) for name in unmatched.unique()}
    points = {series: found for series, found in read.items() if found is not None}
    catalogue["place"] = group_places(catalogue, points)
    return catalogue, problems + _list_missing_sheets(folder, paths)


def load_gallery(folder: Path) -> tuple[pd.DataFrame, np.ndarray]:
    """Load all chips of the gallery.

    Returns
    -------
    catalogue : DataFrame of N rows
        As from `scan_gallery`.
    chips : ndarray of shape (N, 48, 48, 3), uint8
        As from `read_sheet`.
    """
    catalogue, _ = scan_gallery(folder)
    sheets = {path: read_sheet(folder / path) for path in catalogue["path"].unique()}
    cells = zip(catalogue["path"], catalogue["cell"], strict=True)
    return catalogue, np.stack([sheets[path][cell] for path, cell in cells])


def read_sheet(path: Path) -> np.ndarray:
    """Read the cells of a sheet, row by row.

    Returns
    -------
    ndarray of shape (N, 48, 48, 3), uint8
        RGB; reflectance / 0.3, clipped at 1. Empty cells are black.

    Raises
    ------
    DataError
        The file is not a picture in 8-bit colour, or not whole cells of 48 px.
    """
    content = np.fromfile(path, np.uint8)
    bgr = cv2.imdecode(content, cv2.IMREAD_UNCHANGED) if len(content) else None
    if bgr is None:
        raise DataError("not a PNG, or truncated; download it again")
    if bgr.dtype != np.uint8 or bgr.shape[2:] != (3,):
        raise DataError(
            f"{bgr.dtype.itemsize * 8} bits in {bgr[0, 0].size} channels, expected 8 bits in red, "
            "green and blue; download it again"
        )
    height, width, _ = bgr.shape
    if height % GALLERY_CHIP_PX or width % GALLERY_CHIP_PX:
        raise DataError(
            f"{width} x {height} px are not whole cells of {GALLERY_CHIP_PX} px; download it again"
        )
    grid = (
        height // GALLERY_CHIP_PX,
        GALLERY_CHIP_PX,
        width // GALLERY_CHIP_PX,
        GALLERY_CHIP_PX,
        3,
    )
    return np.ascontiguousarray(bgr[..., ::-1].reshape(grid).swapaxes(1, 2)).reshape(
        -1, GALLERY_CHIP_PX, GALLERY_CHIP_PX, 3
    )


def group_places(catalogue: pd.DataFrame, points: dict[str, np.ndarray]) -> np.ndarray:
    """Number the places: clusters of located chips at 25 km, and each series without locations.

    Where the points of a series are known, but not which chip lies at which of them, the series and
    all clusters that its points touch are one place; so it is where another sheet of the series is
    located. A series of look-alikes that shows only a part of its points is a place by itself,
    since they lie all over the Amazon.

    Parameters
    ----------
    catalogue : DataFrame of N rows
        As from `scan_gallery`, without ``place``.
    points : dict
        By series, of those without locations: ndarray of shape (P, 2), longitude and latitude in
        degrees.

    Returns
    -------
    ndarray of shape (N,), int
    """
    count = len(catalogue)
    located = catalogue["latitude"].notna().to_numpy()
    codes, names = pd.factorize(catalogue["series"])
    owners = np.where(located, np.arange(count), count + codes)
    spots = [catalogue.loc[located, ["longitude", "latitude"]].to_numpy()]
    spot_owners = [owners[located]]
    for code, name in enumerate(names):
        if name in points:
            spots.append(points[name])
            spot_owners.append(np.full(len(points[name]), count + code))
    spots, spot_owners = np.concatenate(spots), np.concatenate(spot_owners)
    links = np.empty((2, 0), int)
    if len(spots):
        radians = np.radians(spots[:, ::-1])
        near = radius_neighbors_graph(radians, PLACE_KM / EARTH_RADIUS_KM, metric="haversine")
        links = spot_owners[np.array(near.nonzero())]
    same = located & np.isin(codes, codes[~located])
    links = np.hstack([links, [owners[same], count + codes[same]]])
    pairs = pd.DataFrame({"first": links[0], "second": links[1]})
    return np.unique(group_chips(pairs, count + len(names))[owners], return_inverse=True)[1]


def parse_sheet_name(stem: str) -> Sheet:
    """Read what the name of a sheet says.

    Raises
    ------
    DataError
        The name does not say whether the chips show mines, or when they were taken.
    """
    match = SHEET_NAME.fullmatch(stem)
    mine = bool(MINES.search(stem))
    if (
        not match
        or mine == bool(NO_MINES.search(stem))
        or not _is_period(match["start"], match["end"])
    ):
        raise DataError("the name does not say whether the chips show mines, and when")
    kinds = [kind for word, kind in LOOK_ALIKES.items() if word in stem]
    return Sheet(
        mine=mine,
        kind="mine" if mine else next(iter(kinds), OTHER_LOOK_ALIKE),
        series=match["series"],
        clear=float(match["clear"]),
        start=match["start"],
        end=match["end"],
    )


def _is_period(start: str, end: str) -> bool:
    """Tell whether two ISO dates exist and are in order."""
    try:
        return date.fromisoformat(start) <= date.fromisoformat(end)
    except ValueError:
        return False


def _list_chips(path: Path, name: str, folder: Path, problems: list[Problem]) -> pd.DataFrame:
    sheet = parse_sheet_name(path.stem)
    filled = read_sheet(path).any(axis=(1, 2, 3))
    cells = np.flatnonzero(filled)
    if not len(cells):
        raise DataError("every cell is black")
    count = cells[-1] + 1
    if len(cells) < count:
        problems.append(
            Problem(name, f"{count - len(cells)} black cells between others", "left out")
        )
    table = pd.DataFrame({"chip": [f"{path.stem}_{cell:04d}" for cell in cells], "path": name})
    table["cell"] = cells
    table["tags"] = MINE if sheet.mine else ""
    for field in ("kind", "series", "clear", "start", "end"):
        table[field] = getattr(sheet, field)
    points = _read_points(folder, sheet.series, problems, needed=sheet.mine)
    if sheet.mine and points is not None and len(points) != count:
        problems.append(
            Problem(name, f"{count} chips, but {len(points)} points", "kept, without coordinates")
        )
    located = points is not None and len(points) == count
    table[["longitude", "latitude"]] = points[cells] if located else np.nan
    return table


def _read_points(
    folder: Path, series: str, problems: list[Problem], *, needed: bool
) -> np.ndarray | None:
    """Read the points of a series: longitude and latitude in degrees, or None."""
    path = folder / LOCATIONS / f"{series}.geojson"
    try:
        features = json.loads(path.read_text())["features"]
        points = [feature["geometry"]["coordinates"][:2] for feature in features]
        points = np.array(points, float).reshape(-1, 2)
        if not (np.abs(points) <= HIGHEST_DEGREES).all():
            raise ValueError("not longitude and latitude in degrees")
        return points
    except FileNotFoundError:
        words, action = "no such file", "chips kept, without coordinates"
        if not needed:
            return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        words, action = f"not GeoJSON points ({error})", "not used"
    problem = Problem(f"{LOCATIONS}/{path.name}", words, action)
    if problem not in problems:
        problems.append(problem)
    return None


def _list_missing_sheets(folder: Path, sheets: list[Path]) -> list[Problem]:
    """List the points whose series has no sheet."""
    there = {path.stem.partition("_S2L1C")[0] for path in sheets}
    return [
        Problem(f"{LOCATIONS}/{path.name}", "points without a sheet of chips", "not used")
        for path in list_points(folder)
        if path.stem not in there
    ]
