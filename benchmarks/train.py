"""Measure the training speed of DenseNet-121: first step, further steps, and batches alone.

pip install -e '.[torch]'   # optional, for the comparison
python benchmarks/train.py
"""

import argparse
import itertools
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault(
    "OMP_WAIT_POLICY", "passive"
)  # PyTorch's idle threads would otherwise keep the cores busy

import keras
import numpy as np

from planet_lib.data.chips import CHIP_PX
from planet_lib.data.labels import LABELS
from planet_lib.networks.architectures import build_densenet121
from planet_lib.networks.batches import split_heads, stream_batches
from planet_lib.training.compilation import compile_training_copy

BATCHES = {64: 32, 128: 16, 256: 8}  # batch size, by side in pixels
FIRST_PX = 64
FIRST_ROUNDS = 2
ROUNDS = 3
STEPS = 3  # timed in each round
STORE_CHIPS = 512
STREAM_SECONDS = 1.0
UNWEIGHTED = np.ones(len(LABELS), np.float32)
NO_TORCH = "PyTorch is not installed; for a comparison: pip install -e '.[torch]'"


def make_batch(image_px: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw a random batch: chips (B, S, S, 3) uint8 and labels (B, 17) float32."""
    rng = np.random.default_rng(0)
    shape = (BATCHES[image_px], image_px, image_px, 3)
    labels = rng.integers(2, size=(BATCHES[image_px], len(LABELS))).astype(np.float32)
    return rng.integers(256, size=shape, dtype=np.uint8), labels


def time_first_step(ours: bool) -> tuple[float, float]:
    """Measure wall and CPU seconds from building the network to the end of its first step."""
    chips, labels = make_batch(FIRST_PX)
    targets = split_heads(labels)
    started, computed = time.perf_counter(), time.process_time()
    network = build_densenet121(FIRST_PX)
    if ours:
        network = compile_training_copy(network, UNWEIGHTED, learning_rate=0.001, steps=100)
    else:
        network.compile(
            keras.optimizers.Adam(0.001),
            loss={"weather": "categorical_crossentropy", "land": "binary_crossentropy"},
        )
    batches = ((chips, targets) for _ in itertools.count())
    network.fit(batches, steps_per_epoch=1, verbose=0, shuffle=False)
    return time.perf_counter() - started, time.process_time() - computed


def make_our_step(image_px: int) -> Callable[[], None]:
    chips, labels = make_batch(image_px)
    targets = split_heads(labels)
    network = build_densenet121(image_px)
    training_copy = compile_training_copy(network, UNWEIGHTED, learning_rate=0.001, steps=100)
    return lambda: training_copy.train_on_batch(chips, targets)


def make_torch_step(image_px: int) -> Callable[[], None]:
    """Make a training step of DenseNet-121 in PyTorch."""
    import torch

    chips, labels = make_batch(image_px)
    truth = torch.from_numpy(labels)
    network = build_torch_densenet121()
    optimizer = torch.optim.Adam(network.parameters(), 0.001)
    loss = torch.nn.BCEWithLogitsLoss()
    torch.set_num_threads(os.cpu_count())

    def step() -> None:
        optimizer.zero_grad()
        scaled = torch.from_numpy(chips.transpose(0, 3, 1, 2).astype(np.float32) / 255)
        loss(network(scaled), truth).backward()
        optimizer.step()

    return step


def build_torch_densenet121():
    """Build DenseNet-121 with 17 outputs, from timm or after table 1 of Huang et al., CVPR 2017."""
    from torch import cat, nn

    try:
        from timm.models.densenet import densenet121
    except (ImportError, RuntimeError):  # RuntimeError: torchvision was built for another torch
        pass
    else:
        return densenet121(num_classes=len(LABELS))

    class DenseLayer(nn.Sequential):
        def forward(self, x):
            return cat([x, super().forward(x)], 1)

    def activate(channels: int) -> list[nn.Module]:
        return [nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]

    channels, growth = 64, 32
    parts = [nn.Conv2d(3, channels, 7, 2, 3, bias=False), *activate(channels)]
    parts.append(nn.MaxPool2d(3, 2, 1))
    for block, depth in enumerate((6, 12, 24, 16)):
        if block:
            shrink = nn.Conv2d(channels, channels // 2, 1, bias=False)
            parts += [*activate(channels), shrink, nn.AvgPool2d(2)]
            channels //= 2
        for _ in range(depth):
            narrow = nn.Conv2d(channels, 4 * growth, 1, bias=False)
            widen = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)
            parts.append(DenseLayer(*activate(channels), narrow, *activate(4 * growth), widen))
            channels += growth
    parts += [*activate(channels), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*parts, nn.Linear(channels, len(LABELS)))


def time_steps(image_px: int, beside_torch: bool) -> list[list[float]]:
    """Measure chips/s of each round, interleaved: this package and optionally PyTorch."""
    makers = [make_our_step, make_torch_step] if beside_torch else [make_our_step]
    steps = [make(image_px) for make in makers]
    for step in steps:
        step()
        step()
    rates = [[] for _ in steps]
    for _ in range(ROUNDS):
        for step, own in zip(steps, rates, strict=True):
            started = time.perf_counter()
            for _ in range(STEPS):
                step()
            own.append(STEPS * BATCHES[image_px] / (time.perf_counter() - started))
    return rates


def time_stream(image_px: int) -> float:
    """Measure the chips/s of batches from a memory-mapped store of chips."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "raw.npy"
        rng = np.random.default_rng(0)
        shape = (STORE_CHIPS, CHIP_PX, CHIP_PX, 3)
        np.save(path, rng.integers(256, size=shape, dtype=np.uint8))
        stream = stream_batches(
            np.load(path, mmap_mode="r"),
            np.arange(STORE_CHIPS),
            np.zeros((STORE_CHIPS, len(LABELS)), np.uint8),
            image_px=image_px,
            batch_size=BATCHES[image_px],
            seed=0,
        )
        count, started = 0, time.perf_counter()
        while time.perf_counter() - started < STREAM_SECONDS:
            count += len(next(stream)[0])
        return count / (time.perf_counter() - started)


def run_alone(function: Callable, *arguments: object) -> object:
    """Run a function in a new process, where nothing has been traced before."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def print_first_steps() -> None:
    seconds = {"Keras' Adam and batch normalisation": [], "compile_training_copy": []}
    for _ in range(FIRST_ROUNDS):
        for name, own in seconds.items():
            own.append(run_alone(time_first_step, name == "compile_training_copy"))
    print(f"building and first step at {FIRST_PX} px, medians of {FIRST_ROUNDS} interleaved rounds")
    for name, own in seconds.items():
        wall, cpu = np.median(own, axis=0)
        print(f"  {name:36s} {wall:6.1f} s wall, {cpu:6.1f} s CPU", flush=True)


def print_steps(beside_torch: bool) -> None:
    print(f"training, chips/s; medians of {ROUNDS} interleaved rounds of {STEPS} steps")
    print("  side    batch   Keras   PyTorch  ratio              batches alone   ratio")
    for image_px, batch in BATCHES.items():
        ours, *others = run_alone(time_steps, image_px, beside_torch)
        beside = " " * 28
        for torch in others:
            ratios = [one / other for one, other in zip(ours, torch, strict=True)]
            beside = (
                f"{statistics.median(torch):8.1f}  {statistics.median(ratios):5.2f} "
                f"({min(ratios):.2f} to {max(ratios):.2f})"
            )
        rate, fed = statistics.median(ours), time_stream(image_px)
        print(
            f"  {image_px:3d} px  {batch:4d}  {rate:8.1f}  {beside}  {fed:12.0f}  "
            f"{fed / rate:7.0f} x",
            flush=True,
        )


def has_torch() -> bool:
    try:
        import torch  # noqa: F401
    except ImportError:
        return False
    return True


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    beside_torch = run_alone(has_torch)
    print(f"DenseNet-121, {os.cpu_count()} cores, Keras {keras.__version__}", flush=True)
    print_first_steps()
    if not beside_torch:
        print(NO_TORCH)
    print_steps(beside_torch)


if __name__ == "__main__":
    main()
