"""Write synthetic chips as a data set in Kaggle's layout."""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from planet_lib.errors import DataError
from planet_lib.synthetic.priors import CHIPS_PER_SCENE, confuse_tags
from planet_lib.synthetic.scenes import SyntheticChip, synthesize_scene

UNLABELLED_SCENES_FROM = 1 << 24


def write_dataset(
    folder: Path,
    *,
    chips: int,
    unlabelled: int,
    seed: int,
    enrich: float = 0.0,
    label_noise: float = 0.0,
    workers: int | None = None,
) -> None:
    """Write a synthetic data set in the layout of Kaggle's.

    The same arguments give the same bytes, whatever the number of workers. Chips that are already
    there are kept, so an interrupted run goes on where it stopped; the tables come last.

    Parameters
    ----------
    folder : Path
        Made if missing: ``train_v2.csv``, ``train-jpg/``, ``sample_submission_v2.csv`` and
        ``test-jpg/``.
    chips, unlabelled : int
        Number of chips in ``train-jpg`` and in ``test-jpg``.
    seed : int
        At least 0.
    enrich : float, 0 to 1
        Share of the scenes drawn from a flattened distribution of label sets, rich in rare labels,
        rather than from the real one.
    label_noise : float, 0 to 1
        Share of the rows of ``train_v2.csv`` with one wrong decision.
    workers : int, optional
        Threads; all cores by default.

    Raises
    ------
    ValueError
        A number is outside its range.
    DataError
        `folder` is a file.
    """
    for name, value in (("chips", chips), ("unlabelled", unlabelled), ("seed", seed)):
        if value < 0:
            raise ValueError(f"{name} must be at least 0, got {value}")
    for name, value in (("enrich", enrich), ("label_noise", label_noise)):
        if not 0 <= value <= 1:
            raise ValueError(f"{name} must be from 0 to 1, got {value}")
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file; give a folder, or a name that is not taken")
    for part in ("train-jpg", "test-jpg"):
        (folder / part).mkdir(parents=True, exist_ok=True)

    jobs = [(folder / "train-jpg", "train", 0, k, chips) for k in _scenes(chips)]
    jobs += [
        (folder / "test-jpg", "test", UNLABELLED_SCENES_FROM, k, unlabelled)
        for k in _scenes(unlabelled)
    ]
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        work = pool.map(partial(_write_scene, seed=seed, enrich=enrich), jobs)
        tags = list(tqdm(work, total=len(jobs), unit="scene", desc="synthetic scenes"))
    labelled = [row for rows in tags[: len(_scenes(chips))] for row in rows]
    rng = np.random.default_rng([seed, UNLABELLED_SCENES_FROM, 1])
    labelled = [confuse_tags(rng, row) if rng.random() < label_noise else row for row in labelled]
    _write_table(folder / "train_v2.csv", "train", labelled)
    _write_table(folder / "sample_submission_v2.csv", "test", ["primary clear"] * unlabelled)


def _scenes(chips: int) -> range:
    return range(-(-chips // CHIPS_PER_SCENE))


def _write_scene(job: tuple[Path, str, int, int, int], *, seed: int, enrich: float) -> list[str]:
    """Write the chips of one scene; return their tags."""
    folder, prefix, first_scene, number, chips = job
    scene = synthesize_scene(seed, first_scene + number, enrich=enrich)
    tags = []
    for slot, chip in enumerate(scene):
        index = number * CHIPS_PER_SCENE + slot
        if index < chips:
            _write_chip(folder / f"{prefix}_{index}.jpg", chip)
            tags.append(chip.tags)
    return tags


def _write_chip(path: Path, chip: SyntheticChip) -> None:
    if path.exists():
        return
    _replace(path, encode_jpeg(chip.image))


def encode_jpeg(image: np.ndarray) -> bytes:
    """Compress an RGB chip, uint8, as strongly as the real ones: quality 75 in every channel."""
    options = [cv2.IMWRITE_JPEG_LUMA_QUALITY, 75, cv2.IMWRITE_JPEG_CHROMA_QUALITY, 90]
    options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    return encoded.tobytes()


def _write_table(path: Path, prefix: str, rows: Iterable[str]) -> None:
    lines = ["image_name,tags", *(f"{prefix}_{i},{tags}" for i, tags in enumerate(rows))]
    _replace(path, ("\n".join(lines) + "\n").encode())


def _replace(path: Path, content: bytes) -> None:
    """Write a file under another name first, so that a kill leaves no half file."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    part.replace(path)
