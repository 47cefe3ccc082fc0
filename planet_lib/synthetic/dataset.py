"""Write synthetic chips as a data set in Kaggle's layout."""

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from planet_lib.errors import DataError
from planet_lib.files import map_over_cores, read_json, replace_file, write_json
from planet_lib.synthetic.priors import CHIPS_PER_SCENE
from planet_lib.synthetic.scenes import synthesize_scene

MANIFEST = "synthetic.json"
TABLES = ("train_v2.csv", "sample_submission_v2.csv")
DIGEST = "chips.sha256"
FIRST_UNLABELLED_SCENE = 1 << 24


def write_dataset(
    folder: Path, *, chips: int, unlabelled: int, seed: int, enrich: float = 0.0
) -> None:
    """Write a synthetic data set in Kaggle's layout.

    The same arguments give the same bytes on any number of cores, as long as the versions of NumPy
    and OpenCV and the kind of processor are the same. Chips of an earlier call are replaced, since
    the generator may have changed; the tables and the digest are written last. Four consecutive
    chips are neighbours in one scene; no scene has both labelled and unlabelled chips.

    Parameters
    ----------
    folder : Path
        Created if missing. Receives ``train_v2.csv``, ``train-jpg/``, ``sample_submission_v2.csv``,
        ``test-jpg/``, ``synthetic.json`` with the arguments, and ``chips.sha256``, the SHA-256 of
        all chips.
    chips, unlabelled : int
        Number of chips in ``train-jpg`` and in ``test-jpg``.
    seed : int
        At least 0.
    enrich : float
        Share of the scenes, 0 to 1, whose label sets are drawn from a flattened distribution that
        is rich in rare labels, rather than from the real one.

    Raises
    ------
    ValueError
        A number is outside its range.
    DataError
        `folder` is a file, or holds chips made with other arguments, or real chips.
    """
    arguments = {"chips": chips, "unlabelled": unlabelled, "seed": seed, "enrich": enrich}
    _check_arguments(arguments)
    folder = Path(folder)
    _claim_folder(folder, arguments)
    scenes = [("train", 0, scene, chips) for scene in _number_scenes(chips)]
    scenes += [
        ("test", FIRST_UNLABELLED_SCENE, scene, unlabelled) for scene in _number_scenes(unlabelled)
    ]
    written = map_over_cores(partial(_write_scene, folder, seed=seed, enrich=enrich), scenes)
    tags, digest = [], hashlib.sha256()
    for scene_tags, scene_digest in tqdm(
        written, total=len(scenes), unit="scene", desc="synthetic scenes"
    ):
        tags += scene_tags
        digest.update(scene_digest)
    _write_lines(folder / TABLES[0], _tabulate("train", tags[:chips]))
    _write_lines(folder / TABLES[1], _tabulate("test", ["primary clear"] * unlabelled))
    _write_lines(folder / DIGEST, [digest.hexdigest()])


def encode_jpeg(image: np.ndarray) -> bytes:
    """Encode a chip as JPEG, compressed as strongly as the real chips.

    The real files store each colour at quality 75. JPEG in YCbCr needs a higher quality in the two
    colour differences to lose as little.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255.

    Returns
    -------
    bytes
        The JPEG file.
    """
    options = [cv2.IMWRITE_JPEG_LUMA_QUALITY, 75, cv2.IMWRITE_JPEG_CHROMA_QUALITY, 90]
    options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    return encoded.tobytes()


def _check_arguments(arguments: dict[str, float]) -> None:
    for name in ("chips", "unlabelled", "seed"):
        if arguments[name] < 0:
            raise ValueError(f"{name} is {arguments[name]}; allowed: at least 0")
    if not 0 <= arguments["enrich"] <= 1:
        raise ValueError(f"enrich is {arguments['enrich']}; allowed: 0 to 1")


def _claim_folder(folder: Path, arguments: dict[str, float]) -> None:
    """Create the folder, or check that its chips were made with the same arguments."""
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file; choose a folder")
    manifest = folder / MANIFEST
    if manifest.exists():
        found = read_json(manifest)
        if found | arguments != found:
            raise DataError(f"{folder} holds chips made with {found}; choose another folder")
    elif any((folder / name).exists() for name in (*TABLES, "train-jpg", "test-jpg")):
        raise DataError(f"{folder} holds chips that are not synthetic; choose another folder")
    write_json(manifest, arguments)  # first, so that an interrupted call recognises its folder
    for name in (*TABLES, DIGEST):
        (folder / name).unlink(missing_ok=True)
    for name in ("train-jpg", "test-jpg"):
        (folder / name).mkdir(exist_ok=True)


def _number_scenes(chips: int) -> range:
    """Number the scenes that the chips are cut from."""
    return range(-(-chips // CHIPS_PER_SCENE))


def _write_scene(
    folder: Path, scene: tuple[str, int, int, int], *, seed: int, enrich: float
) -> tuple[list[str], bytes]:
    """Write the chips of one scene; return their tags and their digest."""
    prefix, first_scene, number, chips = scene
    tags, digest = [], hashlib.sha256()
    for slot, chip in enumerate(synthesize_scene(seed, first_scene + number, enrich=enrich)):
        index = number * CHIPS_PER_SCENE + slot
        if index >= chips:
            break
        tags.append(chip.tags)
        encoded = encode_jpeg(chip.image)
        digest.update(encoded)
        with replace_file(folder / f"{prefix}-jpg" / f"{prefix}_{index}.jpg") as partial_path:
            partial_path.write_bytes(encoded)
    return tags, digest.digest()


def _tabulate(prefix: str, rows: Sequence[str]) -> list[str]:
    return ["image_name,tags", *(f"{prefix}_{i},{tags}" for i, tags in enumerate(rows))]


def _write_lines(path: Path, lines: Sequence[str]) -> None:
    with replace_file(path) as partial_path:
        partial_path.write_text("\n".join(lines) + "\n", encoding="utf-8")
