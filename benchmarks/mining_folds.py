"""Compare networks and haze removal on mines of Amazon Mining Watch, over places and seeds.

python benchmarks/mining_folds.py [--data FOLDER] [--work FOLDER] [--seeds 3] [--only NAME ...]

Every setting is cross-validated over places, once for each seed: extra trees on statistics of the
chips, logistic regression on the frozen features of a network pretrained on ImageNet, and two
networks trained from scratch; the ensemble is the mean of these four. What is finished stands in
WORK, one JSON for each setting and seed, so the same command goes on after an interruption, and
`--only` does a part. The whole takes about eight hours on 2 cores; the table is of what is there.
"""

import argparse
import os
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit

from planet_lib.config import load_profile
from planet_lib.data.haze_free import store_haze_free
from planet_lib.data.ingest import store_chips
from planet_lib.data.labels import INDEX, MINE
from planet_lib.data.splits import FOLDS, assign_folds
from planet_lib.data.store import load_catalogue
from planet_lib.evaluation.detection import compare_detectors, find_threshold, score_detectors
from planet_lib.evaluation.detector_errors import score_kinds
from planet_lib.features.statistics import describe_chip
from planet_lib.features.trees import predict_with_trees
from planet_lib.files import map_over_cores, read_json, write_json
from planet_lib.haze import METHODS
from planet_lib.report.figures.detection import format_measures
from planet_lib.training.cross_validate import cross_validate
from planet_lib.training.detector import build_detector, embed_frozen, fit_head
from planet_lib.training.examples import load_examples

PRETRAINED = "efficientnet_lite0"
MODELS = ("trees", "pretrained", "cnn", "densenet")
ENSEMBLE = "ensemble"
INPUTS = {"raw": ("boundary_constraint", "raw")} | {
    method: (method, "dehazed") for method in METHODS
}
SETTINGS = tuple(f"{model}, {name}" for model in MODELS for name in INPUTS)
SPECIFICITY = 0.95
MAX_SEEDS = 10


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
            path = name_scores(options.work, setting, seed)
            if not path.exists():
                print(f"{setting}, seed {seed}", flush=True)
                run_dir = prepare_run(options.data, options.work, setting, seed)
                write_json(path, {"scores": predict(run_dir, setting, seed).tolist()})
    print_table(options.work)


def name_scores(work: Path, setting: str, seed: int) -> Path:
    return work / "scores" / f"{setting.replace(', ', '-')}-{seed}.json"


def prepare_run(data: Path, work: Path, setting: str, seed: int) -> Path:
    """Store the chips once and their haze-free copies once a method; a run for each seed."""
    method, _ = INPUTS[setting.partition(", ")[2]]
    stored = work / method
    if not (stored / "data" / "raw.json").exists():
        store_chips(data, stored, source="mining-watch", seed=0)
    if not (stored / "data" / "dehazed.json").exists():
        store_haze_free(stored, method=method, clahe=False)
    run_dir = work / f"{method}-{seed}"
    run_dir.mkdir(exist_ok=True)
    if not (run_dir / "data").exists():
        os.symlink(Path("..") / method / "data", run_dir / "data")
    return run_dir


def predict(run_dir: Path, setting: str, seed: int) -> np.ndarray:
    """Predict the mine on every chip, by a model that saw no chip of its place."""
    model, _, name = setting.partition(", ")
    input_mode = INPUTS[name][1]
    networks = load_profile("mining").networks
    if model in networks:
        settings = networks[model].model_dump()
        probabilities = cross_validate(
            run_dir, model=model, input_mode=input_mode, seed=seed, settings=settings
        )
        return probabilities[:, INDEX[MINE]]
    examples = load_examples(run_dir, input_mode)
    features = load_features(run_dir, model, input_mode, examples.chips)
    folds = assign_folds(examples.encoded, seed=seed, groups=examples.groups)
    scores = np.zeros(len(folds))
    for fold in range(FOLDS):
        test = folds == fold
        if model == "trees":
            predicted = predict_with_trees(features, examples.encoded, ~test, seed=seed)
            scores[test] = predicted[test, INDEX[MINE]]
        else:
            mines = examples.encoded[~test, INDEX[MINE]] == 1
            head = build_detector(PRETRAINED)
            fit_head(head, features[:, ~test], mines)
            kernel, bias = head.get_layer(MINE).get_weights()
            scores[test] = expit(features[:, test] @ kernel + bias)[..., 0].mean(axis=0)
    return scores


