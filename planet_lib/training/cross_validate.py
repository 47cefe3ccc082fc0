"""Predict every labelled chip of a run by a network that saw no chip of its group."""

import shutil
from pathlib import Path

import keras
import numpy as np

from planet_lib.config import Network
from planet_lib.data.splits import FOLDS, assign_folds
from planet_lib.files import read_json, replace_file, write_json
from planet_lib.networks.predict import predict_chips
from planet_lib.training.examples import load_examples
from planet_lib.training.failures import explain_failures
from planet_lib.training.fingerprint import compute_fingerprint, prepare_folder
from planet_lib.training.fit import fit_network
from planet_lib.training.progress import EpochProgress

FOLDER = "cross_validation"


@explain_failures
def cross_validate(
    run_dir: Path,
    *,
    model: str,
    input_mode: str,
    seed: int,
    settings: dict,
) -> np.ndarray:
    """Train a network on each combination of four of five folds, and predict the fifth.

    One of the four folds is kept for choosing the epoch. A fold holds whole groups. What is
    finished is kept in ``cross_validation/<model>-<input_mode>/``: an interrupted call resumes
    after its last epoch, and a finished one is not repeated while its settings, data and code stay
    the same.

    Parameters
    ----------
    run_dir : Path
        Holds the stores of `planet_lib.data.store`.
    model, input_mode, seed
        As for `planet_lib.training.train.train_run`; the seed also decides the folds.
    settings : dict
        Those of a `planet_lib.config.Network`.

    Returns
    -------
    ndarray of shape (N, 17), float32
        A row for each row of the catalogue; NaN for unlabelled chips.
    """
    settings = {"model": model, "seed": seed} | Network.model_validate(settings).model_dump()
    examples = load_examples(run_dir, input_mode)
    folder = run_dir / FOLDER / f"{model}-{input_mode}"
    fingerprint = compute_fingerprint(settings, run_dir, input_mode, cross_validate)
    manifest, table = folder / "run.json", folder / "probabilities.npy"
    if manifest.exists() and read_json(manifest)["fingerprint"] == fingerprint:
        return np.load(table)
    work = prepare_folder(folder, "folds", fingerprint)
    labelled = np.flatnonzero(examples.splits != "unlabelled")
    folds = np.full(len(examples.encoded), -1)
    folds[labelled] = assign_folds(
        examples.encoded[labelled], seed=seed, groups=examples.groups[labelled]
    )
    probabilities = np.full(examples.encoded.shape, np.nan, np.float32)
    for fold in range(FOLDS):
        done = work / f"{fold}.npy"
        if not done.exists():
            splits = np.where(folds < 0, "unlabelled", "train").astype("<U10")
            splits[folds == fold] = "test"
            splits[folds == (fold + 1) % FOLDS] = "validation"
            print(f"fold {fold + 1} of {FOLDS}", flush=True)
            keras.utils.clear_session()
            network, _ = fit_network(
                examples._replace(splits=splits),
                work / f"fold-{fold}",
                devices=1,
                tensorboard=work / f"tensorboard-{fold}",
                on_epoch=EpochProgress(settings["epochs"]),
                **settings,
            )
            rows = np.flatnonzero(folds == fold)
            predicted = predict_chips(
                network, examples.chips, image_px=settings["image_px"], rows=rows
            )
            with replace_file(done) as partial:
                np.save(partial, predicted)
        probabilities[folds == fold] = np.load(done)
    np.save(table, probabilities)
    write_json(manifest, settings | {"input": input_mode, "fingerprint": fingerprint})
    shutil.rmtree(work)
    return probabilities
