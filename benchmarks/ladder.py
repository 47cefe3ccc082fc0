"""Climb the ladder of the ensemble out of fold, and try what could follow its last step.

python benchmarks/ladder.py [--data FOLDER] [--seeds 3] [--work FOLDER]
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from sklearn.linear_model import Ridge

from planet_lib.ensemble import FOLDER, LADDER, train_ensemble
from planet_lib.labels import WEATHER, encode_tags
from planet_lib.scoring import (
    F2_THRESHOLD,
    bootstrap_mean,
    resolve_cloudy,
    score_chips,
    tune_thresholds,
)
from planet_lib.splits import FOLDS, assign_folds
from planet_lib.store import load_catalogue
from planet_lib.storing import store_chips, store_haze_free
from planet_lib.synthetic import write_dataset

EPOCHS = 8
SAMPLES = 300  # label sets drawn for each chip, to choose by expected F2
MOST_LABELS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="chips in Kaggle's layout (default: synthetic)")
    parser.add_argument("--chips", type=int, default=200, help="synthetic ones")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--work", type=Path, help="folder where an interrupted run goes on")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = options.work or Path(folder)
        data = options.data or work / "synthetic"
        if options.data is None:
            write_dataset(data, chips=options.chips, unlabelled=0, seed=0, enrich=0.3)
        run_dir = work / "run"
        if not (run_dir / "data" / "dehazed.json").exists():
            store_chips(data, run_dir, source=data.name, seed=0)
            store_haze_free(run_dir, method="boundary", clahe=False)
        manifest = train_ensemble(run_dir, epochs=EPOCHS, seeds=options.seeds, seed=0, on_fit=print)
        catalogue = load_catalogue(run_dir).query("labelled")
        truth = encode_tags(catalogue["tags"])
        *_, last = LADDER
        answers = np.load(run_dir / FOLDER / "out_of_fold.npz")[last]
        print(f"\n{len(truth)} chips of {data.name}, {FOLDS} folds, {options.seeds} seeds")
        print("mean F2 per chip at threshold 0.2; gain over the step above, 95 % interval")
        for row in manifest["ladder"]:
            gain = (
                f"{row['gain']:+.3f} ({row['gain_low']:+.3f} to {row['gain_high']:+.3f})"
                if row["gain"] is not None
                else ""
            )
            print(f"  {row['step']:52s} {row['f2']:.3f} ± {row['spread']:.3f}  {gain}")
        print("tried after the last step; change against it")
        folds = [
            assign_folds(truth, seed=seed, groups=catalogue["group"].to_numpy())
            for seed in range(options.seeds)
        ]
        for name, decide in DECISIONS.items():
            chips, plain = (
                np.mean(
                    [
                        score_chips(truth, choose(truth, answer, fold))
                        for answer, fold in zip(answers, folds, strict=True)
                    ],
                    axis=0,
                )
                for choose in (decide, apply_threshold)
            )
            low, high = bootstrap_mean(chips - plain, seed=0)
            change = f"{(chips - plain).mean():+.3f} ({low:+.3f} to {high:+.3f})"
            print(f"  {name:52s} {chips.mean():.3f}          {change}")


def apply_threshold(truth: np.ndarray, answer: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Predict what reaches 0.2, as the ladder does."""
    return answer >= F2_THRESHOLD


def apply_tuned(truth: np.ndarray, answer: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Predict by each label's threshold, tuned on the answers of the other folds."""
    labels = np.zeros(answer.shape, bool)
    for fold in range(FOLDS):
        thresholds = tune_thresholds(truth[folds != fold], answer[folds != fold])
        labels[folds == fold] = answer[folds == fold] >= thresholds
    return labels


def apply_ridge(truth: np.ndarray, answer: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Regress each label on the answers of all, as the competition's winner did."""
    stacked = np.zeros(answer.shape)
    for fold in range(FOLDS):
        ridge = Ridge(alpha=1.0).fit(answer[folds != fold], truth[folds != fold])
        stacked[folds == fold] = ridge.predict(answer[folds == fold])
    return stacked >= F2_THRESHOLD


def choose_expected(truth: np.ndarray, answer: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Choose for each chip the labels of the highest expected F2, all but the weather independent.

    For sets of m labels the best ones are those of the largest mean of y / (4 |y| + m).
    """
    rng = np.random.default_rng(0)
    labels = np.zeros(answer.shape, bool)
    for row, chances in enumerate(answer):
        drawn = rng.random((SAMPLES, answer.shape[1])) < chances
        weather = chances[: len(WEATHER)] / chances[: len(WEATHER)].sum()
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


def settle_clouds(truth: np.ndarray, answer: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Let cloudy and the labels of the ground exclude each other, as the submission does."""
    return resolve_cloudy(answer >= F2_THRESHOLD, answer)


DECISIONS: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]] = {
    "a threshold for each label": apply_tuned,
    "ridge regression over all 17 answers": apply_ridge,
    "the labels of the highest expected F2": choose_expected,
    "cloudy excludes the ground": settle_clouds,
}


if __name__ == "__main__":
    main()
