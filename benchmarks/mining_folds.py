"""Compare networks and haze removal on mines of Amazon Mining Watch, over places and seeds.

python benchmarks/mining_folds.py [--data FOLDER] [--work FOLDER] [--seeds 3] [--only NAME ...]

Every setting is cross-validated over places, once for each seed: extra trees on statistics of the
chips, logistic regression on the frozen features of a network pretrained on ImageNet, and two
networks trained from scratch; the ensemble is the mean of these four. What is finished is kept in
WORK, under a name that changes with chips, code and settings: the same command goes on after an
interruption, `--only` does a part, and the table is of what is there. A network takes ten minutes
to an hour of one core for each input and seed.
"""

import argparse
import hashlib
import inspect
import shutil
import tempfile
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
from planet_lib.evaluation.detection import (
    compare_detectors,
    find_threshold,
    measure_detector,
    score_detectors,
)
from planet_lib.evaluation.detector_errors import score_kinds
from planet_lib.features.statistics import describe_chip
from planet_lib.features.trees import predict_with_trees
from planet_lib.files import map_over_cores, replace_file
from planet_lib.haze import METHODS
from planet_lib.report.figures.detection import format_measures
from planet_lib.training.cross_validate import cross_validate
from planet_lib.training.detector import build_detector, embed_frozen, fit_head
from planet_lib.training.examples import load_examples
from planet_lib.training.fingerprint import compute_fingerprint

PRETRAINED = "efficientnet_lite0"
NETWORKS = load_profile("mining").networks
MODELS = {
    "trees": (describe_chip, assign_folds, predict_with_trees),
    "pretrained": (assign_folds, fit_head),
    "cnn": (cross_validate,),
    "densenet": (cross_validate,),
}
"""The functions that each model learns by."""
ENSEMBLE = "ensemble"
INPUTS = ("raw", *METHODS)
SETTINGS = tuple(f"{model}, {name}" for model in MODELS for name in INPUTS)
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
    options.work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        inputs = {name: store_input(options.data, Path(temporary) / name, name) for name in INPUTS}
        for seed in range(options.seeds):
            for setting in options.only:
                file = name_scores(options.work, inputs, setting, seed)
                if not file.exists():
                    print(f"{setting}, seed {seed}", flush=True)
                    scores = predict(inputs, options.work, setting, seed)
                    with replace_file(file) as partial:
                        np.save(partial, scores)
        finished = {
            setting: load_scores(options.work, inputs, setting, options.seeds)
            for setting in (*SETTINGS, *(f"{ENSEMBLE}, {name}" for name in INPUTS))
        }
        catalogue = load_catalogue(inputs["raw"])
    print_table(catalogue, {setting: seeds for setting, seeds in finished.items() if seeds})


def store_input(data: Path, folder: Path, name: str) -> Path:
    """Store the chips and, unless they stay as taken, their haze-free copies."""
    store_chips(data, folder, source="mining-watch", seed=0)
    if name in METHODS:
        store_haze_free(folder, method=name, clahe=False)
    return folder


def split_setting(setting: str) -> tuple[str, str, str]:
    """Split a setting into its model, its input and the mode in which the stages call it."""
    model, name = setting.split(", ")
    return model, name, "dehazed" if name in METHODS else "raw"


def name_scores(work: Path, inputs: dict[str, Path], setting: str, seed: int) -> Path:
    """Name the scores of a setting after all that determines them."""
    model, name, input_mode = split_setting(setting)
    settings = {
        "seed": seed,
        "network": NETWORKS[model].model_dump() if model in NETWORKS else PRETRAINED,
        "code": [inspect.getsource(function) for function in (predict, load_features)],
    }
    digests = [
        compute_fingerprint(settings, inputs[name], input_mode, function)
        for function in MODELS[model]
    ]
    digest = hashlib.sha256("".join(digests).encode()).hexdigest()
    return work / f"{model}-{name}-{seed}-{digest[:12]}.npy"


def predict(inputs: dict[str, Path], work: Path, setting: str, seed: int) -> np.ndarray:
    """Predict the mine on every chip, by a model that saw no chip of its place."""
    model, name, input_mode = split_setting(setting)
    if model in NETWORKS:
        run_dir = work / f"{model}-{name}-{seed}"
        run_dir.mkdir(exist_ok=True)
        (run_dir / "data").unlink(missing_ok=True)
        (run_dir / "data").symlink_to(inputs[name] / "data")
        settings = NETWORKS[model].model_dump()
        probabilities = cross_validate(
            run_dir, model=model, input_mode=input_mode, seed=seed, settings=settings
        )
        shutil.rmtree(run_dir)
        return probabilities[:, INDEX[MINE]]
    examples = load_examples(inputs[name], input_mode)
    features = load_features(inputs[name], model, examples.chips)
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


def load_features(folder: Path, model: str, chips: np.ndarray) -> np.ndarray:
    """Compute the features of the chips once for all seeds."""
    file = folder / f"{model}.npy"
    if not file.exists():
        if model == "trees":
            features = pd.DataFrame(map_over_cores(describe_chip, chips)).to_numpy()
        else:
            features = embed_frozen(build_detector(PRETRAINED), chips)
        np.save(file, features)
    return np.load(file)


def load_scores(
    work: Path, inputs: dict[str, Path], setting: str, seeds: int
) -> dict[int, np.ndarray]:
    """Load the scores of every finished seed; those of the ensemble where all its members are."""
    model, _, name = setting.partition(", ")
    if model == ENSEMBLE:
        members = [load_scores(work, inputs, f"{member}, {name}", seeds) for member in MODELS]
        finished = set.intersection(*(set(member) for member in members))
        return {seed: np.mean([each[seed] for each in members], axis=0) for seed in finished}
    files = {seed: name_scores(work, inputs, setting, seed) for seed in range(seeds)}
    return {seed: np.load(file) for seed, file in files.items() if file.exists()}


def print_table(catalogue: pd.DataFrame, finished: dict[str, dict[int, np.ndarray]]) -> None:
    truth = (catalogue["tags"] == MINE).to_numpy()
    groups, kinds = catalogue["group"].to_numpy(), catalogue["kind"].to_numpy()
    scores = {
        f"{setting} ({len(seeds)} seed{'s' if len(seeds) > 1 else ''})": np.array([*seeds.values()])
        for setting, seeds in finished.items()
    }
    print(f"\n{truth.sum():,} mines among {len(truth):,} chips, {len(np.unique(groups))} places\n")
    print(format_measures(score_detectors(truth, scores, groups, seed=0)).to_markdown())
    print("\naverage precision of each seed: the intervals are over places, not over trainings\n")
    of_seed = {
        name: {f"seed {seed}": measure_detector(truth, each)[0] for seed, each in seeds.items()}
        for name, seeds in finished.items()
    }
    print(pd.DataFrame.from_dict(of_seed, orient="index").round(3).to_markdown())
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
        tables = [
            score_kinds(kinds[~truth], each[~truth], groups[~truth])["share"] for each in flagged
        ]
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
