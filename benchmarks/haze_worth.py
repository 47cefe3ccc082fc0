"""Measure the effect of haze removal on classification: same model, folds and seeds, each input.

python benchmarks/haze_worth.py [--data FOLDER] [--model trees|densenet] [--work FOLDER]
"""

import argparse
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score

from planet_lib.data.haze_free import store_haze_free
from planet_lib.data.ingest import store_chips
from planet_lib.data.labels import LABELS, WEATHER, decode_weather, encode_tags
from planet_lib.data.splits import FOLDS, assign_folds
from planet_lib.data.store import CATALOGUE, load_catalogue, open_store
from planet_lib.evaluation.metrics import F2_THRESHOLD, bootstrap_mean, score_chips
from planet_lib.features.statistics import describe_chip
from planet_lib.features.trees import predict_with_trees
from planet_lib.files import map_over_cores
from planet_lib.synthetic import write_dataset

INPUTS = {  # method, CLAHE, and the input of the model
    "raw": ("boundary_constraint", False, "raw"),
    "pixelwise_dark_channel": ("pixelwise_dark_channel", False, "dehazed"),
    "pixelwise_dark_channel + CLAHE": ("pixelwise_dark_channel", True, "dehazed"),
    "dark_channel": ("dark_channel", False, "dehazed"),
    "boundary_constraint": ("boundary_constraint", False, "dehazed"),
    "boundary_constraint + CLAHE": ("boundary_constraint", True, "dehazed"),
    "raw and boundary_constraint": ("boundary_constraint", False, "both"),
}
NETWORK_INPUTS = (
    "raw",
    "dark_channel",
    "boundary_constraint",
    "raw and boundary_constraint",
)  # fewer, to save time
FEWEST_CHIPS = 5  # with a label, for its score to be printed
RESAMPLES = 500
NETWORK = {
    "model": "densenet",
    "image_px": 64,
    "epochs": 15,
    "batch_size": 16,
    "learning_rate": 0.004,
    "patience": 15,
    "max_label_weight": 3.0,
    "options": {"blocks": [4, 4, 4], "growth": 16, "filters": 32},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="chips in Kaggle's layout (default: synthetic)")
    parser.add_argument("--chips", type=int, default=700, help="number of synthetic chips")
    parser.add_argument("--model", choices=("trees", "densenet"), default="trees")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--work", type=Path, help="folder to keep results in, to continue after an interruption"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = options.work or Path(folder)
        data = options.data or work / "synthetic"
        if options.data is None:
            write_dataset(data, chips=options.chips, unlabelled=0, seed=0, enrich=0.3)
        stores = prepare_stores(work, data)
        catalogue = load_catalogue(stores["raw"])
        truth = encode_tags(catalogue["tags"])
        chosen = catalogue["labelled"].to_numpy()
        with_trees = options.model == "trees"
        inputs = INPUTS if with_trees else NETWORK_INPUTS
        predictions = {name: [] for name in inputs}
        for seed in range(options.seeds):
            folds = np.full(len(catalogue), -1)
            groups = catalogue["group"][chosen].to_numpy()
            folds[chosen] = assign_folds(truth[chosen], seed=seed, groups=groups)
            for name in inputs:
                predict = predict_by_trees if with_trees else predict_by_network
                predicted = predict(stores[name], INPUTS[name][2], folds, seed)
                predictions[name].append(predicted[chosen])
        model = "500 extra trees" if with_trees else describe_network()
        print(f"{chosen.sum()} chips of {data.name}, {model}, {FOLDS} folds, {options.seeds} seeds")
        print_worth(truth[chosen], {name: np.stack(runs) for name, runs in predictions.items()})


def prepare_stores(work: Path, data: Path) -> dict[str, Path]:
    """Store raw and haze-free chips, one run per haze removal."""
    raw = work / "raw"
    if not (raw / "data" / "raw.json").exists():
        store_chips(data, raw, source=data.name, seed=0)
    folders = {}
    for name, (method, clahe, _) in INPUTS.items():
        folders[name] = work / f"{method}{'-clahe' if clahe else ''}"
        if not (folders[name] / "data" / "dehazed.json").exists():
            (folders[name] / "data").mkdir(parents=True, exist_ok=True)
            for part in ("raw.npy", "raw.json", "chips.csv"):
                shutil.copyfile(raw / "data" / part, folders[name] / "data" / part)
            store_haze_free(folders[name], method=method, clahe=clahe)
    return folders


def predict_by_trees(run_dir: Path, kind: str, folds: np.ndarray, seed: int) -> np.ndarray:
    """Predict each fold with trees trained on the others; probabilities of shape (N, 17)."""
    names = {"raw": ["raw"], "dehazed": ["dehazed"], "both": ["raw", "dehazed"]}[kind]
    table = pd.concat([_describe_store(run_dir, name) for name in names], axis=1)
    truth = encode_tags(load_catalogue(run_dir)["tags"])
    predicted = np.zeros(truth.shape, np.float32)
    for fold in range(FOLDS):
        train = (folds >= 0) & (folds != fold)
        predicted[folds == fold] = predict_with_trees(table, truth, train, seed=seed)[folds == fold]
    return predicted


