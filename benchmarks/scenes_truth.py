"""Measure how well `planet find-mines` finds known mines.

python benchmarks/scenes_truth.py --model synthetic
python benchmarks/scenes_truth.py --gallery path/to/mining_watch --fold 1 [--work runs/detector]

Without a gallery: synthetic scenes at the detector's ground distance, in which every pixel's label
is known, under haze of several strengths. With one: canvases laid out of real chips of Amazon
Mining Watch (Earth Genome, CC BY 4.0), mines at known cells among others. They are the clear chips
of one fold by place, searched with the networks that `benchmarks/detector.py` trained on others.
"""

import argparse
import contextlib
import io
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import geopandas as gpd
import numpy as np
from detector import list_splits
from rasterio.features import shapes
from rasterio.transform import from_origin
from scipy import ndimage
from shapely.geometry import box, shape

from planet_lib.data.labels import INDEX, MINE
from planet_lib.data.mining_watch import load_gallery
from planet_lib.haze.boundary_constraint import OVERCAST_LEVELS
from planet_lib.networks.card import CARD
from planet_lib.networks.files import save_model
from planet_lib.scenes.detector import choose_detector, read_ground_distance
from planet_lib.scenes.find import find_mines
from planet_lib.synthetic import SyntheticChip, synthesize_scene
from planet_lib.training.detector import average_networks
from planet_lib.training.scene_thresholds import (
    ORIGIN,
    UTM,
    measure_scene_thresholds,
    write_scene,
)
from planet_lib.training.ship_detector import CLEAR, MEMBERS, train_member

GROUNDS = 6  # synthetic scenes along a side
SYNTHETIC_M = 3.0
TRANSMISSIONS = (1.0, 0.8, 0.6, 0.4)
SMALLEST_M2 = 1000.0
CELL_PX, CELL_M = 48, 10.0
CELLS_ALONG = 40
SPECIFICITIES = {str(share): share for share in (0.95, 0.98, 0.99, 0.997)}


def main() -> None:
    """Print one line for each scene."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="synthetic", help="a shipped detector or a folder")
    parser.add_argument("--gallery", type=Path, help="a copy of Amazon Mining Watch's data")
    parser.add_argument("--fold", type=int, default=1, help="of the gallery's places")
    parser.add_argument(
        "--work", type=Path, default=Path("runs/detector"), help="keeps the weights"
    )
    parser.add_argument("--threshold", type=float)
    parser.add_argument("--isolated-threshold", type=float)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.gallery:
            model = write_detector(
                options.gallery, options.work, options.fold, Path(folder) / "detector"
            )
            cases = lay_canvases(options.gallery, options.fold)
            _, others = read_cells(options.gallery, options.fold)
            found = measure_scene_thresholds(Path(model), others, SPECIFICITIES)
            print(f"thresholds that leave this share of the chips without a mine alone: {found}")
        else:
            model = options.model
            cases = paint_scenes(read_ground_distance(choose_detector(model, 1.0)))
        print("scene                  mines  found   sites  right  precision  recall  error (m)")
        for name, levels, truth, step in cases:
            path = write_scene(Path(folder) / f"{name}.tif", levels, step)
            with contextlib.redirect_stdout(io.StringIO()):
                sites = find_mines(
                    [str(path)],
                    Path(folder) / name,
                    model=model,
                    threshold=options.threshold,
                    isolated_threshold=options.isolated_threshold,
                ).to_crs(UTM)
            print(f"{name:20} {score_sites(sites, truth)}", flush=True)


def paint_scenes(distance: float) -> Iterator[tuple[str, np.ndarray, gpd.GeoSeries, float]]:
    """Paint one ground under haze of several strengths; yield it with its mines."""
    rows = []
    for row in range(GROUNDS):
        grounds = [paint_ground(GROUNDS * row + column) for column in range(GROUNDS)]
        rows.append([np.concatenate(parts, axis=1) for parts in zip(*grounds, strict=True)])
    radiance, mine = (np.concatenate(parts) for parts in zip(*rows, strict=True))
    numbers, _ = ndimage.label(ndimage.binary_dilation(mine, iterations=5))
    transform = from_origin(*ORIGIN, SYNTHETIC_M, SYNTHETIC_M)
    outlines = [
        shape(outline)
        for outline, _ in shapes(numbers.astype(np.int32), numbers > 0, transform=transform)
    ]
    truth = gpd.GeoSeries([outline for outline in outlines if outline.area >= SMALLEST_M2], crs=UTM)
    scale = SYNTHETIC_M / distance
    airlight = np.float32(OVERCAST_LEVELS)
    for transmission in TRANSMISSIONS:
        levels = 255 * radiance * transmission + airlight * (1 - transmission)
        levels = np.rint(levels.clip(0, 255)).astype(np.uint8)
        small = cv2.resize(levels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        yield f"transmission {transmission:g}", small, truth, distance


def paint_ground(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Paint one synthetic scene: radiance (512, 512, 3), and where the mines are."""
    chips = synthesize_scene(31, number, enrich=0.3)
    return (
        lay_chips(chips, [chip.radiance for chip in chips]),
        lay_chips(chips, [chip.owner == INDEX[MINE] for chip in chips]),
    )


