"""What each step of the mine detector adds, on chips of places and times that it has not seen.

python benchmarks/detector.py path/to/mining_watch [--cache folder]

Each fold's predictions are kept in the cache, so that an interrupted call goes on. Five folds by
place take about an hour and a half on one core.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.metrics import average_precision_score
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from planet_lib.data.mining_watch import load_gallery
from planet_lib.networks.batches import VIEWS, view_chips
from planet_lib.training.detector import build_detector, embed_frozen, fine_tune, fit_head

FOLDS = 5
CLEAR = 0.6  # share of clear observations from which a composite counts as clear
TREES = 500
EARLY, LATE = "2021", "2023"
SPECIFICITIES = (0.95, 0.99, 0.994)


def describe_colours(chips: np.ndarray) -> np.ndarray:
    """Describe each chip by mean, deviation and five quantiles of its three bands."""
    pixels = chips.reshape(len(chips), -1, 3).astype(np.float32)
    quantiles = np.quantile(pixels, (0.05, 0.25, 0.5, 0.75, 0.95), axis=1)
    return np.hstack([pixels.mean(axis=1), pixels.std(axis=1), *quantiles])


def predict_views(network, chips: np.ndarray, views: int) -> np.ndarray:
    """Predict as the mean over the first views of a square."""
    return np.mean(
        [
            network.predict(view_chips(chips, view).copy(), batch_size=64, verbose=0)[
                "artisinal_mine"
            ][:, 0]
            for view in range(views)
        ],
        axis=0,
    )


def predict_steps(chips, mines, features, train, test, seed: int) -> dict[str, np.ndarray]:
    """Predict the test chips with every step of the ladder."""
    colours = describe_colours(chips)
    trees = ExtraTreesClassifier(TREES, min_samples_leaf=2, n_jobs=1, random_state=seed)
    trees.fit(colours[train], mines[train])
    predictions = {"extra trees on colours": trees.predict_proba(colours[test])[:, 1]}
    network = build_detector()
    guess = fit_head(network, features[:, train], mines[train])
    predictions["frozen, one view"] = predict_views(network, chips[test], 1)
    predictions["frozen, eight views"] = predict_views(network, chips[test], VIEWS)
    fine_tune(network, chips[train], mines[train], guess, seed=seed)
    predictions["fine-tuned, one view"] = predict_views(network, chips[test], 1)
    predictions["fine-tuned, eight views"] = predict_views(network, chips[test], VIEWS)
    predictions["mean of frozen and fine-tuned"] = (
        predictions["frozen, eight views"] + predictions["fine-tuned, eight views"]
    ) / 2
    return predictions


def measure(mines: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    """Measure average precision, and recall at each specificity."""
    row = {"AP": average_precision_score(mines, scores)}
    for specificity in SPECIFICITIES:
        threshold = np.quantile(scores[~mines], specificity, method="higher")
        row[f"recall at {specificity}"] = (scores[mines] > threshold).mean()
    return row


def split(catalogue: pd.DataFrame, mines: np.ndarray) -> dict[str, Callable]:
    """List the splits: pairs of train and test rows, by name."""
    place = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    random = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    early = np.flatnonzero(catalogue["end"] < EARLY)
    late = np.flatnonzero(catalogue["start"] >= LATE)
    return {
        "time": [(early, late)],
        "place": list(place.split(mines, mines, catalogue["place"])),
        "random": list(random.split(mines, mines))[:1],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("gallery", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("runs/detector"))
    parser.add_argument("--splits", nargs="+", default=["place", "time", "random"])
    options = parser.parse_args()
    catalogue, chips = load_gallery(options.gallery)
    mines = catalogue["tags"].ne("").to_numpy()
    options.cache.mkdir(parents=True, exist_ok=True)
    embedded = options.cache / "features.npy"
    if not embedded.exists():
        np.save(embedded, embed_frozen(build_detector(), chips))
    features = np.load(embedded)
    for name in options.splits:
        rows = []
        for fold, (train, test) in enumerate(split(catalogue, mines)[name]):
            test = test[catalogue["clear"].to_numpy()[test] >= CLEAR]
            file = options.cache / f"{name}-{fold}.npz"
            if not file.exists():
                steps = predict_steps(chips, mines, features, train, test, seed=fold)
                np.savez(file, **steps)
            with np.load(file) as steps:
                for step, scores in steps.items():
                    rows.append({"step": step, "fold": fold} | measure(mines[test], scores))
                    print(
                        name,
                        fold,
                        step,
                        {k: round(v, 3) for k, v in rows[-1].items() if k not in ("step", "fold")},
                        flush=True,
                    )
        table = pd.DataFrame(rows).drop(columns="fold").groupby("step", sort=False).mean()
        print(
            f"\n{name}, mean over {len(rows) // len(table)} folds\n{table.round(3).to_string()}\n"
        )


if __name__ == "__main__":
    main()
