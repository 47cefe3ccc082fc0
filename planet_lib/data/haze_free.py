"""Remove the haze of a run's stored chips."""

from pathlib import Path

import numpy as np

from planet_lib.data.arrays import fill_array
from planet_lib.data.store import open_store
from planet_lib.files import read_json, write_json
from planet_lib.haze import remove_haze


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

    digest = fill_array(dehazed, chips.shape, np.uint8, dehaze, "removing haze")
    source = read_json(run_dir / "data" / "raw.json")["sha256"]
    write_json(
        dehazed.with_suffix(".json"),
        {"source_sha256": source, "pixels_sha256": digest, "method": method, "clahe": clahe},
    )
