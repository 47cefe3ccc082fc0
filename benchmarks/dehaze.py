"""Time haze removal: ``python benchmarks/dehaze.py``.

The origin's method stands beside its pixel loop and beside plain OpenCV steps, on one core. Then
all methods run on every core, a thread for each. The chips are made, 256 x 256 pixels as Planet's.
"""

import argparse
import os
import runpy
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from planet_lib import haze

CHIPS = 200
ROUNDS = 5
TESTS = runpy.run_path(str(Path(__file__).parents[1] / "tests" / "test_haze.py"))


def dehaze_by_steps(image: np.ndarray) -> np.ndarray:
    """Remove haze as the origin does, one plain NumPy or OpenCV call a step."""
    bgr = np.ascontiguousarray(image[..., ::-1])
    gray = cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)
    plane = bgr[..., np.unravel_index(np.argmin(bgr), bgr.shape)[2]]
    airlight = float(gray[plane == plane.max()].max())
    position = np.arange(gray.size).reshape(gray.shape)
    key = bgr.min(axis=2).astype(np.float64) * gray.size + position
    key = key * 3 + bgr.argmin(axis=2)
    channel = cv2.erode(key, np.ones((20, 20), np.uint8), anchor=(10, 10)).astype(np.int64) % 3
    dark = np.take_along_axis(bgr, channel[..., np.newaxis], axis=2)
    transmission = np.maximum(1 - 0.95 * dark / airlight, 0.55)
    radiance = np.clip((bgr - airlight) / transmission + airlight, 0, 255)
    return radiance.astype(np.uint8)[..., ::-1]


def make_chips(count: int) -> list[np.ndarray]:
    """Make forest-like chips under haze that differs from chip to chip."""
    shares = np.linspace(0.3, 0.9, count)
    airlight = np.array([200, 205, 205])
    return [
        TESTS["add_haze"](TESTS["make_radiance"](seed, 256), np.full((256, 256), share), airlight)
        for seed, share in enumerate(shares)
    ]


def measure_seconds(dehaze: Callable, chips: list[np.ndarray], threads: int = 1) -> float:
    """Measure the seconds a chip takes, in the fastest of a few rounds."""
    seconds = []
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(ROUNDS):
            start = time.perf_counter()
            for _ in pool.map(dehaze, chips):
                pass
            seconds.append((time.perf_counter() - start) / len(chips))
    return min(seconds)


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    cv2.setNumThreads(1)
    chips = make_chips(CHIPS)
    loop = TESTS["dehaze_by_loop"]
    for chip in chips[:2]:
        expected = loop(chip)
        np.testing.assert_array_equal(dehaze_by_steps(chip), expected)
        np.testing.assert_array_equal(haze.dehaze_origin(chip), expected)

    print("one core, the origin's method without CLAHE, equal to the bit")
    slowest = measure_seconds(loop, chips[:1])
    print(f"  pixel loop             {1e3 * slowest:8.2f} ms a chip")
    for name, dehaze in [("plain steps", dehaze_by_steps), ("dehaze_origin", haze.dehaze_origin)]:
        seconds = measure_seconds(dehaze, chips)
        ratio = slowest / seconds
        print(f"  {name:22s} {1e3 * seconds:8.2f} ms a chip, {ratio:4.0f} times the loop's speed")

    cores = os.cpu_count()
    print(f"{cores} cores, one thread each")
    for method in haze.METHODS:
        for clahe in (False, True):
            dehaze = partial(haze.remove_haze, method=method, clahe=clahe)
            rate = 1 / measure_seconds(dehaze, chips, threads=cores)
            print(f"  {method + (' with CLAHE' if clahe else ''):22s} {rate:8.0f} chips/s")


if __name__ == "__main__":
    main()
