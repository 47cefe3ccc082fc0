"""Train one network on one kind of input, resumably, and predict every stored chip."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from planet_lib.config import INPUTS
from planet_lib.data.labels import encode_tags
from planet_lib.data.store import load_catalogue, open_input
from planet_lib.files import read_json, write_json
from planet_lib.networks.architectures import build_model
from planet_lib.networks.batches import repeat_batches, stream_batches
from planet_lib.networks.card import write_card
from planet_lib.networks.files import save_model
from planet_lib.networks.predict import PREDICTION_BATCH, predict_chips
from planet_lib.provenance import identify_commit, list_versions
from planet_lib.training.callbacks import HISTORY, EpochKeeper
from planet_lib.training.devices import feed_batches, use_devices
from planet_lib.training.failures import explain_failures
from planet_lib.training.fingerprint import compute_fingerprint, prepare_folder
from planet_lib.training.loss import compute_label_weights, make_learner, remove_label_weights


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
    """Train a network and write all that later stages need to ``models/<model>-<input_mode>/``.

    ``model.keras`` and its copy under the origin's name, ``history.json`` (a row an epoch),
    ``probabilities.npy`` (float32 (N, 17), a row for each row of the catalogue),
    ``tensorboard/``, the manifest ``run.json`` and, from these, the card of
    `planet_lib.networks.card.write_card`. An interrupted training goes on after
    its last whole epoch; one that is finished, with the same settings, data and code, is not
    repeated.

    Parameters
    ----------
    run_dir : Path
        Holds the stores of `planet_lib.data.store`.
    model : str
        A key of `planet_lib.networks.architectures.MODELS`.
    input_mode : str
        What to train on: a key of `planet_lib.config.INPUTS`.
    image_px : int
        Side of the network's input, in pixels.
    epochs : int
        At most; the learning rate's cosine is laid out over them.
    batch_size : int
    learning_rate : float
        Adam's, at its peak.
    patience : int
        Epochs without a lower validation loss before training stops.
    max_label_weight : float
        Bound on the loss weight of a rare label; 1 weighs all alike.
    seed : int
    colour_jitter : float
        As of `planet_lib.networks.batches.shift_colours`.
    options : dict, optional
        Of the network's builder.
    devices : int
        How many share each batch, see `planet_lib.training.devices`.
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
        A store is missing, the loss is no longer finite, memory or disk do not suffice, or no
        checkpoint can be read; all whole epochs stay.
    """
    settings = {
        "model": model,
        "input": input_mode,
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
    store = open_input(run_dir, input_mode)
    catalogue = load_catalogue(run_dir)
    folder = run_dir / "models" / f"{model}-{input_mode}"
    fingerprint = compute_fingerprint(settings, run_dir, input_mode, train_run)
    manifest = folder / "run.json"
    if manifest.exists() and read_json(manifest)["fingerprint"] == fingerprint:
        write_card(run_dir, folder)
        return read_json(manifest)
    checkpoints = prepare_folder(folder, "checkpoints", fingerprint)

    use_devices(devices)
    keras.utils.set_random_seed(seed)
    network = build_model(model, image_px, channels=store.shape[-1], **settings["options"])
    encoded = encode_tags(catalogue["tags"])
    rows = {name: np.flatnonzero(catalogue["split"] == name) for name in ("train", "validation")}
    batch_size = min(batch_size, len(rows["train"]))
    steps = len(rows["train"]) // batch_size
    weights = compute_label_weights(encoded[rows["train"]], limit=max_label_weight)
    learner = make_learner(
        network, weights, learning_rate=learning_rate, steps=epochs * steps, devices=devices
    )
    keeper = EpochKeeper(checkpoints, patience=patience, seed=seed, on_epoch=on_epoch)
    first_epoch = keeper.resume(learner)
    if first_epoch < epochs and not keeper.exhausted():
        learner.fit(
            feed_batches(
                stream_batches,
                store,
                rows["train"],
                encoded[rows["train"]],
                image_px=image_px,
                batch_size=batch_size,
                seed=seed,
                first_epoch=first_epoch,
                colour_jitter=colour_jitter,
            ),
            steps_per_epoch=steps,
            initial_epoch=first_epoch,
            epochs=epochs,
            validation_data=feed_batches(
                repeat_batches,
                store,
                rows["validation"],
                encoded[rows["validation"]],
                image_px=image_px,
                batch_size=PREDICTION_BATCH,
            ),
            validation_steps=-(-len(rows["validation"]) // PREDICTION_BATCH),
            callbacks=[
                keeper,
                keras.callbacks.TensorBoard(folder / "tensorboard", write_graph=False),
            ],
            shuffle=False,  # the stream is shuffled already
            verbose=0,
        )
    keeper.load_best(learner)
    network.set_weights(learner.get_weights())
    remove_label_weights(network, weights)

    files = save_model(network, folder)
    started = time.perf_counter()
    np.save(folder / "probabilities.npy", predict_chips(network, store, image_px=image_px))
    prediction_seconds = time.perf_counter() - started
    write_json(folder / HISTORY, {"epochs": keeper.history})
    write_json(
        manifest,
        settings
        | {
            "fingerprint": fingerprint,
            "parameters": network.count_params(),
            "best_epoch": keeper.best_epoch + 1,
            "trained_epochs": len(keeper.history),
            "seconds": sum(row["seconds"] for row in keeper.history),
            "prediction_seconds": prediction_seconds,
            "model_files": [file.name for file in files],
            "data": {
                name: read_json(run_dir / "data" / f"{name}.json") for name in INPUTS[input_mode]
            },
            "commit": identify_commit(),
            "versions": list_versions() | {"backend": keras.backend.backend()},
        },
    )
    write_card(run_dir, folder)
    shutil.rmtree(checkpoints)
    return read_json(manifest)
