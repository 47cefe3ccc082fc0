"""Train the ensemble for few labelled chips, resumably, and publish its predictions and scores."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from planet_lib.evaluation.ladder import score_ladder
from planet_lib.files import read_json, write_json
from planet_lib.training.examples import load_examples
from planet_lib.training.fingerprint import compute_fingerprint, prepare_folder
from planet_lib.training.out_of_fold import LADDER, predict_out_of_fold

FOLDER = "models/ensemble-both"


def train_ensemble(
    run_dir: Path,
    *,
    epochs: int,
    seeds: int,
    seed: int,
    on_fit: Callable[[str], None] | None = None,
) -> dict:
    """Train the ensemble and write ``models/ensemble-both/``, which later stages read.

    The folder holds ``probabilities.npy`` (float32 (N, 17), one row for each row of the
    catalogue), ``out_of_fold.npz`` (by step of `planet_lib.training.out_of_fold.LADDER` and by
    member of the last one, (seeds, labelled chips, 17)), ``features.npz`` (one row for each row of
    the catalogue) and the manifest ``run.json``. An interrupted call resumes after
    its last finished fold. A finished ensemble is only scored again while its settings, data and
    code stay the same.

    Parameters
    ----------
    run_dir : Path
        Holds the stores of `planet_lib.data.store`.
    epochs, seeds, seed, on_fit
        As for `planet_lib.training.out_of_fold.predict_out_of_fold`.

    Returns
    -------
    dict
        The manifest; its ``ladder`` has the rows of `planet_lib.evaluation.ladder.score_ladder`.

    Raises
    ------
    StageError
        A store is missing.
    """
    settings = {"epochs": epochs, "seeds": seeds, "seed": seed}
    examples = load_examples(run_dir, "both")
    fingerprint = compute_fingerprint(settings, run_dir, "both", predict_out_of_fold)
    folder = run_dir / FOLDER
    path = folder / "run.json"
    manifest = read_json(path) if path.exists() else {}
    if manifest.get("fingerprint") != fingerprint:
        started = time.perf_counter()
        cache = prepare_folder(folder, "cache", fingerprint)
        probabilities, out_of_fold = predict_out_of_fold(
            run_dir, examples, cache, on_fit=on_fit, **settings
        )
        path.unlink(missing_ok=True)
        np.save(folder / "probabilities.npy", probabilities)
        np.savez_compressed(folder / "out_of_fold.npz", **out_of_fold)
        os.replace(cache / "features.npz", folder / "features.npz")
        manifest = settings | {
            "model": "ensemble",
            "input": "both",
            "fingerprint": fingerprint,
            "seconds": time.perf_counter() - started,
        }
    with np.load(folder / "out_of_fold.npz") as archive:
        steps = {step: archive[step] for step in LADDER}
    known = examples.splits != "unlabelled"
    ladder = score_ladder(examples.encoded[known], steps, examples.groups[known], seed=seed)
    rows = ladder.astype(object).where(ladder.notna(), None).reset_index().to_dict("records")
    write_json(path, manifest | {"ladder": rows})
    for cache in folder.glob("cache-*"):
        shutil.rmtree(cache)
    return read_json(path)
