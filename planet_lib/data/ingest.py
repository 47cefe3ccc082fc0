"""Decode a data set into the chip store of a run, and split it."""

import hashlib
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from planet_lib.data.arrays import compact_array, fill_array
from planet_lib.data.duplicates import find_duplicates
from planet_lib.data.folders import is_tiff
from planet_lib.data.labels import MINE, WEATHER, decode_weather, encode_known, encode_tags
from planet_lib.data.neighbours import group_chips
from planet_lib.data.problems import MAX_LEFT_OUT, Problem, write_problems
from planet_lib.data.readers import ReadChip, find_reader
from planet_lib.data.splits import split_chips
from planet_lib.data.store import AGREEMENT, CATALOGUE, PROBLEMS
from planet_lib.data.tiff import Agreement, measure_agreement, read_tiff, stretch_to_visual
from planet_lib.errors import DataError
from planet_lib.files import map_over_cores, write_json

MIN_AGREEMENT = 0.5  # correlation of a TIFF with its JPEG


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

    Writes ``data/raw.npy`` (N, S, S, 3) uint8 RGB with its manifest ``data/raw.json``,
    ``data/chips.csv`` and ``data/problems.csv``. Where chips have a TIFF beside their JPEG, also
    ``data/agreement.csv``, which says how well the two match.

    Parameters
    ----------
    folder : Path
        A data set that `planet_lib.data.readers` has a reader for.
    run_dir : Path
    source : str
        Name of the data on the pages.
    seed : int
        Seed of the split.
    keep_neighbours : bool
        Whether chips that adjoin in their scene are kept in the same split. Chips that are there
        twice always are.
    allow_left_out : bool
        Whether to continue if more than 1 % of the chips cannot be read.

    Raises
    ------
    DataError
        The data set cannot be used, or more than 1 % of its chips cannot.
    """
    reader = find_reader(folder)
    catalogue, problems = reader.scan(folder)
    raw = run_dir / "data" / "raw.npy"
    read = reader.open_chips(folder, catalogue)
    digests, unreadable, pixels = decode_chips(read, len(catalogue), reader.chip_px, raw)
    problems += _list_unreadable(catalogue, unreadable, folder, allow_left_out)
    kept = np.array([digest is not None for digest in digests])
    if unreadable:
        pixels = compact_array(raw, kept)
    catalogue = catalogue[kept].reset_index(drop=True)
    labelled = catalogue["labelled"].to_numpy()
    catalogue["split"] = "unlabelled"
    encoded = encode_known(catalogue["tags"], catalogue["known"])[labelled]
    chips = np.load(raw, mmap_mode="r")
    duplicates = find_duplicates(chips)
    problems += _list_duplicates(catalogue, duplicates)
    once = np.setdiff1d(np.arange(len(chips)), duplicates["second"])
    together = pd.concat([reader.pair_chips(catalogue, chips, once), duplicates])
    catalogue["group"] = group_chips(together, len(catalogue))
    kept_together = catalogue["group"] if keep_neighbours else group_chips(duplicates, len(chips))
    groups = pd.Series(kept_together)[labelled]
    catalogue.loc[labelled, "split"] = split_chips(
        encoded,
        seed=seed,
        groups=groups.to_numpy() if groups.duplicated().any() else None,
        kinds=catalogue["kind"][labelled].to_numpy(),
    )
    if reader.labels == (MINE,):
        _check_classes(catalogue[labelled], folder)
    else:
        _check_weather(catalogue[labelled], folder)
    catalogue.to_csv(run_dir / CATALOGUE, index=False)
    (run_dir / AGREEMENT).unlink(missing_ok=True)
    if catalogue["tiff"].any():
        problems += _compare_tiffs(folder, run_dir, catalogue)
    write_problems(problems, run_dir / PROBLEMS)
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
            "credit": reader.credit,
            "labels": list(reader.labels),
            "sha256": hashlib.sha256(content.encode()).hexdigest(),
            "pixels_sha256": pixels,
            "chips": len(catalogue),
            "left_out": len(unreadable),
            "from_tiff": int(sum(is_tiff(Path(path)) for path in catalogue["path"])),
            "split_seed": seed,
            "keep_neighbours": keep_neighbours,
        },
    )


def _check_classes(catalogue: pd.DataFrame, folder: Path) -> None:
    """Refuse splits in which a detector cannot be trained, chosen or tested."""
    for split, chips in catalogue.groupby("split"):
        mines = chips["tags"].eq(MINE)
        if mines.all() or not mines.any():
            lacking = "without" if mines.all() else "with"
            raise DataError(
                f"{folder}: no chip {lacking} a mine is left for the split {split}, since a place "
                "is never divided; add sheets of other places"
            )


def _check_weather(catalogue: pd.DataFrame, folder: Path) -> None:
    """Refuse splits in which no weather can be learned or tested."""
    for split, chips in catalogue.groupby("split"):
        if (decode_weather(encode_tags(chips["tags"])) < 0).all():
            raise DataError(
                f"{folder}: no chip of the split {split} has a weather label; "
                f"give each chip one of {', '.join(WEATHER)}"
            )


def decode_chips(
    read: ReadChip, count: int, chip_px: int, store: Path
) -> tuple[list[str | None], dict[int, DataError], str]:
    """Decode chips into a memory-mapped array, on all cores.

    Parameters
    ----------
    read : ReadChip
        Reads one chip.
    count : int
        The number of chips, N.
    chip_px : int
        Side of a chip, S.
    store : Path
        The ``.npy`` file to write, (N, S, S, 3) uint8 RGB.

    Returns
    -------
    digests : list of str or None, length N
        Digest of each chip; None where it could not be read.
    unreadable : dict of DataError
        The reason for each unreadable row.
    pixels : str
        Digest of the array, as `planet_lib.data.arrays.fill_array` returns it.
    """
    digests: list[str | None] = [None] * count
    unreadable: dict[int, DataError] = {}

    def decode(row: int, out: np.ndarray) -> None:
        try:
            digests[row] = read(row, out)
        except DataError as error:
            unreadable[row] = error

    shape = (count, chip_px, chip_px, 3)
    pixels = fill_array(store, shape, np.uint8, decode, "reading chips")
    return digests, unreadable, pixels


def _compare_tiffs(folder: Path, run_dir: Path, catalogue: pd.DataFrame) -> list[Problem]:
    """Write how well TIFFs match the JPEGs beside them; return those that do not."""
    chips = np.load(run_dir / "data" / "raw.npy", mmap_mode="r")
    rows = np.flatnonzero((catalogue["tiff"] != "") & (catalogue["tiff"] != catalogue["path"]))

    def compare(row: int) -> dict | Problem:
        tiff = catalogue["tiff"][row]
        try:
            rgb = stretch_to_visual(read_tiff(folder / tiff))
        except DataError as error:
            reason = str(error).removeprefix(f"{folder / tiff}: ")
            return Problem(tiff, reason, "not compared with its JPEG")
        return {"chip": catalogue["chip"][row], **asdict(measure_agreement(rgb, chips[row]))}

    done = map_over_cores(compare, rows)
    compared = list(tqdm(done, "comparing TIFFs", len(rows), unit="chip", mininterval=2))
    agreements = [found for found in compared if isinstance(found, dict)]
    columns = ["chip", *Agreement.__annotations__]
    pd.DataFrame(agreements, columns=columns).to_csv(run_dir / AGREEMENT, index=False)
    return [found for found in compared if isinstance(found, Problem)] + [
        Problem(
            found["chip"],
            f"its TIFF and its JPEG correlate by less than {MIN_AGREEMENT}",
            "the JPEG is read",
        )
        for found in agreements
        if found["correlation"] < MIN_AGREEMENT
    ]


def _list_duplicates(catalogue: pd.DataFrame, duplicates: pd.DataFrame) -> list[Problem]:
    """Say which chips are there twice."""
    problems = []
    name = "path" if catalogue["path"].is_unique else "chip"
    for first, second in duplicates.itertuples(index=False):
        pair = catalogue.iloc[[first, second]]
        problem, action = "the same picture under two names", "both kept, in one split"
        if not pair["labelled"].any():
            action = "both kept, unlabelled"
        elif not pair["labelled"].all():
            problem += ", one of them without labels"
            action = "both kept; the prediction is of a picture that may have been trained on"
        elif set(pair["tags"].iloc[0].split()) != set(pair["tags"].iloc[1].split()):
            problem += ", with different labels"
        problems.append(Problem(" = ".join(pair[name]), problem, action))
    return problems


def _list_unreadable(
    catalogue: pd.DataFrame, unreadable: dict[int, DataError], folder: Path, allow_left_out: bool
) -> list[Problem]:
    share = len(unreadable) / len(catalogue)
    if share > MAX_LEFT_OUT and not allow_left_out:
        first = unreadable[min(unreadable)]
        raise DataError(
            f"{folder}: {len(unreadable)} of {len(catalogue)} chips cannot be used, more than "
            f"{MAX_LEFT_OUT:.0%}; the first: {first}; repair them, or set allow_left_out: true"
        )
    return [
        Problem(
            catalogue["path"][row],
            str(error).removeprefix(f"{folder / catalogue['path'][row]}: "),
            "left out",
        )
        for row, error in sorted(unreadable.items())
    ]
