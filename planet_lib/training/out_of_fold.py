"""Predictions of the ensemble, each by base learners that were not fitted to the chip."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from planet_lib.data.splits import FOLDS, assign_folds
from planet_lib.training.base_learners import BaseLearners
from planet_lib.training.examples import Examples

LADDER = {
    "extra trees on simple statistics": ("trees on raw statistics",),
    "haze-free chips beside": ("trees on statistics",),
    "descriptors of colour and texture": ("trees on descriptors",),
    "features of a network pretrained on synthetic chips": ("trees",),
    "kernel ridge regression beside the trees": ("trees", "ridge"),
    "the pretrained network, fine-tuned twice, beside both": ("trees", "ridge", "networks"),
}
"""Base learners whose mean is a step's prediction; the last step is the ensemble."""
*_, ENSEMBLE = LADDER
MEMBERS = LADDER[ENSEMBLE]


def predict_out_of_fold(
    run_dir: Path,
    examples: Examples,
    cache: Path,
    *,
    epochs: int,
    seeds: int,
    seed: int,
    on_fit: Callable[[str], None] | None = None,
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Predict every chip of a run by an ensemble that was not fitted to it.

    Validation and test chips are predicted from the training chips alone, so that the ensemble
    compares with the networks. For the ladder, all labelled chips are split into folds, and each
    fold is predicted from the other four. Unlabelled chips get the mean over all folds.

    Parameters
    ----------
    run_dir : Path
        Holds the stores of `planet_lib.data.store`.
    examples : Examples
        Those of the run, with input mode ``both``.
    cache : Path
        Folder from which an interrupted call resumes.
    epochs : int
        Epochs of fine-tuning.
    seeds : int
        Number of repeats, each with its own split into folds.
    seed : int
        Seed of the first repeat; the others count on from it.
    on_fit : callable, optional
        Called with one line for each finished fit.

    Returns
    -------
    probabilities : ndarray of shape (N, 17), float32
        Training chips have been seen in fitting; their rows are not to be scored.
    out_of_fold : dict of ndarray of shape (seeds, labelled chips, 17), float32
        By step of `LADDER`, and by base learner of `MEMBERS`.
    """
    learners = BaseLearners(run_dir, examples, cache, epochs=epochs)
    unlabelled = examples.splits == "unlabelled"
    labelled = np.flatnonzero(~unlabelled)
    averaged = LADDER | {name: (name,) for name in MEMBERS}
    shape = (seeds, *examples.encoded.shape)
    predictions = {step: np.zeros(shape, np.float32) for step in averaged}
    learned = list(dict.fromkeys(name for names in averaged.values() for name in names))
    fits = seeds * FOLDS + 1
    for repeat in range(seeds):
        folds = np.full(len(unlabelled), -1)
        folds[labelled] = assign_folds(
            examples.encoded[labelled], seed=seed + repeat, groups=examples.groups[labelled]
        )
        for fold in range(FOLDS):
            train = (folds >= 0) & (folds != fold)
            by_learner = learners.predict(f"{repeat}-{fold}", train, seed + repeat, learned)
            for step, names in averaged.items():
                mean = np.mean([by_learner[name] for name in names], axis=0)
                predictions[step][repeat, folds == fold] = mean[folds == fold]
                predictions[step][repeat, unlabelled] += mean[unlabelled] / FOLDS
            if on_fit:
                on_fit(f"fit {repeat * FOLDS + fold + 1}/{fits}: fold {fold + 1} of {FOLDS}")
    by_learner = learners.predict("split", examples.splits == "train", seed, MEMBERS)
    probabilities = np.mean([by_learner[name] for name in MEMBERS], axis=0)
    if on_fit:
        on_fit(f"fit {fits}/{fits}: the training chips alone")
    probabilities[unlabelled] = predictions[ENSEMBLE][:, unlabelled].mean(axis=0)
    return probabilities, {step: rows[:, labelled] for step, rows in predictions.items()}
