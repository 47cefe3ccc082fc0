"""Thresholds for scenes, where the probabilities of overlapping tiles are merged."""

import contextlib
import io
import tempfile
from pathlib import Path

import numpy as np
import rasterio
from rasterio.crs import CRS
from rasterio.transform import from_origin

from planet_lib.data.mining_watch import GROUND_DISTANCE_M
from planet_lib.scenes.find import find_mines
from planet_lib.scenes.outputs import PROBABILITY

UTM = CRS.from_epsg(32721)  # of a canvas that lies nowhere
ORIGIN = (600_000.0, 9_000_000.0)


def measure_scene_thresholds(
    detector: Path, chips: np.ndarray, specificities: dict[str, float]
) -> dict[str, float]:
    """Search chips without a mine, laid side by side, and find what leaves a share of them alone.

    Parameters
    ----------
    detector : Path
        Folder of a network and its card that saw none of the places of the chips.
    chips : ndarray of shape (N, S, S, 3), uint8
        As many of them as make a square are taken, at random.
    specificities : dict of str to float
        Shares of the chips, by name.

    Returns
    -------
    dict of str to float
        By name, the quantile of the highest merged probability in each chip that was assessed.
    """
    along, side = int(np.sqrt(len(chips))), chips.shape[1]
    chosen = chips[np.random.default_rng(1).permutation(len(chips))[: along**2]]
    rows = chosen.reshape(along, along, side, side, 3).swapaxes(1, 2)
    with tempfile.TemporaryDirectory() as folder:
        canvas = Path(folder) / "canvas.tif"
        write_scene(canvas, rows.reshape(along * side, along * side, 3), GROUND_DISTANCE_M)
        with contextlib.redirect_stdout(io.StringIO()):
            find_mines([str(canvas)], Path(folder), model=str(detector))
        with rasterio.open(Path(folder) / canvas.stem / PROBABILITY) as file:
            merged = file.read(1)
    parts = merged.shape[0] // along
    highest = np.fmax.reduce(merged.reshape(along, parts, along, parts), axis=(1, 3))
    return {
        name: float(np.nanquantile(highest, specificity))
        for name, specificity in specificities.items()
    }


def write_scene(path: Path, levels: np.ndarray, ground_distance_m: float) -> Path:
    """Write levels (H, W, 3) in uint8 as a GeoTIFF somewhere in the Amazon."""
    height, width = levels.shape[:2]
    profile = {
        "driver": "GTiff", "width": width, "height": height, "count": 3, "dtype": "uint8",
        "crs": UTM, "photometric": "rgb",
        "transform": from_origin(*ORIGIN, ground_distance_m, ground_distance_m),
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as file:
        file.write(np.moveaxis(levels, -1, 0))
    return path
