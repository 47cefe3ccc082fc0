"""Measure how well adjoining chips are found, and the leakage across a split without groups.

python benchmarks/neighbours.py --real FOLDER --sheet sheet.png
"""

import argparse
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from scipy import stats

from planet_lib.data.catalogue import scan_dataset
from planet_lib.data.chips import CHIP_PX, read_chip
from planet_lib.data.kaggle import COMPETITION_CHIPS
from planet_lib.data.labels import WEATHER, decode_weather, encode_tags
from planet_lib.data.neighbours import DIRECTIONS, find_neighbours, group_chips
from planet_lib.data.splits import split_chips
from planet_lib.evaluation.metrics import F2_THRESHOLD, bound_proportion, score_chips
from planet_lib.features.statistics import describe_chip
from planet_lib.features.trees import predict_with_trees
from planet_lib.files import map_over_cores
from planet_lib.synthetic import write_dataset
from planet_lib.synthetic.priors import CHIPS_PER_SCENE

DATASETS = 5
SPLIT_SEEDS = 4
MOST_ON_SHEET = 24


def main() -> None:
    """Print the measurements; write a picture if one is requested."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--chips", type=int, default=2000, help="number of chips of each synthetic data set"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the first data set")
    parser.add_argument("--real", type=Path, help="folder with train_v2.csv and train-jpg")
    parser.add_argument("--sheet", type=Path, help="write a picture of the real pairs")
    options = parser.parse_args()
    measure_synthetic(options.chips, range(options.seed, options.seed + DATASETS))
    if options.real:
        measure_real(options.real, options.sheet)


def measure_synthetic(count: int, seeds: Sequence[int]) -> None:
    """Print precision and recall of the known pairs of several data sets, and the leakage."""
    tables, grouped, leakages = [], [], []
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            write_dataset(Path(folder), chips=count, unlabelled=0, seed=seed)
            chips, catalogue = read_chips(Path(folder))
        if seed == seeds[0]:
            measure_cost("synthetic chips", chips)
            measure_cost("overlapping windows, as many as the competition's chips", spread(chips))
        pairs = find_neighbours(chips)
        tables.append(check_pairs(pairs, catalogue["tags"]))
        groups = group_chips(pairs, count)
        scenes = np.arange(count) // CHIPS_PER_SCENE
        grouped += [len(set(groups[scenes == scene])) == 1 for scene in range(scenes[-1] + 1)]
        leakages.append(measure_leakage(chips, catalogue["tags"], groups))
    print(f"\n{len(tables)} synthetic data sets of {count} chips, seeds {seeds[0]} to {seeds[-1]}")
    print_found(pd.concat(tables))
    print(f"  scenes whose four chips form one group: {np.sum(grouped)} of {len(grouped)}")
    print_leakage("data sets", np.array(leakages))


def read_chips(folder: Path) -> tuple[np.ndarray, pd.DataFrame]:
    """Read all chips of a data set, and its catalogue."""
    catalogue, _ = scan_dataset(folder)
    return np.stack(list(map_over_cores(read_chip, folder / catalogue["path"]))), catalogue


def spread(chips: np.ndarray) -> np.ndarray:
    """View chips as overlapping windows of one strip, as many as the competition has chips."""
    wanted = sum(COMPETITION_CHIPS.values())
    strip = chips.reshape(-1, *chips.shape[2:])
    windows = np.lib.stride_tricks.sliding_window_view(strip, CHIP_PX, axis=0)
    return np.moveaxis(windows[:: max(1, len(windows) // wanted)][:wanted], -1, 1)


def measure_cost(name: str, chips: np.ndarray) -> None:
    """Print the time and the memory of the search, without the memory of the chips."""
    start = time.perf_counter()
    find_neighbours(chips)
    seconds = time.perf_counter() - start
    tracemalloc.start()
    find_neighbours(chips)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    rate = len(chips) / seconds
    print(f"{len(chips)} {name}: {seconds:.1f} s, {rate:.0f} chips/s, {peak / 1e6:.0f} MB peak")


def check_pairs(pairs: pd.DataFrame, tags: Sequence[str]) -> pd.DataFrame:
    """List pairs that are true or found, with their weather and direction."""
    place = np.arange(len(tags)) % CHIPS_PER_SCENE
    true = {(i, i + 1, "right") for i in np.flatnonzero(place % 2 == 0)}
    true |= {(i, i + 2, "below") for i in np.flatnonzero(place < 2)}
    true = {pair for pair in true if pair[1] < len(tags)}
    found = set(pairs[["first", "second", "direction"]].itertuples(index=False, name=None))
    weather = decode_weather(encode_tags(tags))
    rows = [
        (WEATHER[weather[pair[0]]], pair[2], pair in true, pair in found) for pair in true | found
    ]
    return pd.DataFrame(rows, columns=["weather", "direction", "true", "found"])


def print_found(table: pd.DataFrame) -> None:
    """Print precision and recall of all pairs, and by weather and direction."""
    parts = [("all", table), *table.groupby("weather"), *table.groupby("direction")]
    for name, part in parts:
        both = int((part["true"] & part["found"]).sum())
        shares = [describe_share(both, int(part[kind].sum())) for kind in ("found", "true")]
        print(f"  {name:14s} precision {shares[0]}   recall {shares[1]}")


def describe_share(count: int, total: int) -> str:
    """Describe a share with its counts and its 95 % interval."""
    low, high = bound_proportion(count, total)
    return f"{count / max(total, 1):.4f} ({count} of {total}; {low:.4f} to {high:.4f})"


def measure_leakage(
    chips: np.ndarray, tags: Sequence[str], groups: np.ndarray
) -> tuple[float, float]:
    """Score trees on random and on grouped splits: mean F2 over several splits."""
    statistics = pd.DataFrame(map_over_cores(describe_chip, chips))
    truth = encode_tags(tags)

    def score(seed: int, groups: np.ndarray | None) -> float:
        splits = split_chips(truth, seed=seed, groups=groups)
        test = splits == "test"
        predicted = predict_with_trees(statistics, truth, splits == "train", seed=seed)
        return score_chips(truth[test], predicted[test] >= F2_THRESHOLD).mean()

    seeds = range(SPLIT_SEEDS)
    return tuple(np.mean([score(seed, kind) for seed in seeds]) for kind in (None, groups))


def print_leakage(unit: str, scores: np.ndarray) -> None:
    """Print mean F2 on random and grouped splits, shape (M, 2), and the interval of the leakage."""
    leakage = scores[:, 0] - scores[:, 1]
    half = stats.t.ppf(0.975, len(leakage) - 1) * stats.sem(leakage)
    random, grouped = scores.mean(axis=0)
    print(
        f"  extra trees, mean F2: {random:.4f} on random splits, {grouped:.4f} on grouped ones: "
        f"leakage {leakage.mean():+.4f} (± {half:.4f}, 95 %, {len(leakage)} {unit})"
    )


def measure_real(folder: Path, sheet: Path | None) -> None:
    """Print pairs found among real chips, and among halves of chips, which are known to adjoin."""
    chips, catalogue = read_chips(folder)
    print(f"\n{len(chips)} real chips, cut in half; the halves are matched")
    for direction, turned in zip(DIRECTIONS, (chips, chips.swapaxes(1, 2)), strict=True):
        print_halves(direction, turned)
    pairs = find_neighbours(chips)
    groups = group_chips(pairs, len(chips))
    sizes = np.bincount(groups)
    print(f"{len(chips)} real chips, whole")
    print(f"  {len(pairs)} pairs, {(sizes > 1).sum()} groups, the largest of {sizes.max()} chips")
    names = catalogue["chip"].to_numpy()
    table = pairs.assign(first=names[pairs["first"]], second=names[pairs["second"]])
    print("  " + table.round(2).to_string(index=False).replace("\n", "\n  "))
    if sheet:
        Image.fromarray(draw_pairs(chips, pairs)).save(sheet)
    labelled = catalogue["labelled"].to_numpy()
    inside = pairs[labelled[pairs["first"]] & labelled[pairs["second"]]]
    if inside.empty:
        return
    compare_labels(inside, catalogue["tags"])
    tags, groups = catalogue["tags"][labelled], groups[labelled]
    encoded = encode_tags(tags)
    splits = np.full(len(chips), "unlabelled", dtype=object)
    separated = []
    for seed in range(100):
        splits[labelled] = split_chips(encoded, seed=seed)
        separated.append(np.mean(splits[inside["first"]] != splits[inside["second"]]))
    print(
        f"  pairs separated by a random split: {np.mean(separated):.0%} ({len(separated)} splits)"
    )
    random, grouped = measure_leakage(chips[labelled], tags, groups)
    print(f"  extra trees, mean F2: {random:.4f} on random splits, {grouped:.4f} on grouped ones")


def print_halves(direction: str, chips: np.ndarray) -> None:
    """Print how many left and right halves of chips are matched correctly.

    The other half of each is black; only pairs side by side are evaluated.
    """
    left, right = np.zeros_like(chips), np.zeros_like(chips)
    middle = CHIP_PX // 2
    left[:, :, middle:], right[:, :, :middle] = chips[:, :, :middle], chips[:, :, middle:]
    pairs = find_neighbours(np.concatenate([left, right])).query("direction == 'right'")
    both = int((pairs["second"] - pairs["first"] == len(chips)).sum())
    print(
        f"  {direction:14s} precision {describe_share(both, len(pairs))}   "
        f"recall {describe_share(both, len(chips))}"
    )


def compare_labels(pairs: pd.DataFrame, tags: Sequence[str]) -> None:
    """Print how often the chips of a pair have the same labels, compared with random pairs."""
    encoded = encode_tags(tags)
    weather = decode_weather(encoded)
    known = np.flatnonzero(weather >= 0)
    rng = np.random.default_rng(0)
    first, second = rng.choice(known, (2, 100_000))
    agreements: dict[str, Callable] = {
        "weather": lambda i, j: weather[i] == weather[j],
        "all labels": lambda i, j: (encoded[i] == encoded[j]).all(axis=1),
    }
    for name, agree in agreements.items():
        same = int(agree(pairs["first"].to_numpy(), pairs["second"].to_numpy()).sum())
        chance = agree(first, second).mean()
        print(f"  same {name}: {describe_share(same, len(pairs))}, by chance {chance:.2f}")


def draw_pairs(chips: np.ndarray, pairs: pd.DataFrame) -> np.ndarray:
    """Arrange the pairs in rows of three, each stretched to its own range; uint8, RGB."""
    cells = []
    for pair in pairs.head(MOST_ON_SHEET).itertuples():
        two = chips[[pair.first, pair.second]].astype(float)
        low, high = np.percentile(two, [1, 99])
        two = np.clip((two - low) * 255 / max(high - low, 1), 0, 255).astype(np.uint8)
        turned = two if pair.direction == "right" else two.swapaxes(1, 2)
        cells.append(np.pad(np.hstack(turned), ((4, 4), (4, 4), (0, 0)), constant_values=255))
    cells += [np.full_like(cells[0], 255)] * (-len(cells) % 3)
    return np.vstack([np.hstack(cells[i : i + 3]) for i in range(0, len(cells), 3)])


if __name__ == "__main__":
    main()
