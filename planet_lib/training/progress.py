"""Progress of a training while it runs, and its learning curves afterwards."""

from pathlib import Path

import pandas as pd
from tqdm.auto import tqdm

from planet_lib.files import read_json
from planet_lib.training.callbacks import HISTORY


class EpochProgress:
    """Show a progress bar in the notebook and print one line for each epoch.

    Parameters
    ----------
    epochs : int
        Largest number of epochs.
    """

    def __init__(self, epochs: int) -> None:
        self.bar = tqdm(total=epochs, unit="epoch")

    def __call__(self, row: dict) -> None:
        self.bar.update(row["epoch"] - self.bar.n)
        print(
            f"epoch {row['epoch']}/{self.bar.total}: loss {row['loss']:.3f}, "
            f"validation {row['val_loss']:.3f}, {row['seconds']:.1f} s",
            flush=True,
        )


def load_history(folder: Path) -> pd.DataFrame:
    """Load the learning curves of a finished run, one row for each epoch."""
    return pd.DataFrame(read_json(folder / HISTORY)["epochs"])
