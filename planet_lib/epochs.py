"""What happens at the end of each epoch: checkpoints, early stopping, history, progress."""

import math
import os
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from planet_lib.errors import StageError
from planet_lib.store import read_json, write_json

HISTORY = "history.json"


class EpochKeeper(keras.callbacks.Callback):
    """Keep the last and the best epoch on disk, stop when validation no longer improves.

    The history file is the only state: it is replaced as a whole after the weights it speaks of
    are written, so that a training killed at any moment goes on from its last whole epoch.

    Parameters
    ----------
    folder : Path
        Of the checkpoints.
    patience : int
        Epochs without a lower validation loss before training stops.
    seed : int
        Of dropout, whose draws depend on it and on the epoch alone.
    on_epoch : callable, optional
        Called with each row of the history.
    """

    def __init__(
        self,
        folder: Path,
        *,
        patience: int,
        seed: int,
        on_epoch: Callable[[dict], None] | None = None,
    ) -> None:
        super().__init__()
        self.folder = folder
        self.patience = patience
        self.seed = seed
        self.on_epoch = on_epoch
        path = folder / HISTORY
        self.history: list[dict] = read_json(path)["epochs"] if path.exists() else []

    @property
    def best_epoch(self) -> int:
        """Index of the epoch with the lowest validation loss."""
        return int(np.argmin([row["val_loss"] for row in self.history]))

    def exhausted(self) -> bool:
        """Say whether `patience` epochs have passed since the best one."""
        return len(self.history) > 0 and len(self.history) - 1 - self.best_epoch >= self.patience

    def resume(self, network: keras.Model) -> int:
        """Load the last whole epoch's weights and optimizer; return how many epochs are done."""
        if self.history:
            network.optimizer.build(network.trainable_variables)
            network.load_weights(self._weights_file(len(self.history)))
        return len(self.history)

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        states = [v for v in self.model.variables if "seed_generator_state" in v.path]
        for layer, state in enumerate(states):
            draws = np.random.SeedSequence([self.seed, epoch, layer]).generate_state(2)
            state.assign(draws.astype(state.dtype))
        self._started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        row = {"epoch": epoch + 1, **{key: float(value) for key, value in logs.items()}}
        if not all(map(math.isfinite, row.values())):
            raise StageError(
                f"{self.folder.parent}: the loss is no longer finite in epoch {epoch + 1}; "
                "lower learning_rate and run again, the epochs before are kept"
            )
        row["seconds"] = time.perf_counter() - self._started
        self.history.append(row)
        if self.best_epoch == epoch:
            self._save(self.folder / "best.weights.h5")
        self._save(self._weights_file(epoch + 1))
        write_json(self.folder / HISTORY, {"epochs": self.history})
        self._weights_file(epoch).unlink(missing_ok=True)
        if self.on_epoch:
            self.on_epoch(row)
        self.model.stop_training = self.exhausted()

    def _weights_file(self, epochs_done: int) -> Path:
        return self.folder / f"epoch-{epochs_done:03d}.weights.h5"

    def _save(self, path: Path) -> None:
        partial = path.with_name("partial.weights.h5")
        self.model.save_weights(partial)
        os.replace(partial, path)


class EpochProgress:
    """Show a training as a progress bar in the notebook and a printed line an epoch.

    Parameters
    ----------
    epochs : int
        At most.
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
    """Load the learning curves of a finished run, a row an epoch."""
    return pd.DataFrame(read_json(folder / HISTORY)["epochs"])
