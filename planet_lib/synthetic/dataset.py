"""Write synthetic chips as a data set in Kaggle's layout."""

import json
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

GENERATOR_VERSION = 2  # counts up when the same seed gives other chips
MANIFEST = "synthetic.json"
TABLES = ("train_v2.csv", "sample_submission_v2.csv")
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

    The same arguments give the same bytes, whatever the number of workers, as long as the versions
    of NumPy and OpenCV and the kind of processor are the same. A run that was killed
    goes on where it stopped: chips that are there are kept, and the tables come last. Four
    consecutive chips are neighbours in one scene; no scene has both labelled and unlabelled chips.

    Parameters
    ----------
    folder : Path
        Made if missing: ``train_v2.csv``, ``train-jpg/``, ``sample_submission_v2.csv`` and
        ``test-jpg/``, and ``synthetic.json`` with the arguments.
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
        Threads; as many as cores by default.

    Raises
    ------
    ValueError
        A number is outside its range.
    DataError
        `folder` is a file, or holds chips that other arguments made.
    """
    arguments = {
        "chips": chips,
        "unlabelled": unlabelled,
        "seed": seed,
        "enrich": enrich,
        "label_noise": label_noise,
    }
    workers = (os.cpu_count() or 1) if workers is None else workers
    _check_numbers(arguments, workers)
    folder = Path(folder)
    _claim_folder(folder, arguments | {"generator": GENERATOR_VERSION})
    if all((folder / table).exists() for table in TABLES):
        return
    jobs = [("train", 0, scene, chips) for scene in _scenes(chips)]
    jobs += [("test", UNLABELLED_SCENES_FROM, scene, unlabelled) for scene in _scenes(unlabelled)]
    pool = ThreadPoolExecutor(workers)
    try:
        work = pool.map(partial(_write_scene, folder, seed=seed, enrich=enrich), jobs)
        tags = list(tqdm(work, total=len(jobs), unit="scene", desc="synthetic scenes"))
    finally:
        pool.shutdown(cancel_futures=True)
    labelled = [row for rows in tags[: len(_scenes(chips))] for row in rows]
    rng = np.random.default_rng([seed, UNLABELLED_SCENES_FROM, 1])
    labelled = [confuse_tags(rng, row) if rng.random() < label_noise else row for row in labelled]
    _write_table(folder / TABLES[0], "train", labelled)
    _write_table(folder / TABLES[1], "test", ["primary clear"] * unlabelled)


def encode_jpeg(image: np.ndarray) -> bytes:
    """Compress a chip as strongly as the real ones are.

    The real files hold each colour at quality 75; ordinary files need a higher quality in the two
    colour differences to keep as much.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3), uint8
        RGB.

    Returns
    -------
    bytes
        The JPEG file.
    """
    options = [cv2.IMWRITE_JPEG_LUMA_QUALITY, 75, cv2.IMWRITE_JPEG_CHROMA_QUALITY, 90]
    options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    return encoded.tobytes()


def _check_numbers(arguments: dict[str, float], workers: int) -> None:
    for name in ("chips", "unlabelled", "seed"):
        if arguments[name] < 0:
            raise ValueError(f"{name} must be at least 0, got {arguments[name]}")
    for name in ("enrich", "label_noise"):
        if not 0 <= arguments[name] <= 1:
            raise ValueError(f"{name} must be from 0 to 1, got {arguments[name]}")
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")


def _claim_folder(folder: Path, arguments: dict[str, float]) -> None:
    """Make the folder, or make sure that the chips in it are those of the same arguments."""
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file; give a folder, or a name that is not taken")
    manifest = folder / MANIFEST
    if manifest.exists():
        found = json.loads(manifest.read_text(encoding="utf-8"))
        if found != arguments:
            raise DataError(f"{folder} holds chips made with {found}; give another folder")
    elif any((folder / name).exists() for name in (*TABLES, "train-jpg", "test-jpg")):
        raise DataError(f"{folder} holds chips that are not synthetic; give another folder")
    folder.mkdir(parents=True, exist_ok=True)
    _replace(manifest, (json.dumps(arguments, indent=2) + "\n").encode())
    for part in ("train-jpg", "test-jpg"):
        (folder / part).mkdir(exist_ok=True)


def _scenes(chips: int) -> range:
    return range(-(-chips // CHIPS_PER_SCENE))


def _write_scene(
    folder: Path, job: tuple[str, int, int, int], *, seed: int, enrich: float
) -> list[str]:
    """Write the chips of one scene; return their tags."""
    prefix, first_scene, number, chips = job
    tags = []
    for slot, chip in enumerate(synthesize_scene(seed, first_scene + number, enrich=enrich)):
        index = number * CHIPS_PER_SCENE + slot
        if index < chips:
            _write_chip(folder / f"{prefix}-jpg" / f"{prefix}_{index}.jpg", chip)
            tags.append(chip.tags)
    return tags


def _write_chip(path: Path, chip: SyntheticChip) -> None:
    if not path.exists():
        _replace(path, encode_jpeg(chip.image))


def _write_table(path: Path, prefix: str, rows: Iterable[str]) -> None:
    lines = ["image_name,tags", *(f"{prefix}_{i},{tags}" for i, tags in enumerate(rows))]
    _replace(path, ("\n".join(lines) + "\n").encode())


def _replace(path: Path, content: bytes) -> None:
    """Write a file under another name first, so that a kill leaves no half file."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    part.replace(path)
