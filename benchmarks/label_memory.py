"""Peak memory of `planet label` for one large picture and for many: it should not grow.

python benchmarks/label_memory.py [--side PX]
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np
import rasterio
from rasterio.transform import from_origin

from planet_lib.data.labels import MINE
from planet_lib.evaluation.label_folder import label_folder
from planet_lib.files import write_json

COUNTS = (1, 8, 32)
CHIP_PX = 48


def write_network(folder: Path) -> None:
    """Write a network that costs next to nothing, for raw chips of 10 m."""
    chips = keras.Input((CHIP_PX, CHIP_PX, 3))
    mean = keras.layers.GlobalAveragePooling2D()(chips)
    keras.Model(chips, keras.layers.Dense(1, activation="sigmoid")(mean)).save(
        folder / "model.keras"
    )
    write_json(
        folder / "card.json",
        {
            "labels": [MINE],
            "thresholds": {"flat": 0.5},
            "chip_px": CHIP_PX,
            "ground_distance_m": 10.0,
            "input": {"pictures": ["raw"], "image_px": CHIP_PX},
            "haze": None,
        },
    )


def measure(count: int, side: int) -> None:
    """Label pictures in this process, and print its peak memory in GB."""
    pixels = np.random.default_rng(0).integers(1, 256, (3, side, side), dtype=np.uint8)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pictures").mkdir()
        write_network(folder)
        for number in range(count):
            with rasterio.open(
                folder / "pictures" / f"{number}.tif", "w", driver="GTiff", dtype="uint8",
                width=side, height=side, count=3, crs="EPSG:32721",
                transform=from_origin(500_000, 9_000_000, 10, 10),
            ) as file:  # fmt: skip
                file.write(pixels)
        label_folder(folder / "pictures", folder / "labels.csv", model=folder)
    print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=2048, help="of a picture, in pixels")
    parser.add_argument("--count", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.count:
        measure(options.count, options.side)
        return
    print(f"pictures of {options.side} x {options.side} px | peak memory, GB")
    for count in COUNTS:
        command = (sys.executable, __file__, "--side", options.side, "--count", count)
        done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=True)
        print(f"{count:>25} | {done.stdout.strip()}", flush=True)


if __name__ == "__main__":
    main()
