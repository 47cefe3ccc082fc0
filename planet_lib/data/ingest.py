"""Fill the chip store of a run: decode chips and split them."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from planet_lib.data.arrays import compact_array, discard_array, fill_array
from planet_lib.data.catalogue import Problem, read_catalogue
from planet_lib.data.chips import CHIP_PX, decode_chip, read_file
from planet_lib.data.labels import encode_tags
from planet_lib.data.neighbours import find_neighbours, group_chips
from planet_lib.data.splits import split_chips
from planet_lib.data.store import AGREEMENT, CATALOGUE, NEAR_INFRARED, PROBLEMS
from planet_lib.data.tiff import Agreement, measure_agreement, read_tiff, stretch_to_visual
from planet_lib.errors import DataError
from planet_lib.files import write_json

MAX_LEFT_OUT = 0.01
CHIP_SHAPE = (CHIP_PX, CHIP_PX, 3)


def store_chips(
    folder: Path,
    run_dir: Path,
    *,
    source: str,
    seed: int,
    keep_neighbours: bool = True,
    allow_left_out: bool = False,
) -> None:
    """Decode a data set into a run's chip store and split its labelled chips.

    Writes ``data/raw.npy`` (N, 256, 256, 3) uint8 RGB with its manifest ``data/raw.json``,
    ``data/chips.csv`` and ``data/problems.csv``. Where there are TIFFs, also ``data/nir.npy``
    (N, 256, 256) uint16, 0 where a chip has no usable one, and ``data/agreement.csv``, which says
    how well each TIFF matches its JPEG.

    Parameters
    ----------
    folder : Path
        A data set in Kaggle's layout.
    run_dir : Path
    source : str
        What the pages call the data.
    seed : int
        Of the split.
    keep_neighbours : bool
        Whether chips that adjoin in their scene come into the same split.
    allow_left_out : bool
        Go on where more than 1 % of the chips cannot be read.

    Raises
    ------
    DataError
        The data set is unusable, or more than 1 % of its chips are.
    """
    catalogue, problems = read_catalogue(folder)
    raw = run_dir / "data" / "raw.npy"
    paths = [folder / path for path in catalogue["path"]]
    digests, unreadable, pixels = decode_chips(paths, raw)
    problems += _list_unreadable(catalogue, unreadable, folder, allow_left_out)
    kept = np.array([digest is not None for digest in digests])
    if unreadable:
        pixels = compact_array(raw, kept)
    catalogue = catalogue[kept].reset_index(drop=True)
    labelled = catalogue["labelled"].to_numpy()
    catalogue["split"] = "unlabelled"
    encoded = encode_tags(catalogue["tags"][labelled])
    catalogue["group"] = group_chips(find_neighbours(np.load(raw, mmap_mode="r")), len(catalogue))
    groups = catalogue["group"][labelled]
    known = keep_neighbours and groups.duplicated().any()
    catalogue.loc[labelled, "split"] = split_chips(
        encoded, seed=seed, groups=groups.to_numpy() if known else None
    )
    catalogue.to_csv(run_dir / CATALOGUE, index=False)
    (run_dir / AGREEMENT).unlink(missing_ok=True)
    discard_array(run_dir / NEAR_INFRARED)
    if catalogue["tiff"].any():
        problems += _store_near_infrared(folder, run_dir, catalogue)
    pd.DataFrame(problems, columns=list(Problem.__annotations__)).to_csv(
        run_dir / PROBLEMS, index=False
    )
    content = "\n".join(
        f"{chip} {tags} {digest}"
        for chip, tags, digest in zip(
            catalogue["chip"], catalogue["tags"], filter(None, digests), strict=True
        )
    )
    write_json(
        raw.with_suffix(".json"),
        {
            "source": source,
            "sha256": hashlib.sha256(content.encode()).hexdigest(),
            "pixels_sha256": pixels,
            "chips": len(catalogue),
            "left_out": len(unreadable),
            "from_tiff": int(catalogue["path"].str.endswith(".tif").sum()),
            "split_seed": seed,
            "keep_neighbours": keep_neighbours,
        },
    )


def decode_chips(
    paths: Sequence[Path], store: Path
) -> tuple[list[str | None], dict[int, DataError], str]:
    """Decode chips into a memory-mapped array, on all cores.

    Parameters
    ----------
    paths : sequence of Path, length N
        JPEGs or TIFFs.
    store : Path
        The ``.npy`` file to write, (N, 256, 256, 3) uint8 RGB, in the order of `paths`.

    Returns
    -------
    digests : list of str or None, length N
        SHA-256 of each file; None where it could not be read.
    unreadable : dict of DataError
        By row, why not.
    pixels : str
        Digest of the array, as `planet_lib.data.arrays.fill_array` returns it.
    """
    digests: list[str | None] = [None] * len(paths)
    unreadable: dict[int, DataError] = {}

    def decode(row: int, out: np.ndarray) -> None:
        try:
            data = read_file(paths[row])
            digests[row] = hashlib.sha256(data).hexdigest()
            if paths[row].suffix == ".tif":
                out[...] = stretch_to_visual(read_tiff(paths[row]))
            else:
                decode_chip(data, paths[row], out)
        except DataError as error:
            digests[row], unreadable[row] = None, error

    pixels = fill_array(store, (len(paths), *CHIP_SHAPE), np.uint8, decode, "reading chips")
    return digests, unreadable, pixels


def _store_near_infrared(folder: Path, run_dir: Path, catalogue: pd.DataFrame) -> list[Problem]:
    chips = np.load(run_dir / "data" / "raw.npy", mmap_mode="r")
    agreements: dict[int, Agreement] = {}
    problems: dict[int, Problem] = {}

    def decode(row: int, out: np.ndarray) -> None:
        out[...] = 0
        tiff = catalogue["tiff"][row]
        if not tiff:
            return
        try:
            bands = read_tiff(folder / tiff)
        except DataError as error:
            reason = str(error).removeprefix(f"{folder / tiff}: ")
            problems[row] = Problem(tiff, reason, "kept without near infrared")
            return
        out[...] = bands[..., 3]
        if catalogue["path"][row] != tiff:
            agreements[row] = measure_agreement(stretch_to_visual(bands), chips[row])

    shape = (len(catalogue), *CHIP_SHAPE[:2])
    fill_array(run_dir / NEAR_INFRARED, shape, np.uint16, decode, "reading near infrared")
    rows = sorted(agreements)
    table = pd.DataFrame([asdict(agreements[row]) for row in rows])
    table.insert(0, "chip", catalogue["chip"].iloc[rows].to_numpy())
    table.to_csv(run_dir / AGREEMENT, index=False)
    return [problems[row] for row in sorted(problems)]


def _list_unreadable(
    catalogue: pd.DataFrame, unreadable: dict[int, DataError], folder: Path, allow_left_out: bool
) -> list[Problem]:
    share = len(unreadable) / len(catalogue)
    if share > MAX_LEFT_OUT and not allow_left_out:
        first = unreadable[min(unreadable)]
        raise DataError(
            f"{folder}: {len(unreadable)} of {len(catalogue)} chips cannot be used, more than "
            f"{MAX_LEFT_OUT:.0%}; the first: {first}; mend them, or set allow_left_out: true"
        )
    return [
        Problem(
            catalogue["path"][row],
            str(error).removeprefix(f"{folder / catalogue['path'][row]}: "),
            "left out",
        )
        for row, error in sorted(unreadable.items())
    ]
