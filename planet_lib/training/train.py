"""Train one network on one kind of input, resumably, and publish its files."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from planet_lib.config import INPUTS
from planet_lib.data.labels import LABELS, list_known
from planet_lib.files import read_json, write_json
from planet_lib.networks.files import save_model
from planet_lib.networks.predict import predict_chips
from planet_lib.provenance import identify_commit, list_versions
from planet_lib.training.callbacks import HISTORY, find_best_epoch
from planet_lib.training.card import write_card
from planet_lib.training.examples import Examples, load_examples
from planet_lib.training.failures import explain_failures
from planet_lib.training.fingerprint import compute_fingerprint, prepare_folder
from planet_lib.training.fit import fit_network

MANIFEST = "run.json"


@explain_failures
def train_run(
    run_dir: Path,
    *,
    model: str,
    input_mode: str,
    image_px: int,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    patience: int,
    max_label_weight: float,
    seed: int,
    colour_jitter: float = 0.0,
    options: dict | None = None,
    devices: int = 1,
    on_epoch: Callable[[dict], None] | None = None,
) -> dict:
    """Train a network and write ``models/<model>-<input_mode>/``, which later stages read.

    The folder holds ``model.keras`` and its copy under the file name of the 2018 post,
    ``history.json`` (one row for each epoch), ``probabilities.npy`` (float32 (N, 17), one row for
    each row of the catalogue; NaN of labels that are known of no training chip), ``tensorboard/``,
    the manifest ``run.json`` and the card of
    `planet_lib.training.card.write_card`. An interrupted training resumes after its last finished
    epoch. A finished one is not repeated while its settings, data and code stay the same.

    Parameters
    ----------
    run_dir : Path
        Holds the stores of `planet_lib.data.store`.
    model : str
        A key of `planet_lib.networks.architectures.MODELS`.
    input_mode : str
        A key of `planet_lib.config.INPUTS`.
    image_px : int
        Side of the network's input, in pixels.
    epochs : int
        Largest number of epochs; the learning rate's cosine spans them.
    batch_size : int
    learning_rate : float
        Adam's peak learning rate.
    patience : int
        Epochs without a lower validation loss before training stops.
    max_label_weight : float
        Upper bound of a rare label's weight in the loss; 1 weighs all alike.
    seed : int
    colour_jitter : float
        As for `planet_lib.networks.batches.shift_colours`.
    options : dict, optional
        Options of the network's builder.
    devices : int
        Number of devices that share each batch, see `planet_lib.training.devices`.
    on_epoch : callable, optional
        Called with each row of the history.

    Returns
    -------
    dict
        The manifest.

    Raises
    ------
    ConfigError
        There are not so many devices, or no such network.
    StageError
        A store is missing, the loss is no longer finite, memory or disk are full, or no
        checkpoint can be read. Finished epochs are kept.
    """
    settings = {
        "model": model,
        "image_px": image_px,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "patience": patience,
        "max_label_weight": max_label_weight,
        "seed": seed,
        "colour_jitter": colour_jitter,
        "options": options or {},
        "devices": devices,
    }
    described = {"input": input_mode} | settings
    examples = load_examples(run_dir, input_mode)
    folder = run_dir / "models" / f"{model}-{input_mode}"
    fingerprint = compute_fingerprint(described, run_dir, input_mode, fit_network)
    manifest = folder / MANIFEST
    if not manifest.exists() or read_json(manifest)["fingerprint"] != fingerprint:
        checkpoints = prepare_folder(folder, "checkpoints", fingerprint)
        network, history = fit_network(
            examples, checkpoints, tensorboard=folder / "tensorboard", on_epoch=on_epoch, **settings
        )
        described |= {
            "fingerprint": fingerprint,
            "data": {
                name: read_json(run_dir / "data" / f"{name}.json") for name in INPUTS[input_mode]
            },
        }
        manifest.unlink(missing_ok=True)
        _publish(folder, network, history, examples, described)
        shutil.rmtree(checkpoints)
    write_card(run_dir, folder)
    return read_json(manifest)


def _publish(
    folder: Path, network: keras.Model, history: list[dict], examples: Examples, described: dict
) -> None:
    """Write a trained network, its predictions and its history; last the manifest."""
    files = save_model(network, folder)
    started = time.perf_counter()
    probabilities = predict_chips(network, examples.chips, image_px=described["image_px"])
    prediction_seconds = time.perf_counter() - started
    learnt = list_known(examples.encoded[examples.splits == "train"])
    probabilities[:, [label not in learnt for label in LABELS]] = np.nan
    np.save(folder / "probabilities.npy", probabilities)
    write_json(folder / HISTORY, {"epochs": history})
    write_json(
        folder / MANIFEST,
        described
        | {
            "parameters": network.count_params(),
            "best_epoch": find_best_epoch(history),
            "trained_epochs": len(history),
            "seconds": sum(row["seconds"] for row in history),
            "prediction_seconds": prediction_seconds,
            "model_files": [file.name for file in files],
            "commit": identify_commit(),
            "versions": list_versions() | {"backend": keras.backend.backend()},
        },
    )
