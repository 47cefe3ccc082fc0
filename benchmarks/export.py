"""Compare the speed of ONNX Runtime and Keras: untrained networks predict the same batches.

python benchmarks/export.py
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from planet_lib.networks.architectures import build_model
from planet_lib.networks.onnx import export_onnx, open_onnx
from planet_lib.networks.predict import PREDICTION_BATCH

IMAGE_PX = 128
ROUNDS = 5
NETWORKS = {"cnn": 8, "densenet": 8, "densenet121": 2}  # batches per round


def predict_batches(predict: Callable, chips: np.ndarray) -> dict[str, np.ndarray]:
    """Predict with ONNX Runtime in the same batches as Keras."""
    batches = np.split(chips, range(PREDICTION_BATCH, len(chips), PREDICTION_BATCH))
    predicted = [predict(batch) for batch in batches]
    return {head: np.concatenate([part[head] for part in predicted]) for head in predicted[0]}


def measure(name: str, batches: int, folder: Path) -> None:
    keras.utils.set_random_seed(0)
    network = build_model(name, IMAGE_PX)
    started = time.perf_counter()
    export_onnx(network, folder / "model.onnx")
    seconds = time.perf_counter() - started
    predict = open_onnx(folder / "model.onnx")
    shape = (batches * PREDICTION_BATCH, IMAGE_PX, IMAGE_PX, 3)
    chips = np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8)
    forms = {
        "Keras predict": lambda: network.predict(chips, batch_size=PREDICTION_BATCH, verbose=0),
        "ONNX Runtime": lambda: predict_batches(predict, chips),
    }
    predictions = {form: run() for form, run in forms.items()}  # also the warm-up
    times = {form: [] for form in forms}
    for _ in range(ROUNDS):
        for form, run in forms.items():
            started = time.perf_counter()
            run()
            times[form].append(time.perf_counter() - started)
    left, right = predictions.values()
    difference = max(float(np.abs(left[head] - right[head]).max()) for head in left)
    ratios = [keras_s / onnx_s for keras_s, onnx_s in zip(*times.values(), strict=True)]
    print(f"{name}: exported in {seconds:.1f} s; largest difference {difference:.1e}")
    for form, values in times.items():
        print(f"  {form:<14}{len(chips) / statistics.median(values):8.0f} chips/s")
    print(
        f"  ratio         {statistics.median(ratios):8.2f}  "
        f"({min(ratios):.2f} to {max(ratios):.2f})"
    )


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    print(
        f"{IMAGE_PX} px, batches of {PREDICTION_BATCH}, {os.cpu_count()} cores, "
        f"medians of {ROUNDS} interleaved rounds"
    )
    with tempfile.TemporaryDirectory() as folder:
        for name, batches in NETWORKS.items():
            measure(name, batches, Path(folder))


if __name__ == "__main__":
    main()