def load_features(run_dir: Path, model: str, input_mode: str, chips: np.ndarray) -> np.ndarray:
    """Compute the features of the chips once."""
    path = run_dir / "data" / f"{model}-{input_mode}.npy"
    if not path.exists():
        if model == "trees":
            features = pd.DataFrame(map_over_cores(describe_chip, chips)).to_numpy()
        else:
            features = embed_frozen(build_detector(PRETRAINED), chips)
        np.save(path, features)
    return np.load(path)


def load_scores(work: Path, setting: str) -> dict[int, np.ndarray]:
    """Load the scores of every finished seed; those of the ensemble where all its members are."""
    model, _, name = setting.partition(", ")
    if model == ENSEMBLE:
        members = [load_scores(work, f"{member}, {name}") for member in MODELS]
        finished = set.intersection(*(set(member) for member in members))
        return {seed: np.mean([each[seed] for each in members], axis=0) for seed in finished}
    paths = {seed: name_scores(work, setting, seed) for seed in range(MAX_SEEDS)}
    return {
        seed: np.array(read_json(path)["scores"]) for seed, path in paths.items() if path.exists()
    }


def print_table(work: Path) -> None:
    catalogue = load_catalogue(work / INPUTS["raw"][0])
    truth = (catalogue["tags"] == MINE).to_numpy()
    groups, kinds = catalogue["group"].to_numpy(), catalogue["kind"].to_numpy()
    settings = (*SETTINGS, *(f"{ENSEMBLE}, {name}" for name in INPUTS))
    finished = {setting: seeds for setting in settings if (seeds := load_scores(work, setting))}
    scores = {
        f"{setting} ({len(seeds)} seed{'s' if len(seeds) > 1 else ''})": np.array([*seeds.values()])
        for setting, seeds in finished.items()
    }
    print(f"\n{truth.sum():,} mines among {len(truth):,} chips, {len(np.unique(groups))} places\n")
    print(format_measures(score_detectors(truth, scores, groups, seed=0)).to_markdown())
    raw = [f"{model}, raw" for model in (*MODELS, ENSEMBLE)]
    of_haze = [(name, f"{name.partition(', ')[0]}, raw") for name in finished if name not in raw]
    of_model = [(name, "densenet, raw") for name in raw if name != "densenet, raw"]
    print("\nchange against the second, over the seeds of both\n")
    tables = [
        compare_seeds(truth, finished[one], finished[other], f"{one} against {other}", groups)
        for one, other in (*of_haze, *of_model)
        if one in finished and other in finished
    ]
    print(pd.concat(tables).to_markdown() if tables else "nothing to compare")
    shares = {}
    for name, seeds in scores.items():
        flagged = [each >= find_threshold(truth, each, SPECIFICITY) for each in seeds]
        tables = [score_kinds(kinds[~truth], each[~truth])["share"] for each in flagged]
        shares[name] = pd.concat(tables, axis=1).mean(axis=1)
    print(f"\nshare of each look-alike taken for a mine at specificity {SPECIFICITY}\n")
    counts = pd.Series(kinds[~truth]).value_counts().rename("chips")
    print(pd.DataFrame(shares).assign(chips=counts).round(3).to_markdown())


def compare_seeds(
    truth: np.ndarray, one: dict, other: dict, name: str, groups: np.ndarray
) -> pd.DataFrame:
    """Compare two settings over the seeds that both have finished."""
    common = sorted(set(one) & set(other))
    scores = {
        name: np.array([one[seed] for seed in common]),
        "other": np.array([other[seed] for seed in common]),
    }
    changes = compare_detectors(truth, scores, {name: "other"}, groups, seed=0)
    return format_measures(changes, signed=True)


if __name__ == "__main__":
    main()