def _describe_store(run_dir: Path, name: str) -> pd.DataFrame:
    path = run_dir / "data" / f"{name}-statistics.csv"
    if not path.exists():
        rows = map_over_cores(describe_chip, open_store(run_dir, name))
        pd.DataFrame(rows).to_csv(path, index=False)
    return pd.read_csv(path)


def predict_by_network(run_dir: Path, kind: str, folds: np.ndarray, seed: int) -> np.ndarray:
    """Predict each fold with a network trained on three others; the fifth chooses its epoch.

    Probabilities of shape (N, 17).
    """
    import keras

    from planet_lib.training.train import train_run

    predicted = np.zeros((len(folds), len(LABELS)), np.float32)
    for fold in range(FOLDS):
        path = run_dir / "predictions" / f"{kind}-{seed}-{fold}.npy"
        if not path.exists():
            catalogue = load_catalogue(run_dir)
            splits = np.select(
                [folds < 0, folds == fold, folds == (fold + 1) % FOLDS],
                ["unlabelled", "test", "validation"],
                "train",
            )
            catalogue.assign(split=splits).to_csv(run_dir / CATALOGUE, index=False)
            keras.utils.clear_session()
            train_run(run_dir, input_mode=kind, seed=seed, **NETWORK)
            path.parent.mkdir(exist_ok=True)
            shutil.copyfile(run_dir / "models" / f"densenet-{kind}" / "probabilities.npy", path)
        predicted[folds == fold] = np.load(path)[folds == fold]
    return predicted


def describe_network() -> str:
    return f"reduced DenseNet at {NETWORK['image_px']} px, {NETWORK['epochs']} epochs"


def print_worth(truth: np.ndarray, predictions: dict[str, np.ndarray]) -> None:
    """Print mean F2 per chip and weather, and average precision per label, with paired changes.

    Parameters
    ----------
    truth : ndarray of shape (N, 17), 0 or 1
    predictions : dict of ndarray of shape (seeds, N, 17)
        Out-of-fold probabilities, by input.
    """
    f2 = {
        name: np.mean([score_chips(truth, run >= F2_THRESHOLD) for run in runs], axis=0)
        for name, runs in predictions.items()
    }
    print("\nmean F2 per chip at threshold 0.2; paired change from raw, 95 % interval over chips")
    for name, chips in f2.items():
        print(f"  {name:30s} {chips.mean():.3f}  {_write_change(chips - f2['raw'])}")
    weather = decode_weather(truth)
    print("\nmean F2 by weather")
    for index, label in enumerate(WEATHER):
        seen = weather == index
        print(f"  {label} ({seen.sum()} chips)")
        for name, chips in f2.items():
            change = _write_change((chips - f2["raw"])[seen])
            print(f"    {name:30s} {chips[seen].mean():.3f}  {change}")
    print("\naverage precision per label; paired change from raw, 95 % interval over chips")
    shown = [k for k in range(len(LABELS)) if truth[:, k].sum() >= FEWEST_CHIPS]
    precision = {name: measure_precision(truth, runs, shown) for name, runs in predictions.items()}
    for column, k in enumerate(shown):
        print(f"  {LABELS[k]} ({truth[:, k].sum()} chips)")
        for name, sampled in precision.items():
            print(
                f"    {name:30s} {_write_sampled(sampled[:, column], precision['raw'][:, column])}"
            )
    print(f"  mean of these {len(shown)} labels")
    for name, sampled in precision.items():
        mean, raw = (np.nanmean(each, axis=1) for each in (sampled, precision["raw"]))
        print(f"    {name:30s} {_write_sampled(mean, raw)}")


def measure_precision(truth: np.ndarray, runs: np.ndarray, labels: list[int]) -> np.ndarray:
    """Measure average precisions, mean over seeds: first of all chips, then of bootstrap samples.

    The samples are the same for every input, so that two inputs can be compared row by row.
    """
    rng = np.random.default_rng(0)
    draws = [np.arange(len(truth)), *rng.integers(len(truth), size=(RESAMPLES, len(truth)))]
    return np.array(
        list(map_over_cores(lambda rows: _measure_drawn(truth, runs, labels, rows), draws))
    )


def _measure_drawn(
    truth: np.ndarray, runs: np.ndarray, labels: list[int], rows: np.ndarray
) -> list[float]:
    drawn = truth[rows]
    return [
        np.mean([average_precision_score(drawn[:, k], run[rows, k]) for run in runs])
        if drawn[:, k].any()
        else np.nan
        for k in labels
    ]


def _write_change(change: np.ndarray) -> str:
    low, high = bootstrap_mean(change, np.arange(len(change)), seed=0)
    return "" if not change.any() else f"{change.mean():+.3f} ({low:+.3f} to {high:+.3f})"


def _write_sampled(sampled: np.ndarray, raw: np.ndarray) -> str:
    change = sampled - raw
    change = change[np.isfinite(change)]
    low, high = np.percentile(change[1:], [2.5, 97.5])
    written = f"{change[0]:+.3f} ({low:+.3f} to {high:+.3f})" if change.any() else ""
    return f"{sampled[0]:.3f}  {written}"


if __name__ == "__main__":
    main()
