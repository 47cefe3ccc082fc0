"""The chip store of a run: decoded chips and their haze-free copies as memory-mapped arrays.

``data/chips.csv`` has one row for each row of ``data/raw.npy`` and ``data/dehazed.npy``; each
array has a manifest beside it, which later stages depend on.
"""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd

from planet_lib.catalogue import Problem, read_catalogue
from planet_lib.chips import CHIP_PX, decode_chip, read_file
from planet_lib.config import INPUTS
from planet_lib.errors import DataError, StageError
from planet_lib.haze import remove_haze
from planet_lib.labels import encode_tags
from planet_lib.memmaps import compact_array, discard_array, fill_array, is_as_written
from planet_lib.neighbours import find_neighbours, group_chips
from planet_lib.splits import split_chips
from planet_lib.tiff import Agreement, measure_agreement, read_tiff, stretch_to_visual

CATALOGUE = "data/chips.csv"
PROBLEMS = "data/problems.csv"
AGREEMENT = "data/agreement.csv"
NEAR_INFRARED = "data/nir.npy"
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
    digests, unreadable = decode_chips([folder / path for path in catalogue["path"]], raw)
    problems += _list_unreadable(catalogue, unreadable, folder, allow_left_out)
    kept = np.array([digest is not None for digest in digests])
    if unreadable:
        compact_array(raw, kept)
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
            "chips": len(catalogue),
            "left_out": len(unreadable),
            "from_tiff": int(catalogue["path"].str.endswith(".tif").sum()),
            "split_seed": seed,
            "keep_neighbours": keep_neighbours,
        },
    )


def decode_chips(
    paths: Sequence[Path], store: Path
) -> tuple[list[str | None], dict[int, DataError]]:
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

    fill_array(store, (len(paths), *CHIP_SHAPE), np.uint8, decode, "reading chips")
    return digests, unreadable


def store_haze_free(run_dir: Path, *, method: str, clahe: bool) -> None:
    """Remove the haze of every stored chip, into ``data/dehazed.npy`` and its manifest.

    Parameters
    ----------
    run_dir : Path
    method : str
        A key of `planet_lib.haze.METHODS`.
    clahe : bool
        Whether contrast-limited histogram equalisation follows.
    """
    chips = open_store(run_dir, "raw")
    dehazed = run_dir / "data" / "dehazed.npy"

    def dehaze(row: int, out: np.ndarray) -> None:
        out[...] = remove_haze(chips[row], method=method, clahe=clahe)

    fill_array(dehazed, chips.shape, np.uint8, dehaze, "removing haze")
    source = read_json(run_dir / "data" / "raw.json")["sha256"]
    write_json(
        dehazed.with_suffix(".json"), {"source_sha256": source, "method": method, "clahe": clahe}
    )


def discard_changed_stores(run_dir: Path) -> list[Path]:
    """Remove the stores that are half-written or were changed by someone; return their files."""
    discarded = []
    for name, parts in (("raw", ("raw", "nir")), ("dehazed", ("dehazed",))):
        arrays = [run_dir / "data" / f"{part}.npy" for part in parts]
        arrays = [path for path in arrays if path.exists() or path.with_suffix(".stamp").exists()]
        changed = [path for path in arrays if not is_as_written(path)]
        if changed:
            discard_array(run_dir / "data" / f"{name}.npy")
        discarded += changed
    return discarded


def open_store(run_dir: Path, name: str) -> np.ndarray:
    """Open a store, ``raw`` or ``dehazed``, without loading it.

    Returns
    -------
    memmap of shape (N, 256, 256, 3), uint8
        RGB, read-only.

    Raises
    ------
    StageError
        The store is not there yet, or damaged.
    """
    path = run_dir / "data" / f"{name}.npy"
    if not path.with_suffix(".json").exists():
        raise StageError(f"{path}: not there yet; {_how_to_make(run_dir)}")
    try:
        return np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise StageError(
            f"{path}: damaged ({error}); delete {run_dir / 'data'} and run again"
        ) from None


class SideBySide:
    """Several stores read as one, whose rows have the channels of all.

    Parameters
    ----------
    stores : sequence of ndarray of shape (N, H, W, 3)
    """

    def __init__(self, stores: Sequence[np.ndarray]) -> None:
        self.stores = stores
        count, height, width, _ = stores[0].shape
        self.shape = (count, height, width, sum(store.shape[3] for store in stores))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, row: int) -> np.ndarray:
        return np.concatenate([store[row] for store in self.stores], axis=-1)


def open_input(run_dir: Path, input_mode: str) -> np.ndarray | SideBySide:
    """Open what a network is shown: ``raw``, ``dehazed`` or ``both``.

    Returns
    -------
    memmap or SideBySide of shape (N, 256, 256, C), uint8
        Red, green and blue of each store of `INPUTS`, so that C is 3 or 6.

    Raises
    ------
    ValueError
        No such input.
    StageError
        A store is not there yet, or damaged.
    """
    if input_mode not in INPUTS:
        raise ValueError(f"input_mode is {input_mode!r}; allowed: {', '.join(INPUTS)}")
    stores = [open_store(run_dir, name) for name in INPUTS[input_mode]]
    return stores[0] if len(stores) == 1 else SideBySide(stores)


def load_catalogue(run_dir: Path) -> pd.DataFrame:
    """Load the table of a run's stored chips.

    Returns
    -------
    DataFrame
        Row i belongs to row i of the stores: ``chip``, ``path``, ``labelled``, ``tags`` and
        ``split`` (train, validation, test or unlabelled) and ``group`` (the same for chips that
        hang together in their scene).

    Raises
    ------
    StageError
        The catalogue is not there yet.
    """
    path = run_dir / CATALOGUE
    if not path.exists():
        raise StageError(f"{path}: not there yet; {_how_to_make(run_dir)}")
    return pd.read_csv(
        path, keep_default_na=False, dtype={"chip": str, "path": str, "tiff": str, "tags": str}
    )


def load_agreement(run_dir: Path) -> pd.DataFrame:
    """Load how well each TIFF matches its JPEG; no rows where the data have no TIFF.

    Returns
    -------
    DataFrame
        ``chip`` and the fields of `planet_lib.tiff.Agreement`.
    """
    path = run_dir / AGREEMENT
    return pd.read_csv(path) if path.exists() else pd.DataFrame(columns=["chip", "correlation"])


def write_json(path: Path, content: dict) -> None:
    """Write JSON so that a reader sees the old file or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(content, indent=1) + "\n")
    os.replace(partial, path)


def read_json(path: Path) -> dict:
    """Read a file that an earlier stage of the report wrote."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise StageError(f"{path}: not there yet; {_how_to_make(path)}") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise StageError(f"{path}: damaged ({error}); delete it and run again") from None


def _how_to_make(path: Path) -> str:
    parts = path.absolute().parts
    runs = [name for folder, name in pairwise(parts) if folder == "runs"]
    name = runs[-1] if runs else "default"
    return (
        "run 'make report' first" if name == "default" else f"run 'make report NAME={name}' first"
    )


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
