"""Measure how fast chips are decoded into the store, compared with a loop of ``cv2.imread``.

python benchmarks/store.py [--data FOLDER] [--chips N]
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import cv2

from planet_lib.data.catalogue import scan_dataset
from planet_lib.data.ingest import decode_chips
from planet_lib.data.readers import find_reader
from planet_lib.synthetic import write_dataset

ROUNDS = 5


def measure(folder: Path) -> None:
    cv2.setNumThreads(1)
    catalogue, reader = scan_dataset(folder)[0], find_reader(folder)
    paths = [folder / path for path in catalogue["path"]]
    loop, store = [], []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for path in paths:
            assert cv2.imread(str(path)) is not None
        loop.append(len(paths) / (time.perf_counter() - started))
        with tempfile.TemporaryDirectory() as run_dir:
            started = time.perf_counter()
            read = reader.open_chips(folder, catalogue)
            decode_chips(read, len(catalogue), reader.chip_px, Path(run_dir) / "raw.npy")
            store.append(len(paths) / (time.perf_counter() - started))
    ratios = [fast / slow for fast, slow in zip(store, loop, strict=True)]
    cores, ratio = os.cpu_count(), statistics.median(ratios)
    print(f"{len(paths)} chips, {cores} cores, medians of {ROUNDS} interleaved rounds")
    print(f"  cv2.imread in a loop  {statistics.median(loop):8.0f} chips/s")
    print(f"  decode_chips          {statistics.median(store):8.0f} chips/s")
    print(
        f"  ratio                 {ratio:8.2f}  ({min(ratios):.2f} to {max(ratios):.2f}), "
        f"{ratio / cores:.2f} per core"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="chips in Kaggle's layout (default: synthetic)")
    parser.add_argument("--chips", type=int, default=800, help="number of synthetic chips")
    options = parser.parse_args()
    if options.data:
        measure(options.data)
        return
    with tempfile.TemporaryDirectory() as folder:
        write_dataset(Path(folder), chips=options.chips, unlabelled=0, seed=0)
        measure(Path(folder))


if __name__ == "__main__":
    main()
