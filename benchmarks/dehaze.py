"""Time haze removal on synthetic chips: ``python benchmarks/dehaze.py``.

Each method is compared with a straightforward version of it, on one core and on all cores;
`pixelwise_dark_channel` also with its loop over pixels. Then the memory that a whole store takes.
"""

import argparse
import os
import runpy
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from planet_lib import haze
from planet_lib.data.arrays import fill_array
from planet_lib.synthetic import synthesize_scene

SCENES = 50  # of four chips
ROUNDS = 5
STORE_CHIPS = (250, 1000, 4000)
dehaze_by_loop = runpy.run_path(
    str(Path(__file__).parents[1] / "tests" / "haze" / "haze_examples.py")
)["dehaze_by_loop"]


def dehaze_pixelwise_plainly(image: np.ndarray) -> np.ndarray:
    """Remove haze as `dehaze_pixelwise` does, one plain NumPy or OpenCV call per step."""
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


def dehaze_dark_channel_plainly(image: np.ndarray) -> np.ndarray:
    """Remove haze by He's method, one plain NumPy or OpenCV call per step."""
    scaled = image / 255.0
    patch = np.ones((15, 15), np.uint8)
    dark = cv2.erode(scaled.min(axis=2), patch).ravel()
    brightest = np.argsort(dark)[-(dark.size // 1000) :]
    colours = scaled.reshape(-1, 3)[brightest]
    airlight = colours[colours.sum(axis=1).argmax()]
    coarse = 1 - 0.95 * cv2.erode((scaled / airlight).min(axis=2), patch)
    guide = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) / 255.0

    def mean(plane: np.ndarray) -> np.ndarray:
        return cv2.boxFilter(plane, cv2.CV_64F, (41, 41))

    slope = mean(guide * coarse) - mean(guide) * mean(coarse)
    slope /= mean(guide * guide) - mean(guide) ** 2 + 1e-3
    offset = mean(coarse) - slope * mean(guide)
    refined = mean(slope) * guide + mean(offset)
    radiance = (scaled - airlight) / np.maximum(refined, 0.1)[..., np.newaxis] + airlight
    return np.clip(radiance * 255, 0, 255).astype(np.uint8)


def equalize_after(dehaze: Callable) -> Callable:
    return lambda image: haze.equalize_contrast(dehaze(image))


def measure_rates(versions: dict[str, Callable], chips: list, threads: int) -> dict[str, float]:
    """Measure chips a second of each version, the median of rounds in turn."""
    rates = {name: [] for name in versions}
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(ROUNDS):
            for name, dehaze in versions.items():
                started = time.perf_counter()
                for _ in pool.map(dehaze, chips):
                    pass
                rates[name].append(len(chips) / (time.perf_counter() - started))
    return {name: statistics.median(each) for name, each in rates.items()}


def print_rates(versions: dict[str, Callable], chips: list, loop: float) -> None:
    for threads in (1, os.cpu_count()):
        rates = measure_rates(versions, chips, threads)
        print(f"\n{threads} thread(s); compared with the plain version in the same rounds")
        for name, rate in rates.items():
            compared = ""
            if (plain := f"{name}, plain") in rates:
                compared = f"{rate / rates[plain]:5.1f} x the plain version"
            if name.startswith("pixelwise_dark_channel") and threads == 1 and "CLAHE" not in name:
                compared += f"  {rate * loop:5.0f} x the loop"
            print(f"  {name:38s} {rate:6.0f} chips/s  {compared}")


def print_memory(chip: np.ndarray) -> None:
    print("\npeak memory (anonymous, MB) while boundary_constraint fills a store")
    for count in STORE_CHIPS:
        peak, done = [], threading.Event()
        watcher = threading.Thread(target=_watch_memory, args=(peak, done))
        with tempfile.TemporaryDirectory() as folder:
            watcher.start()
            fill = partial(_dehaze_into, chip)
            fill_array(Path(folder) / "a.npy", (count, *chip.shape), np.uint8, fill, "chips")
            done.set()
            watcher.join()
        print(f"  {count:5d} chips  {max(peak) / 1024:5.0f}")


def _dehaze_into(chip: np.ndarray, _row: int, out: np.ndarray) -> None:
    out[...] = haze.remove_haze(chip)


def _watch_memory(peak: list[int], done: threading.Event) -> None:
    while not done.wait(0.02):
        status = Path("/proc/self/status").read_text()
        peak.append(int(status.split("RssAnon:")[1].split()[0]))


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    cv2.setNumThreads(1)
    chips = [chip.image.copy() for n in range(SCENES) for chip in synthesize_scene(0, n)]
    for chip in chips[:2]:
        expected = dehaze_by_loop(chip)
        np.testing.assert_array_equal(dehaze_pixelwise_plainly(chip), expected)
        np.testing.assert_array_equal(haze.dehaze_pixelwise(chip), expected)
    started = time.perf_counter()
    dehaze_by_loop(chips[0])
    loop = time.perf_counter() - started
    print(f"{len(chips)} synthetic chips; the loop over pixels takes {loop:.2f} s per chip")
    versions = {
        "pixelwise_dark_channel": haze.dehaze_pixelwise,
        "pixelwise_dark_channel, plain": dehaze_pixelwise_plainly,
        "pixelwise_dark_channel + CLAHE": equalize_after(haze.dehaze_pixelwise),
        "pixelwise_dark_channel + CLAHE, plain": equalize_after(dehaze_pixelwise_plainly),
        "dark_channel": haze.dehaze_dark_channel,
        "dark_channel, plain": dehaze_dark_channel_plainly,
        "boundary_constraint": haze.dehaze_boundary_constraint,
        "boundary_constraint + CLAHE": equalize_after(haze.dehaze_boundary_constraint),
    }
    print_rates(versions, chips, loop)
    print_memory(chips[0])


if __name__ == "__main__":
    main()
