"""Measure the cost of reproducible training: ``python benchmarks/determinism.py``.

Each variant trains the reduced DenseNet in its own process, since TensorFlow reads the switch for
deterministic operations when it starts. The processes take turns.
"""

import argparse
import hashlib
import os
import statistics
import subprocess
import sys
import time

IMAGE_PX = 64
BATCH_SIZE = 16
STEPS = 40
ROUNDS = 3
VARIANTS = {  # seed, and whether TensorFlow uses only deterministic operations
    "no seed": (None, False),
    "seed": (2018, False),
    "seed and deterministic operations": (2018, True),
}


def train(seed: int | None) -> None:
    """Train a few steps; print chips/s and a digest of the weights."""
    import keras
    import numpy as np

    from planet_lib.networks.architectures import build_model
    from planet_lib.networks.batches import split_heads

    if seed is not None:
        keras.utils.set_random_seed(seed)
    network = build_model("densenet", IMAGE_PX)
    network.compile(
        optimizer="adam",
        loss={"weather": "categorical_crossentropy", "land": "binary_crossentropy"},
    )
    rng = np.random.default_rng(0)
    chips = rng.integers(256, size=(BATCH_SIZE, IMAGE_PX, IMAGE_PX, 3), dtype=np.uint8)
    labels = split_heads(rng.integers(2, size=(BATCH_SIZE, 17)))
    network.train_on_batch(chips, labels)
    started = time.perf_counter()
    for _ in range(STEPS):
        network.train_on_batch(chips, labels)
    seconds = time.perf_counter() - started
    digest = hashlib.sha256(b"".join(weight.tobytes() for weight in network.get_weights()))
    print(STEPS * BATCH_SIZE / seconds, digest.hexdigest())


def run(seed: int | None, deterministic: bool) -> tuple[float, str]:
    """Train in a new process; return chips/s and the digest of the weights."""
    command = [sys.executable, __file__, "--train"] + ([] if seed is None else [str(seed)])
    switch = {"TF_DETERMINISTIC_OPS": "1"} if deterministic else {}
    output = subprocess.run(
        command,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"} | switch,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    rate, digest = output.split()
    return float(rate), digest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", nargs="?", type=int, default=False, metavar="SEED")
    options = parser.parse_args()
    if options.train is not False:
        train(options.train)
        return
    results = {variant: [] for variant in VARIANTS}
    for _ in range(ROUNDS):
        for variant, settings in VARIANTS.items():
            results[variant].append(run(*settings))
    print(
        f"densenet, {IMAGE_PX} px, batches of {BATCH_SIZE}, {os.cpu_count()} cores, "
        f"medians of {ROUNDS} interleaved rounds"
    )
    unseeded = [rate for rate, _ in results["no seed"]]
    for variant, found in results.items():
        rates = [rate for rate, _ in found]
        ratios = [rate / base for rate, base in zip(rates, unseeded, strict=True)]
        distinct = len({digest for _, digest in found})
        print(
            f"  {variant:<34}{statistics.median(rates):6.0f} chips/s, ratio "
            f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}), "
            f"{distinct} different weights in {ROUNDS} runs"
        )


if __name__ == "__main__":
    main()
