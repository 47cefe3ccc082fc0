"""Print the steps of a report's ensemble, and try alternatives to its last step.

python benchmarks/ladder.py [runs/NAME]
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn.linear_model import Ridge

from planet_lib.data.haze_free import store_haze_free
from planet_lib.data.ingest import store_chips
from planet_lib.data.labels import WEATHER, encode_tags
from planet_lib.data.splits import FOLDS, assign_folds
from planet_lib.data.store import load_catalogue
from planet_lib.evaluation.metrics import (
    F2_THRESHOLD,
    THRESHOLD_GRID,
    bootstrap_mean,
    resolve_cloudy,
    score_chips,
    tune_thresholds,
)
from planet_lib.files import read_json
from planet_lib.synthetic import write_dataset
from planet_lib.training.ensemble import FOLDER, train_ensemble
from planet_lib.training.out_of_fold import LADDER

EPOCHS = 8
SAMPLES = 300  # label sets drawn per chip to estimate the expected F2
MOST_LABELS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "run",
        type=Path,
        nargs="?",
        help="run of a finished report (default: one on synthetic chips)",
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run_dir = options.run or make_run(Path(folder))
        manifest = read_json(run_dir / FOLDER / "run.json")
        catalogue = load_catalogue(run_dir).query("labelled")
        *_, last = LADDER
        predictions = np.load(run_dir / FOLDER / "out_of_fold.npz")[last]
    truth = encode_tags(catalogue["tags"])
    groups = catalogue["group"].to_numpy()
    folds = [
        assign_folds(truth, seed=manifest["seed"] + draw, groups=groups)
        for draw in range(manifest["seeds"])
    ]
    print(f"{len(truth)} chips, {FOLDS} folds, {manifest['seeds']} repeats")
    print("mean F2 per chip ± its standard deviation over repeats; gain over the step above")
    for row in manifest["ladder"]:
        low, high = row["gain_low"], row["gain_high"]
        gain = "" if low is None else f"{row['gain']:+.3f} ({low:+.3f} to {high:+.3f})"
        print(f"  {row['step']:52s} {row['f2']:.3f} ± {row['spread']:.3f}  {gain}")
    print("alternatives to the last step; paired change")
    plain = score_decision(apply_threshold, truth, predictions, folds)
    for name, decide in DECISIONS.items():
        chips = score_decision(decide, truth, predictions, folds)
        low, high = bootstrap_mean(chips - plain, groups, seed=0)
        change = f"{(chips - plain).mean():+.3f} ({low:+.3f} to {high:+.3f})"
        print(f"  {name:52s} {chips.mean():.3f}          {change}")


def make_run(folder: Path) -> Path:
    """Train the ensemble on synthetic chips."""
    write_dataset(folder / "chips", chips=200, unlabelled=0, seed=0, enrich=0.3)
    store_chips(folder / "chips", folder / "run", source="synthetic chips", seed=0)
    store_haze_free(folder / "run", method="boundary_constraint", clahe=False)
    train_ensemble(folder / "run", epochs=EPOCHS, seeds=1, seed=0, on_fit=print)
    return folder / "run"


def score_decision(
    decide: Callable, truth: np.ndarray, predictions: np.ndarray, folds: list
) -> np.ndarray:
    """Score each chip by the chosen labels, mean over repeats."""
    return np.mean(
        [
            score_chips(truth, decide(truth, predicted, fold))
            for predicted, fold in zip(predictions, folds, strict=True)
        ],
        axis=0,
    )


def apply_threshold(truth: np.ndarray, predicted: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Predict labels with a probability of at least 0.2, as the ensemble does."""
    return predicted >= F2_THRESHOLD


def apply_common(truth: np.ndarray, predicted: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Predict with one threshold for all labels, tuned on the other folds."""
    labels = np.zeros(predicted.shape, bool)
    for fold in range(FOLDS):
        others = folds != fold
        scores = [
            score_chips(truth[others], predicted[others] >= threshold).mean()
            for threshold in THRESHOLD_GRID
        ]
        labels[~others] = predicted[~others] >= THRESHOLD_GRID[np.argmax(scores)]
    return labels


def apply_tuned(truth: np.ndarray, predicted: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Predict with a threshold per label, tuned on the other folds."""
    labels = np.zeros(predicted.shape, bool)
    for fold in range(FOLDS):
        thresholds = tune_thresholds(truth[folds != fold], predicted[folds != fold])
        labels[folds == fold] = predicted[folds == fold] >= thresholds
    return labels


def apply_ridge(truth: np.ndarray, predicted: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Regress each label on the predictions of all labels, as the competition's winner did."""
    stacked = np.zeros(predicted.shape)
    for fold in range(FOLDS):
        ridge = Ridge(alpha=1.0).fit(predicted[folds != fold], truth[folds != fold])
        stacked[folds == fold] = ridge.predict(predicted[folds == fold])
    return stacked >= F2_THRESHOLD


def choose_expected(truth: np.ndarray, predicted: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Choose the labels with the highest expected F2 for each chip; land labels are independent.

    The best set of m labels has the largest means of y / (4 |y| + m).
    """
    rng = np.random.default_rng(0)
    labels = np.zeros(predicted.shape, bool)
    for row, chances in enumerate(predicted):
        drawn = rng.random((SAMPLES, predicted.shape[1])) < chances
        weather = chances[: len(WEATHER)].astype(float)
        weather /= weather.sum()
        drawn[:, : len(WEATHER)] = rng.multinomial(1, weather, size=SAMPLES)
        sizes = 4 * drawn.sum(axis=1, keepdims=True)
        best = 0.0
        for count in range(1, MOST_LABELS + 1):
            worth = (drawn / (sizes + count)).mean(axis=0)
            chosen = np.argsort(-worth)[:count]
            if worth[chosen].sum() > best:
                best = worth[chosen].sum()
                labels[row] = False
                labels[row, chosen] = True
    return labels


def settle_clouds(truth: np.ndarray, predicted: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Let cloudy and land labels exclude each other, as the submission does."""
    return resolve_cloudy(predicted >= F2_THRESHOLD, predicted)


DECISIONS: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]] = {
    "one threshold for all labels, tuned": apply_common,
    "a threshold per label, tuned": apply_tuned,
    "ridge regression on all 17 predictions": apply_ridge,
    "labels with the highest expected F2": choose_expected,
    "cloudy excludes land labels": settle_clouds,
}


if __name__ == "__main__":
    main()
