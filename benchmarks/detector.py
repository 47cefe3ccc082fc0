"""What each step of the mine detector adds, on chips of places and times that it has not seen.

python benchmarks/detector.py [--data FOLDER] [--splits ...] [--folds ...] [--members ...]

Trained weights are kept in the work folder, so that an interrupted call goes on. A fold takes half
an hour to an hour of one core for each network.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.metrics import average_precision_score
from sklearn.model_selection import StratifiedKFold

from planet_lib.data.labels import MINE
from planet_lib.data.mining_watch import load_gallery
from planet_lib.networks.batches import VIEWS, view_chips
from planet_lib.networks.predict import predict_batches
from planet_lib.training.detector import build_detector, embed_frozen, fit_head
from planet_lib.training.ship_detector import CLEAR, FOLDS, MEMBERS, split_by_place, train_member

FROZEN = MEMBERS[0][0]
TREES = 500
EARLY, LATE = "2021", "2023"
NAMES = [f"{variant}-{seed}" for variant, seed in MEMBERS]
SPLITS = ("place", "time", "random")
SPECIFICITIES = (0.95, 0.99, 0.994)


def describe_colours(chips: np.ndarray) -> np.ndarray:
    """Describe each chip by mean, deviation and five quantiles of its three bands."""
    pixels = chips.reshape(len(chips), -1, 3).astype(np.float32)
    quantiles = np.quantile(pixels, (0.05, 0.25, 0.5, 0.75, 0.95), axis=1)
    return np.hstack([pixels.mean(axis=1), pixels.std(axis=1), *quantiles])


def predict_views(network, chips: np.ndarray, views: int) -> np.ndarray:
    """Predict as the mean over the first views of a square."""
    predicted = [
        predict_batches(network, view_chips(chips, view).copy())[MINE][:, 0]
        for view in range(views)
    ]
    return np.mean(predicted, axis=0)


def predict_steps(
    chips: np.ndarray,
    features: np.ndarray,
    mines: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
    work: Path,
    members: list[tuple[str, int]],
) -> dict[str, np.ndarray]:
    """Predict the test chips with every step of the ladder."""
    colours = describe_colours(chips)
    trees = ExtraTreesClassifier(TREES, min_samples_leaf=2, n_jobs=1, random_state=0)
    trees.fit(colours[train], mines[train])
    predictions = {"extra trees on colours": trees.predict_proba(colours[test])[:, 1]}
    network = build_detector(FROZEN)
    fit_head(network, features[:, train], mines[train])
    predictions["frozen, one view"] = predict_views(network, chips[test], 1)
    predictions["frozen"] = predict_views(network, chips[test], VIEWS)
    tuned = {}
    for variant, seed in members:
        network = train_member(chips[train], mines[train], variant, seed, work)
        tuned[f"{variant}, fine-tuned, seed {seed}"] = predict_views(network, chips[test], VIEWS)
    mean = {"mean of the fine-tuned": np.mean([*tuned.values()], axis=0)} if tuned else {}
    return predictions | tuned | mean


def measure(mines: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    """Measure average precision, and recall at each specificity."""
    row = {"AP": average_precision_score(mines, scores)}
    for specificity in SPECIFICITIES:
        threshold = np.quantile(scores[~mines], specificity, method="higher")
        row[f"recall at {specificity}"] = (scores[mines] > threshold).mean()
    return row


def list_splits(catalogue: pd.DataFrame, mines: np.ndarray) -> dict[str, Callable]:
    """List the splits: pairs of train and test rows, by name."""
    random = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    early = np.flatnonzero(catalogue["end"] < EARLY)
    late = np.flatnonzero(catalogue["start"] >= LATE)
    return {
        "time": [(early, late)],
        "place": split_by_place(catalogue),
        "random": list(random.split(mines, mines))[:1],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("downloads/mining-watch"))
    parser.add_argument("--work", type=Path, default=Path("runs/detector"))
    parser.add_argument("--splits", nargs="+", choices=SPLITS, default=SPLITS)
    parser.add_argument("--folds", nargs="+", type=int, default=range(FOLDS), help="by place")
    parser.add_argument(
        "--members", nargs="*", choices=NAMES, default=NAMES, help="none: no training"
    )
    options = parser.parse_args()
    if not options.data.exists():
        print(f"no chips in {options.data}; call: planet fetch mining-watch {options.data}")
        return
    catalogue, chips = load_gallery(options.data)
    mines = catalogue["tags"].eq(MINE).to_numpy()
    members = [MEMBERS[NAMES.index(name)] for name in options.members]
    features = embed_frozen(build_detector(FROZEN), chips)
    options.work.mkdir(parents=True, exist_ok=True)
    for split in options.splits:
        rows = []
        for fold, (train, test) in enumerate(list_splits(catalogue, mines)[split]):
            if split == "place" and fold not in options.folds:
                continue
            test = test[catalogue["clear"].to_numpy()[test] >= CLEAR]
            steps = predict_steps(chips, features, mines, train, test, options.work, members)
            for step, scores in steps.items():
                rows.append({"fold": fold, "step": step} | measure(mines[test], scores))
        table = pd.DataFrame(rows).round(3)
        print(f"\n{split}\n{table.to_markdown(index=False)}", flush=True)
        means = table.groupby("step", sort=False).mean().drop(columns="fold").round(3)
        print(
            f"\n{split}, mean over {table['fold'].nunique()} folds\n{means.to_markdown()}",
            flush=True,
        )


if __name__ == "__main__":
    main()
