"""Compare networks and haze removal on mines of Amazon Mining Watch, over places and seeds.

python benchmarks/mining_folds.py [--data FOLDER] [--work FOLDER] [--seeds 3] [--only NAME ...]

Every setting is cross-validated over places, once for each seed. What is finished stands in WORK,
one JSON for each setting and seed, so the same command goes on after an interruption, and
`--only` does a part. The whole takes about a day on 2 cores; the table is of what is there.
"""

import argparse
import os
from pathlib import Path

import numpy as np
import pandas as pd

from planet_lib.config import load_profile
from planet_lib.data.haze_free import store_haze_free
from planet_lib.data.ingest import store_chips
from planet_lib.data.labels import INDEX, MINE
from planet_lib.data.splits import FOLDS, assign_folds
from planet_lib.data.store import load_catalogue
from planet_lib.evaluation.detection import compare_detectors, find_threshold, score_detectors
from planet_lib.evaluation.detector_errors import score_kinds
from planet_lib.features.statistics import load_statistics, store_statistics
from planet_lib.features.trees import predict_with_trees
from planet_lib.files import read_json, write_json
from planet_lib.haze import METHODS
from planet_lib.report.figures.detection import format_measures
from planet_lib.training.cross_validate import cross_validate
from planet_lib.training.examples import load_examples

NETWORKS = ("cnn", "densenet")
INPUTS = {"raw": ("boundary_constraint", "raw")} | {
    method: (method, "dehazed") for method in METHODS
}
SETTINGS = ("trees", *(f"{network}, {name}" for network in NETWORKS for name in INPUTS))
SPECIFICITY = 0.95


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("downloads/mining-watch"))
    parser.add_argument("--work", type=Path, default=Path("runs/mining-folds"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=SETTINGS, default=SETTINGS, metavar="NAME")
    options = parser.parse_args()
    if not options.data.exists():
        print(f"no chips in {options.data}; call: planet fetch mining-watch {options.data}")
        return
    for seed in range(options.seeds):
        for setting in options.only:
            path = options.work / "scores" / f"{setting.replace(', ', '-')}-{seed}.json"
            if not path.exists():
                print(f"{setting}, seed {seed}", flush=True)
                run_dir = prepare_run(options.data, options.work, setting, seed)
                write_json(path, {"scores": predict(run_dir, setting, seed).tolist()})
    print_table(options.work)


def prepare_run(data: Path, work: Path, setting: str, seed: int) -> Path:
    """Store the chips once and their haze-free copies once a method; a run for each seed."""
    method, _ = INPUTS.get(setting.partition(", ")[2], INPUTS["raw"])
    stored = work / method
    if not (stored / "data" / "raw.json").exists():
        store_chips(data, stored, source="mining-watch", seed=0)
        store_statistics(stored)
    if not (stored / "data" / "dehazed.json").exists():
        store_haze_free(stored, method=method, clahe=False)
    run_dir = work / f"{method}-{seed}"
    run_dir.mkdir(exist_ok=True)
    if not (run_dir / "data").exists():
        os.symlink(Path("..") / method / "data", run_dir / "data")
    return run_dir


def predict(run_dir: Path, setting: str, seed: int) -> np.ndarray:
    """Predict the mine on every chip, by a model that saw no chip of its place."""
    network, _, name = setting.partition(", ")
    if network != "trees":
        settings = load_profile("mining").networks[network].model_dump()
        input_mode = INPUTS[name][1]
        probabilities = cross_validate(
            run_dir, model=network, input_mode=input_mode, seed=seed, settings=settings
        )
        return probabilities[:, INDEX[MINE]]
    examples, statistics = load_examples(run_dir, "raw"), load_statistics(run_dir)
    folds = assign_folds(examples.encoded, seed=seed, groups=examples.groups)
    scores = np.zeros(len(folds))
    for fold in range(FOLDS):
        test = folds == fold
        predicted = predict_with_trees(statistics, examples.encoded, ~test, seed=seed)
        scores[test] = predicted[test, INDEX[MINE]]
    return scores


def print_table(work: Path) -> None:
    catalogue = load_catalogue(work / INPUTS["raw"][0])
    truth = (catalogue["tags"] == MINE).to_numpy()
    groups, kinds = catalogue["group"].to_numpy(), catalogue["kind"].to_numpy()
    scores = {}
    for setting in SETTINGS:
        paths = sorted((work / "scores").glob(f"{setting.replace(', ', '-')}-?.json"))
        if paths:
            name = f"{setting} ({len(paths)} seed{'s' if len(paths) > 1 else ''})"
            scores[name] = np.array([read_json(path)["scores"] for path in paths])
    print(f"\n{truth.sum():,} mines among {len(truth):,} chips, {len(np.unique(groups))} places\n")
    print(format_measures(score_detectors(truth, scores, groups, seed=0)).to_markdown())
    pairs = {
        name: raw
        for name in scores
        for raw in scores
        if name != raw and raw.startswith(f"{name.partition(', ')[0]}, raw")
    }
    if pairs:
        changes = compare_detectors(truth, scores, pairs, groups, seed=0)
        print("\nchange against the same network on chips as taken\n")
        print(format_measures(changes, signed=True).to_markdown())
    shares = {}
    for name, seeds in scores.items():
        flagged = [each >= find_threshold(truth, each, SPECIFICITY) for each in seeds]
        tables = [score_kinds(kinds[~truth], each[~truth])["share"] for each in flagged]
        shares[name] = pd.concat(tables, axis=1).mean(axis=1)
    print(f"\nshare of each look-alike taken for a mine at specificity {SPECIFICITY}\n")
    counts = pd.Series(kinds[~truth]).value_counts().rename("chips")
    print(pd.DataFrame(shares).assign(chips=counts).round(3).to_markdown())


if __name__ == "__main__":
    main()
