"""A run that trains within a second: the brightness of a chip determines its labels."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pandas as pd

from planet_lib.training.train import train_run

CHIP_PX = 32
GROUND_DISTANCE_M = 7.5
CHIPS = {"train": 24, "validation": 8, "test": 4}
DROPOUT = {"blocks": [1], "growth": 4, "filters": 4, "dropout": 0.5}
SMALLEST = {"blocks": [], "filters": 4}
SETTINGS = {
    "model": "densenet",
    "input_mode": "raw",
    "image_px": CHIP_PX,
    "epochs": 4,
    "batch_size": 8,
    "learning_rate": 0.01,
    "patience": 9,
    "max_label_weight": 3.0,
    "seed": 1,
    "options": DROPOUT,
}
HAZE = {"method": "boundary_constraint", "clahe": True}


def write_store(
    run_dir: Path,
    *,
    chips: dict[str, int] = CHIPS,
    bright: str = "clear primary",
    dark: str = "haze water",
) -> Path:
    """Write the stores and the catalogue of a run; neighbouring pairs of chips form a group."""
    count = sum(chips.values())
    is_bright = np.arange(count) % 4 // 2 == 0  # so that the chips of a group are alike
    (run_dir / "data").mkdir(parents=True)
    for seed, name in enumerate(("raw", "dehazed")):
        noise = np.random.default_rng(seed).integers(-30, 30, (count, CHIP_PX, CHIP_PX, 3))
        pixels = np.where(is_bright[:, None, None, None], 200, 40) + noise
        np.save(run_dir / "data" / f"{name}.npy", pixels.astype(np.uint8))
        manifest = {"sha256": "made here", "pixels_sha256": "made here"}
        write_json(run_dir / "data" / f"{name}.json", manifest | (HAZE if seed else {}))
    splits = np.repeat(list(chips), list(chips.values()))
    labelled = splits != "unlabelled"
    pd.DataFrame(
        {
            "chip": [f"chip_{row}" for row in range(count)],
            "path": "",
            "labelled": labelled,
            "known": "all",
            "tags": np.where(labelled, np.where(is_bright, bright, dark), ""),
            "split": splits,
            "group": np.arange(count) // 2,
            "ground_distance_m": GROUND_DISTANCE_M,
        }
    ).to_csv(run_dir / "data" / "chips.csv", index=False)
    return run_dir


def write_json(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content))


def train(run_dir: Path, **changes: object) -> tuple[dict, list[dict]]:
    """Train, and return the manifest and the rows that `on_epoch` was called with."""
    rows = []
    manifest = train_run(run_dir, **SETTINGS | {"on_epoch": rows.append} | changes)
    return manifest, rows


def stop_after(epoch: int) -> Callable[[dict], None]:
    """Make an `on_epoch` that interrupts the training."""

    def stop(row: dict) -> None:
        if row["epoch"] == epoch:
            raise KeyboardInterrupt

    return stop


def find_results(run_dir: Path) -> Path:
    return run_dir / "models" / "densenet-raw"


def find_checkpoints(run_dir: Path) -> Path:
    return next(find_results(run_dir).glob("checkpoints-*"))


def read_probabilities(run_dir: Path) -> np.ndarray:
    return np.load(find_results(run_dir) / "probabilities.npy")


def read_history(folder: Path) -> list[dict]:
    """Read the history without the seconds, which differ between runs."""
    epochs = json.loads((folder / "history.json").read_text())["epochs"]
    return [row | {"seconds": 0} for row in epochs]


def read_weights(run_dir: Path) -> bytes:
    with ZipFile(find_results(run_dir) / "model.keras") as archive:
        return archive.read("model.weights.h5")


def assert_same_results(left: Path, right: Path) -> None:
    """Compare weights, probabilities and history of two runs to the bit."""
    assert read_weights(left) == read_weights(right)
    np.testing.assert_array_equal(read_probabilities(left), read_probabilities(right))
    assert read_history(find_results(left)) == read_history(find_results(right))


def run_python(code: str, *arguments: object) -> subprocess.Popen:
    """Start Python on code that can import this module."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
