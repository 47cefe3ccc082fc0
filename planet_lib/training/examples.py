"""The examples that models learn from: a run's chips with their labels, splits and groups."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from planet_lib.data.labels import encode_known
from planet_lib.data.store import ChannelStack, load_catalogue, open_input


class Examples(NamedTuple):
    """All chips of a run; row i of every field is the same chip."""

    chips: np.ndarray | ChannelStack  # (N, H, W, C), uint8; C is 3, or 6 for both pictures
    encoded: np.ndarray  # (N, 17): 1, 0, or -1 where unknown; all 0 for an unlabelled chip
    splits: np.ndarray  # (N,), str: train, validation, test or unlabelled
    groups: np.ndarray  # (N,), int: the same for chips that adjoin


def load_examples(run_dir: Path, input_mode: str) -> Examples:
    """Load the examples of a run; the chips stay on disk until they are read.

    Parameters
    ----------
    run_dir : Path
        Holds the stores of `planet_lib.data.store`.
    input_mode : str
        A key of `planet_lib.config.INPUTS`.

    Raises
    ------
    StageError
        A store or the catalogue is missing or damaged.
    """
    chips = open_input(run_dir, input_mode)
    catalogue = load_catalogue(run_dir)
    return Examples(
        chips=chips,
        encoded=encode_known(catalogue["tags"], catalogue["known"]),
        splits=catalogue["split"].to_numpy(),
        groups=catalogue["group"].to_numpy(),
    )
