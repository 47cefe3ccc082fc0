"""Measure memory and time of `planet find-mines` on scenes of different sizes.

python benchmarks/scenes.py --sides 2000 10000 40000

Each scene is searched in a process of its own. The bare network predicts chips of the same scene in
the same process, for comparison.
"""

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from itertools import product
from pathlib import Path

import numpy as np
import rasterio
from rasterio.crs import CRS
from rasterio.transform import from_origin
from rasterio.windows import Window

from planet_lib.synthetic import synthesize_scene

BLOCK_PX = 512
GROUNDS = 8  # synthetic scenes, repeated
CHIPS = 1024  # that the bare network predicts
ROUNDS = 3


def main() -> None:
    """Print one line for each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sides", type=int, nargs="+", default=[2000, 10000], help="pixels")
    parser.add_argument("--model", default="synthetic", help="a shipped detector or a folder")
    parser.add_argument("--folder", type=Path, help="for the scenes (default: a temporary one)")
    options = parser.parse_args()
    print("     side     tiles  seconds  peak MiB  tiles/s  bare network  share  sites")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        for side in options.sides:
            path = write_scene(folder / f"scene-{side}.tif", side, options.model)
            context = multiprocessing.get_context("spawn")
            ours, theirs = context.Pipe()
            process = context.Process(target=search, args=(path, options.model, theirs))
            process.start()
            theirs.close()
            print(ours.recv(), flush=True)
            process.join()


def write_scene(path: Path, side: int, model: str) -> Path:
    """Write a synthetic scene block by block at the ground distance of a detector."""
    from planet_lib.scenes.detector import choose_detector, read_ground_distance

    if path.exists():
        return path
    distance = read_ground_distance(choose_detector(model, 1.0))
    grounds = [paint_ground(number) for number in range(GROUNDS)]
    rng = np.random.default_rng(side)
    profile = {
        "driver": "GTiff", "width": side, "height": side, "count": 3, "dtype": "uint8",
        "crs": CRS.from_epsg(32721),
        "transform": from_origin(600_000, 9_000_000, distance, distance),
        "tiled": True, "blockxsize": BLOCK_PX, "blockysize": BLOCK_PX, "compress": "deflate",
        "zlevel": 1, "photometric": "rgb", "bigtiff": "if_safer",
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as file:
        for row, column in product(range(0, side, BLOCK_PX), repeat=2):
            ground = grounds[rng.integers(GROUNDS)]
            height, width = min(BLOCK_PX, side - row), min(BLOCK_PX, side - column)
            window = Window(column, row, width, height)
            file.write(ground[:, :height, :width], window=window)
    return path


def paint_ground(number: int) -> np.ndarray:
    """Paint one synthetic scene, shape (3, 512, 512), uint8."""
    images = [chip.image for chip in synthesize_scene(7, number, enrich=0.3)]
    rows = [np.concatenate(images[start : start + 2], axis=1) for start in (0, 2)]
    return np.moveaxis(np.concatenate(rows), -1, 0)


def search(path: Path, model: str, pipe) -> None:
    """Search one scene and send a line of measurements."""
    from planet_lib.scenes.detector import choose_detector, load_detector
    from planet_lib.scenes.find import find_mines
    from planet_lib.scenes.grid import lay_grid
    from planet_lib.scenes.read import Scene
    from planet_lib.scenes.scan import estimate_airlight
    from planet_lib.scenes.source import describe_source
    from planet_lib.scenes.tiles import Band

    with tempfile.TemporaryDirectory() as out:
        start = time.perf_counter()
        sites = find_mines([str(path)], Path(out), model=model)
        seconds = time.perf_counter() - start
        summary = json.loads((Path(out) / path.stem / "scene.json").read_text())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    detector = load_detector(choose_detector(model, 1.0))
    source = describe_source(str(path))
    stride_px = detector.chip_px // 2
    grid, native = lay_grid(
        source.placement,
        ground_distance_m=detector.ground_distance_m,
        chip_px=detector.chip_px,
        stride_px=stride_px,
    )
    scene = Scene(source, grid, native=native)
    with scene.open() as reader:
        band = Band(reader, detector, *next(grid.bands()), estimate_airlight(scene, detector))
        chips = next(band.batches())[1][:CHIPS]
    detector.predict(chips)
    rates = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        detector.predict(chips)
        rates.append(len(chips) / (time.perf_counter() - start))
    bare, rate = float(np.median(rates)), summary["tiles"] / summary["scan_seconds"]
    side = summary["size_px"][0]
    pipe.send(
        f"{side:9} {summary['tiles']:9} {seconds:8.1f} {peak:9.0f} {rate:8.1f} {bare:13.1f} "
        f"{rate / bare:6.2f} {len(sites):6}"
    )


if __name__ == "__main__":
    main()
