"""Fixtures: small data sets of made chips in Kaggle's layout, and the run that stores them."""

import io
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

from planet_lib.data.chips import CHIP_PX
from planet_lib.data.ingest import store_chips
from planet_lib.synthetic import SyntheticChip, synthesize_scene

# The same examples everywhere, however slow the machine, and no folder of found ones.
settings.register_profile("planet", derandomize=True, deadline=None, database=None)
settings.load_profile("planet")

SAMPLE = Path(__file__).parents[2] / "shared" / "planet_sample"
BLOCK_PX = 64
TAGS = ("clear primary", "clear primary agriculture road", "haze primary", "cloudy")


def paint(name: str) -> np.ndarray:
    """Paint the chip of a name, 16 blocks of colours that only this name has."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    blocks = rng.integers(0, 256, (CHIP_PX // BLOCK_PX,) * 2 + (3,), dtype=np.uint8)
    return blocks.repeat(BLOCK_PX, axis=0).repeat(BLOCK_PX, axis=1)


def encode(rgb: np.ndarray) -> bytes:
    """Encode a chip as the competition does: four components and no Adobe marker."""
    inverted = np.dstack([255 - rgb, np.zeros_like(rgb[..., 0])])
    buffer = io.BytesIO()
    Image.frombytes("CMYK", rgb.shape[1::-1], inverted.tobytes()).save(buffer, "JPEG", quality=95)
    data = buffer.getvalue()
    marker = data.index(b"\xff\xee")
    return data[:marker] + data[marker + 2 + int.from_bytes(data[marker + 2 : marker + 4]) :]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how long the quick and the slow tests took."""
    seconds = {"quick": 0.0, "slow": 0.0}
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                seconds["slow" if "slow" in report.keywords else "quick"] += report.duration
    terminalreporter.write_line(
        f"quick tests {seconds['quick']:.0f} s, slow tests {seconds['slow']:.0f} s"
    )


@pytest.fixture(scope="session")
def paint_chip() -> Callable[[str], np.ndarray]:
    """Give the colours that `dataset` paints the chip of a name with, before JPEG."""
    return paint


@pytest.fixture(scope="session")
def encode_chip() -> Callable[[np.ndarray], bytes]:
    """Give the encoder of chips like the competition's."""
    return encode


@pytest.fixture
def dataset(tmp_path) -> Callable[..., Path]:
    """Give a function that writes ``train_i`` for each of the tags, and unlabelled chips."""

    def write(tags: Sequence[str] = TAGS * 3, *, test: int = 0, additional: int = 0) -> Path:
        folder = tmp_path / "dataset"
        lines = [f"train_{i},{text}" for i, text in enumerate(tags)]
        folders = {
            "train-jpg": [f"train_{i}" for i in range(len(tags))],
            "test-jpg": [f"test_{i}" for i in range(test)],
            "test-jpg-additional": [f"file_{i}" for i in range(additional)],
        }
        for subfolder, names in folders.items():
            (folder / subfolder).mkdir(parents=True)
            for name in names:
                (folder / subfolder / f"{name}.jpg").write_bytes(encode(paint(name)))
        (folder / "train_v2.csv").write_text("\n".join(["image_name,tags", *lines, ""]))
        return folder

    return write


@pytest.fixture
def stored_run(dataset, tmp_path) -> Path:
    """Give a run whose store holds twelve labelled and two unlabelled chips."""
    run_dir = tmp_path / "runs" / "made"
    store_chips(dataset(test=1, additional=1), run_dir, source="made chips", seed=0)
    return run_dir


@pytest.fixture(scope="session")
def synthetic_chips() -> list[SyntheticChip]:
    """Synthesize the chips of 20 scenes, of any weather and rich in rare labels."""
    return [chip for scene in range(20) for chip in synthesize_scene(12, scene, enrich=0.3)]


@pytest.fixture(scope="session")
def sample() -> Path:
    """Give the folder of real chips, or skip the test where there is none."""
    if not (SAMPLE / "train_v2.csv").exists():
        pytest.skip("the sample of real chips is not here")
    return SAMPLE
