"""The best answer to few chips: learners of three kinds, each out of fold, and what each adds."""

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from planet_lib.data.labels import encode_tags
from planet_lib.data.splits import FOLDS, assign_folds
from planet_lib.data.store import load_catalogue
from planet_lib.evaluation.metrics import F2_THRESHOLD, bootstrap_mean, score_chips
from planet_lib.files import read_json, write_json
from planet_lib.training.base_learners import Members
from planet_lib.training.fingerprint import compute_fingerprint, prepare_folder

FOLDER = "models/ensemble-both"
LADDER = {
    "extra trees on simple statistics": ("statistics",),
    "haze-free chips beside": ("statistics of both",),
    "descriptors of colour and texture": ("descriptors",),
    "features of a network pretrained on synthetic chips": ("trees",),
    "kernel ridge regression beside the trees": ("trees", "ridge"),
    "the pretrained network, fine-tuned twice, beside both": ("trees", "ridge", "network"),
}
"""Each step's answer is the mean of its members'; the last is the ensemble's."""


def train_ensemble(
    run_dir: Path,
    *,
    epochs: int,
    seeds: int,
    seed: int,
    on_fit: Callable[[str], None] | None = None,
) -> dict:
    """Fit the ensemble on a run's training chips, and on folds of all its labelled chips.

    The validation and test chips are answered by what saw the training chips alone, so that the
    ensemble compares with the networks. The folds give an answer for every labelled chip by what
    did not see it, from which the ladder is scored; their mean answers the unlabelled chips.

    ``models/ensemble-both/`` then holds ``probabilities.npy`` (float32 (N, 17), a row for each row
    of the catalogue), ``out_of_fold.npz`` (by step of `LADDER`, (seeds, labelled chips, 17)) and
    the manifest ``run.json``. What an interrupted call has fitted is not fitted again.

    Parameters
    ----------
    run_dir : Path
        Holds the stores of `planet_lib.data.store`.
    epochs : int
        Of fine-tuning.
    seeds : int
        Divisions into folds.
    seed : int
        Of the first division; the others follow it.
    on_fit : callable, optional
        Called with a line for each finished fit.

    Returns
    -------
    dict
        The manifest.

    Raises
    ------
    StageError
        A store is missing.
    """
    catalogue = load_catalogue(run_dir)
    settings = {"epochs": epochs, "seeds": seeds, "seed": seed}
    fingerprint = compute_fingerprint(settings, run_dir, "both", train_ensemble)
    folder = run_dir / FOLDER
    if (folder / "run.json").exists():
        manifest = read_json(folder / "run.json")
        if manifest["fingerprint"] == fingerprint:
            return manifest
    started = time.perf_counter()
    parts = prepare_folder(folder, "parts", fingerprint)
    learners = Members(run_dir, parts, epochs=epochs)

    labelled = np.flatnonzero(catalogue["labelled"])
    encoded = encode_tags(catalogue["tags"])
    splits = catalogue["split"].to_numpy()
    answers = {step: np.zeros((seeds, *encoded.shape), np.float32) for step in LADDER}
    unlabelled = splits == "unlabelled"
    for draw in range(seeds):
        folds = np.full(len(catalogue), -1)
        folds[labelled] = assign_folds(
            encoded[labelled], seed=seed + draw, groups=catalogue["group"].to_numpy()[labelled]
        )
        for fold in range(FOLDS):
            answer = learners.answer(f"{draw}-{fold}", (folds >= 0) & (folds != fold), seed + draw)
            for step, names in LADDER.items():
                mean = np.mean([answer[name] for name in names], axis=0)
                answers[step][draw, folds == fold] = mean[folds == fold]
                answers[step][draw, unlabelled] += mean[unlabelled] / FOLDS
            if on_fit:
                on_fit(f"division {draw + 1} of {seeds}, fold {fold + 1} of {FOLDS}")
    *_, best = LADDER
    answer = learners.answer("split", splits == "train", seed)
    probabilities = np.mean([answer[name] for name in LADDER[best]], axis=0)
    probabilities[unlabelled] = answers[best][:, unlabelled].mean(axis=0)
    np.save(folder / "probabilities.npy", probabilities)
    out_of_fold = {step: answer[:, labelled] for step, answer in answers.items()}
    np.savez_compressed(folder / "out_of_fold.npz", **out_of_fold)
    ladder = score_ladder(encoded[labelled], out_of_fold, seed=seed)
    write_json(
        folder / "run.json",
        settings
        | {
            "model": "ensemble",
            "input": "both",
            "fingerprint": fingerprint,
            "seconds": time.perf_counter() - started,
            "ladder": ladder.astype(object)
            .where(ladder.notna(), None)
            .reset_index()
            .to_dict("records"),
        },
    )
    shutil.rmtree(parts)
    return read_json(folder / "run.json")


def score_ladder(truth: np.ndarray, answers: dict[str, np.ndarray], *, seed: int) -> pd.DataFrame:
    """Score each step of a ladder, and what it gains over the one before, chip by chip.

    Parameters
    ----------
    truth : ndarray of shape (N, 17), 0 or 1
    answers : dict of ndarray of shape (seeds, N, 17)
        Probabilities out of fold, by step.
    seed : int
        Of the bootstrap.

    Returns
    -------
    DataFrame
        A row a step: ``f2``, mean per chip at threshold 0.2 over the seeds, with its 95 % interval
        ``low`` to ``high``; ``spread``, standard deviation over the seeds; ``gain``,
        ``gain_low`` and ``gain_high`` (NaN in the first row).
    """
    rows, before = [], None
    for step, runs in answers.items():
        each = np.array([score_chips(truth, run >= F2_THRESHOLD) for run in runs])
        chips = each.mean(axis=0)
        low, high = bootstrap_mean(chips, seed=seed)
        row = {"step": step, "f2": float(chips.mean()), "low": low, "high": high}
        row["spread"] = float(each.mean(axis=1).std())
        if before is not None:
            gain_low, gain_high = bootstrap_mean(chips - before, seed=seed)
            row |= {
                "gain": float((chips - before).mean()),
                "gain_low": gain_low,
                "gain_high": gain_high,
            }
        rows.append(row)
        before = chips
    return pd.DataFrame(rows).set_index("step")
