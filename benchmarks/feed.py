"""Measure what TensorFlow's memory and its tuner cost: ``python benchmarks/feed.py``.

Each variant runs in a process of its own, since TensorFlow chooses its allocator when it starts.
The processes take turns. A fit trains the reduced DenseNet; the tiles are those of a scene.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

IMAGE_PX = 64
BATCH_SIZE = 32
STEPS = 40
TILES = 256
ROUNDS = 3
REPEATS = 3  # in each process, after one that also traces
VARIANTS = {  # whether memory is reused, and whether the pipeline is left untuned
    "as TensorFlow and Keras do": (False, False),
    "memory reused": (True, False),
    "memory reused, no tuner (this package)": (True, True),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--measure", choices=["tuned", "untuned"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure == "untuned")
        return
    rounds = {name: [] for name in VARIANTS}
    for _ in range(ROUNDS):
        for name, variant in VARIANTS.items():
            rounds[name].append(run(*variant))
    print(f"{'':40} a fit of {STEPS} steps, s   {TILES} tiles, s   wall (CPU), medians")
    for name, seconds in rounds.items():
        fit, fit_cpu, tiles, tiles_cpu = (
            statistics.median(each) for each in zip(*seconds, strict=True)
        )
        print(f"{name:40} {fit:15.2f} ({fit_cpu:.2f}) {tiles:12.2f} ({tiles_cpu:.2f})")


def run(reused: bool, untuned: bool) -> list[float]:
    """Measure a variant in a new process."""
    output = subprocess.run(
        [sys.executable, __file__, "--measure", "untuned" if untuned else "tuned"],
        env=os.environ
        | {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_CPU_ALLOCATOR_USE_BFC": str(reused).lower()},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    return [float(seconds) for seconds in output.split()[-4:]]


def measure(untuned: bool) -> None:
    """Print wall and CPU seconds of a fit and of a prediction."""
    import numpy as np

    from planet_lib.networks.architectures import build_model
    from planet_lib.networks.batches import stream_batches
    from planet_lib.networks.locate import SHIPPED
    from planet_lib.scenes.detector import BATCH, load_detector
    from planet_lib.training.compilation import compile_training_copy
    from planet_lib.training.feed import feed_batches

    rng = np.random.default_rng(0)
    chips = rng.integers(256, size=(STEPS * BATCH_SIZE, IMAGE_PX, IMAGE_PX, 3), dtype=np.uint8)
    labels = rng.integers(2, size=(len(chips), 17)).astype(np.float32)
    network = compile_training_copy(
        build_model("densenet", IMAGE_PX), np.ones(17, np.float32), learning_rate=1e-3, steps=1000
    )
    values = (chips, np.arange(len(chips)), labels)
    settings = {"image_px": IMAGE_PX, "batch_size": BATCH_SIZE, "seed": 0}

    def fit() -> None:
        batches = (
            feed_batches(stream_batches, *values, **settings)
            if untuned
            else stream_batches(*values, **settings)
        )
        network.fit(batches, steps_per_epoch=STEPS, epochs=1, shuffle=False, verbose=0)

    detector = load_detector(SHIPPED / "synthetic")
    side, channels = detector.image_px, 3 * len(detector.pictures)
    tiles = rng.integers(256, size=(TILES, side, side, channels), dtype=np.uint8)

    def predict() -> None:
        if untuned:
            detector.predict(tiles)
        else:
            detector.network.predict(tiles, batch_size=BATCH, verbose=0)

    print(*time_calls(fit), *time_calls(predict))


def time_calls(call: Callable[[], None]) -> tuple[float, float]:
    """Measure the median wall and CPU seconds of a call."""
    call()
    seconds = []
    for _ in range(REPEATS):
        wall, cpu = time.perf_counter(), time.process_time()
        call()
        seconds.append((time.perf_counter() - wall, time.process_time() - cpu))
    return tuple(map(statistics.median, zip(*seconds, strict=True)))


if __name__ == "__main__":
    main()
