"""What happens at the end of each epoch: checkpoints, early stopping, history, progress."""

import math
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from planet_lib.errors import StageError
from planet_lib.files import read_json, write_json
from planet_lib.training.checkpoints import load_state, save_state

HISTORY = "history.json"


class EpochKeeper(keras.callbacks.Callback):
    """Keep the best and the last two epochs on disk, stop when validation no longer improves.

    The history file says which epochs are done: it is replaced as a whole after the state it
    speaks of is written, so that a training killed at any moment goes on from its last whole
    epoch. Where that one's file is damaged, it goes on from an earlier one.

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
        """Load the last whole epoch's weights and optimizer; return how many epochs are done.

        Raises
        ------
        StageError
            The files of all epochs are damaged.
        """
        recorded, self.history = self.history, []
        damage = ""
        for done in range(len(recorded), 0, -1):
            if not self._state_file(done).exists():
                continue
            self.history = recorded[:done]
            try:
                self.load_best(network)
                load_state(network, self._state_file(done))
            except StageError as error:
                damage = damage or str(error)
                self.history = []
            else:
                break
        if recorded and not self.history:
            raise StageError(
                f"{damage or 'no epoch is left'}; nothing to go on from: delete {self.folder} "
                "and run again"
            )
        if damage:
            print(f"{damage}; going on after epoch {len(self.history)}", flush=True)
        return len(self.history)

    def load_best(self, network: keras.Model) -> None:
        """Load the weights of the best epoch so far."""
        network.optimizer.build(network.trainable_variables)
        load_state(network, self._state_file(self.best_epoch + 1))

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
        save_state(self.model, self._state_file(epoch + 1))
        write_json(self.folder / HISTORY, {"epochs": self.history})
        kept = {self._state_file(done) for done in (self.best_epoch + 1, epoch, epoch + 1)}
        for path in set(self.folder.glob("epoch-*")) - kept:
            path.unlink()
        if self.on_epoch:
            self.on_epoch(row)
        self.model.stop_training = self.exhausted()

    def _state_file(self, epochs_done: int) -> Path:
        return self.folder / f"epoch-{epochs_done:03d}.npz"


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
