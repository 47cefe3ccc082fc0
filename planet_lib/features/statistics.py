"""Simple statistics of each chip: haziness, colour and texture."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from planet_lib.data.store import load_catalogue, open_store
from planet_lib.errors import StageError
from planet_lib.files import map_over_cores
from planet_lib.haze import measure_haziness

STATISTICS = "data/statistics.csv"
PLANES = ("red", "green", "blue", "hue", "saturation", "value")
PERCENTILES = (1, 25, 50, 75, 99)
TEXTURE_SIGMAS_PX = (1.0, 4.0)


def describe_chip(chip: np.ndarray) -> dict[str, float]:
    """Describe a chip by its haziness and by statistics of its colours and texture.

    Parameters
    ----------
    chip : ndarray of shape (H, W, 3), uint8
        RGB.

    Returns
    -------
    dict of float
        ``haziness`` (0-1) and ``airlight`` (0-255) as in the 2018 post; mean, standard deviation
        and percentiles of red, green, blue, hue, saturation and value (0-255, hue 0-179); standard
        deviations of the grey image's Laplacian and of its differences of Gaussians.
    """
    haziness, airlight = measure_haziness(chip)
    described = {"haziness": haziness, "airlight": airlight}
    planes = np.concatenate([chip, cv2.cvtColor(chip, cv2.COLOR_RGB2HSV)], axis=2)
    for name, plane in zip(PLANES, np.moveaxis(planes, 2, 0), strict=True):
        described[f"{name}_mean"] = plane.mean()
        described[f"{name}_std"] = plane.std()
        for percentile, value in zip(PERCENTILES, np.percentile(plane, PERCENTILES), strict=True):
            described[f"{name}_p{percentile:02d}"] = value
    grey = cv2.cvtColor(chip, cv2.COLOR_RGB2GRAY).astype(np.float32)
    described["laplacian_std"] = cv2.Laplacian(grey, cv2.CV_32F).std()
    for sigma in TEXTURE_SIGMAS_PX:
        fine, coarse = (cv2.GaussianBlur(grey, (0, 0), s) for s in (sigma, 2 * sigma))
        described[f"texture_{sigma:g}px"] = (fine - coarse).std()
    return {name: float(value) for name, value in described.items()}


def store_statistics(run_dir: Path) -> None:
    """Describe every stored chip in ``data/statistics.csv``."""
    chips = open_store(run_dir, "raw")
    table = pd.DataFrame(map_over_cores(describe_chip, chips))
    table.insert(0, "chip", load_catalogue(run_dir)["chip"])
    table.to_csv(run_dir / STATISTICS, index=False, float_format="%.6g")


def load_statistics(run_dir: Path) -> pd.DataFrame:
    """Load the table of `store_statistics`; row i belongs to row i of the catalogue."""
    path = run_dir / STATISTICS
    if not path.exists():
        raise StageError(f"{path}: not there yet; run 'make report' for these chips first")
    return pd.read_csv(path, index_col="chip", dtype={"chip": str})
