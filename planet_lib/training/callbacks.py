"""Work at the end of each epoch: checkpoint, history, early stopping."""

import math
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from planet_lib.errors import StageError
from planet_lib.files import read_json, write_json
from planet_lib.training.checkpoints import load_state, save_state

HISTORY = "history.json"


class EpochKeeper(keras.callbacks.Callback):
    """Keep the best and the last two epochs on disk; stop when validation no longer improves.

    The history file lists the finished epochs. It is replaced after the state of an epoch is
    written, so a training that is killed at any moment resumes after its last finished epoch. If
    the file of that epoch is damaged, it resumes from an earlier one.

    Parameters
    ----------
    folder : Path
        Folder of the checkpoints.
    patience : int
        Epochs without a lower validation loss before training stops.
    seed : int
        Seed of dropout; its draws depend only on the seed and the epoch.
    on_epoch : callable, optional
        Called with each row of the history.
    watch : callable, optional
        Called with the network after each epoch; what it returns goes into the history as
        ``watched``.
    """

    def __init__(
        self,
        folder: Path,
        *,
        patience: int,
        seed: int,
        on_epoch: Callable[[dict], None] | None = None,
        watch: Callable[[keras.Model], list] | None = None,
    ) -> None:
        super().__init__()
        self.folder = folder
        self.patience = patience
        self.seed = seed
        self.on_epoch = on_epoch
        self.watch = watch
        path = folder / HISTORY
        self.history: list[dict] = read_json(path)["epochs"] if path.exists() else []

    @property
    def best_epoch(self) -> int:
        """Number of the epoch with the lowest validation loss, from 1."""
        return find_best_epoch(self.history)

    def exhausted(self) -> bool:
        """Tell whether `patience` epochs have passed since the best one."""
        return len(self.history) > 0 and len(self.history) - self.best_epoch >= self.patience

    def resume(self, network: keras.Model) -> int:
        """Load the weights and the optimizer of the last finished epoch.

        Returns
        -------
        int
            Number of finished epochs.

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
                f"{damage or 'no epoch is left'}; cannot resume: delete {self.folder} and run again"
            )
        if damage:
            print(f"{damage}; resuming after epoch {len(self.history)}", flush=True)
        return len(self.history)

    def load_best(self, network: keras.Model) -> None:
        """Load the weights of the best epoch so far."""
        network.optimizer.build(network.trainable_variables)
        load_state(network, self._state_file(self.best_epoch))

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        seed_dropout(self.model, self.seed, epoch)
        self._started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        row = {"epoch": epoch + 1, **{key: float(value) for key, value in logs.items()}}
        if not all(map(math.isfinite, row.values())):
            raise StageError(
                f"{self.folder.parent}: the loss is no longer finite in epoch {epoch + 1}; "
                "lower learning_rate and run again; earlier epochs are kept"
            )
        row["seconds"] = time.perf_counter() - self._started
        if self.watch:
            row["watched"] = self.watch(self.model)
        self.history.append(row)
        save_state(self.model, self._state_file(epoch + 1))
        write_json(self.folder / HISTORY, {"epochs": self.history})
        kept = {self._state_file(done) for done in (self.best_epoch, epoch, epoch + 1)}
        for path in set(self.folder.glob("epoch-*")) - kept:
            path.unlink()
        if self.on_epoch:
            self.on_epoch(row)
        self.model.stop_training = self.exhausted()

    def _state_file(self, epochs_done: int) -> Path:
        return self.folder / f"epoch-{epochs_done:03d}.npz"


def find_best_epoch(history: list[dict]) -> int:
    """Find the epoch with the lowest validation loss, counted from 1."""
    return 1 + int(np.argmin([row["val_loss"] for row in history]))


def seed_dropout(network: keras.Model, seed: int, epoch: int) -> None:
    """Make the draws of a network's dropout depend only on the seed and the epoch."""
    states = [v for v in network.variables if "seed_generator_state" in v.path]
    for layer, state in enumerate(states):
        draws = np.random.SeedSequence([seed, epoch, layer]).generate_state(2)
        state.assign(draws.astype(state.dtype))
