"""Print the ladder of a report's ensemble, and try what could follow its last step.

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
from planet_lib.training.ensemble import FOLDER, LADDER, train_ensemble

EPOCHS = 8
SAMPLES = 300  # label sets drawn for each chip, to choose by expected F2
MOST_LABELS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "run", type=Path, nargs="?", help="of a finished report (default: one of synthetic chips)"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run_dir = options.run or make_run(Path(folder))
        manifest = read_json(run_dir / FOLDER / "run.json")
        catalogue = load_catalogue(run_dir).query("labelled")
        *_, last = LADDER
        answers = np.load(run_dir / FOLDER / "out_of_fold.npz")[last]
    truth = encode_tags(catalogue["tags"])
    groups = catalogue["group"].to_numpy()
    folds = [
        assign_folds(truth, seed=manifest["seed"] + draw, groups=groups)
        for draw in range(manifest["seeds"])
    ]
    print(f"{len(truth)} chips, {FOLDS} folds, {manifest['seeds']} divisions")
    print("mean F2 per chip and its deviation over divisions; gain over the step above")
    for row in manifest["ladder"]:
        low, high = row["gain_low"], row["gain_high"]
        gain = "" if low is None else f"{row['gain']:+.3f} ({low:+.3f} to {high:+.3f})"
        print(f"  {row['step']:52s} {row['f2']:.3f} ± {row['spread']:.3f}  {gain}")
    print("after the last step; change against it")
    plain = score_decision(apply_threshold, truth, answers, folds)
    for name, decide in DECISIONS.items():
        chips = score_decision(decide, truth, answers, folds)
        low, high = bootstrap_mean(chips - plain, seed=0)
        change = f"{(chips - plain).mean():+.3f} ({low:+.3f} to {high:+.3f})"
        print(f"  {name:52s} {chips.mean():.3f}          {change}")


def make_run(folder: Path) -> Path:
    """Make synthetic chips and train the ensemble on them."""
    write_dataset(folder / "chips", chips=200, unlabelled=0, seed=0, enrich=0.3)
    store_chips(folder / "chips", folder / "run", source="synthetic chips", seed=0)
    store_haze_free(folder / "run", method="boundary_constraint", clahe=False)
    train_ensemble(folder / "run", epochs=EPOCHS, seeds=1, seed=0, on_fit=print)
    return folder / "run"


def score_decision(
    decide: Callable, truth: np.ndarray, answers: np.ndarray, folds: list
) -> np.ndarray:
    """Score each chip by the labels that are decided on, mean over divisions."""
    return np.mean(
        [
            score_chips(truth, decide(truth, answer, fold))
            for answer, fold in zip(answers, folds, strict=True)
        ],
        axis=0,
    )


def apply_threshold(truth: np.ndarray, answer: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Predict what reaches 0.2, as the ladder does."""
    return answer >= F2_THRESHOLD


def apply_common(truth: np.ndarray, answer: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Predict by one threshold for all labels, fitted on the answers of the other folds."""
    labels = np.zeros(answer.shape, bool)
    for fold in range(FOLDS):
        others = folds != fold
        scores = [
            score_chips(truth[others], answer[others] >= threshold).mean()
            for threshold in THRESHOLD_GRID
        ]
        labels[~others] = answer[~others] >= THRESHOLD_GRID[np.argmax(scores)]
    return labels


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


def settle_clouds(truth: np.ndarray, answer: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Let cloudy and the labels of the ground exclude each other, as the submission does."""
    return resolve_cloudy(answer >= F2_THRESHOLD, answer)


DECISIONS: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]] = {
    "one threshold for all, fitted": apply_common,
    "a threshold for each label, fitted": apply_tuned,
    "ridge regression over all 17 answers": apply_ridge,
    "the labels of the highest expected F2": choose_expected,
    "cloudy excludes the ground": settle_clouds,
}


if __name__ == "__main__":
    main()