def lay_chips(chips: list[SyntheticChip], parts: list[np.ndarray]) -> np.ndarray:
    """Lay what belongs to the four chips of a scene where the chips are."""
    height, width = parts[0].shape[:2]
    whole = np.zeros((2 * height, 2 * width, *parts[0].shape[2:]), parts[0].dtype)
    for chip, part in zip(chips, parts, strict=True):
        top, left = chip.row * height, chip.column * width
        whole[top : top + height, left : left + width] = part
    return whole


def write_detector(gallery: Path, work: Path, fold: int, folder: Path) -> str:
    """Write the detector of a fold with the shipped card, thresholds included."""
    catalogue, chips = load_gallery(gallery)
    mines = catalogue["tags"].eq(MINE).to_numpy()
    train, _ = list_splits(catalogue, mines)["place"][fold]
    networks = [train_member(chips[train], mines[train], *member, work) for member in MEMBERS]
    save_model(average_networks(networks), folder)
    shutil.copy(Path(choose_detector("mining-watch", CELL_M)) / CARD, folder)
    return str(folder)


def lay_canvases(
    gallery: Path, fold: int
) -> Iterator[tuple[str, np.ndarray, gpd.GeoSeries, float]]:
    """Lay real chips side by side; yield each canvas with the cells that hold a mine."""
    mines, others = read_cells(gallery, fold)
    rng = np.random.default_rng(0)
    order_mines, order_others = rng.permutation(len(mines)), rng.permutation(len(others))
    per_canvas = CELLS_ALONG**2
    mines_per_canvas = max(per_canvas * len(mines) // (len(mines) + len(others)), 1)
    others_per_canvas = per_canvas - mines_per_canvas
    canvases = min(len(mines) // mines_per_canvas, len(others) // others_per_canvas)
    for number in range(canvases):
        chosen = [mines[i] for i in order_mines[number * mines_per_canvas :][:mines_per_canvas]]
        chosen += [
            others[i] for i in order_others[number * others_per_canvas :][:others_per_canvas]
        ]
        places = rng.permutation(per_canvas)
        canvas = np.zeros((CELLS_ALONG * CELL_PX, CELLS_ALONG * CELL_PX, 3), np.uint8)
        cells = []
        for position, (place, cell) in enumerate(zip(places, chosen, strict=True)):
            row, column = divmod(int(place), CELLS_ALONG)
            top, left = row * CELL_PX, column * CELL_PX
            canvas[top : top + CELL_PX, left : left + CELL_PX] = cell
            if position < mines_per_canvas:
                x, y = ORIGIN[0] + left * CELL_M, ORIGIN[1] - top * CELL_M
                cells.append(box(x, y - CELL_PX * CELL_M, x + CELL_PX * CELL_M, y))
        yield f"canvas {number + 1}", canvas, gpd.GeoSeries(cells, crs=UTM), CELL_M


def read_cells(gallery: Path, fold: int) -> tuple[np.ndarray, np.ndarray]:
    """Read the clear chips of a fold by place: those with a mine, and the others."""
    catalogue, chips = load_gallery(gallery)
    mines = catalogue["tags"].eq(MINE).to_numpy()
    _, test = list_splits(catalogue, mines)["place"][fold]
    test = test[catalogue["clear"].to_numpy()[test] >= CLEAR]
    return chips[test[mines[test]]], chips[test[~mines[test]]]


def score_sites(sites: gpd.GeoDataFrame, truth: gpd.GeoSeries) -> str:
    """Count the sites that touch a mine, and the mines that a site touches."""
    pairs = sites.sindex.query(truth, predicate="intersects")
    found, right = len(set(pairs[0])), len(set(pairs[1]))
    centres = sites.centroid
    errors = [
        centres.iloc[pairs[1][pairs[0] == mine]].distance(truth.iloc[mine].centroid).min()
        for mine in sorted(set(pairs[0]))
    ]
    return (
        f"{len(truth):7} {found:6} {len(sites):7} {right:6} {right / max(len(sites), 1):10.2f} "
        f"{found / max(len(truth), 1):7.2f} {np.median(errors) if errors else np.nan:8.0f}"
    )


if __name__ == "__main__":
    main()
