"""Measure how fast synthetic chips are generated and how similar they are to real ones.

python benchmarks/synthetic.py --real FOLDER --sheet sheet.png
"""

import argparse
import csv
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from scipy.stats import ks_2samp
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.model_selection import KFold, cross_val_predict

from planet_lib.data.labels import LABELS, encode_tags
from planet_lib.synthetic import write_dataset

THRESHOLDS = np.linspace(0.05, 0.6, 56)
FEWEST_CHIPS = 5


def main() -> None:
    """Print the measurements; write a picture if one is requested."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--chips", type=int, default=6000, help="number of synthetic chips (default: 6000)"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--enrich", type=float, default=0.3, help="share of scenes rich in rare labels"
    )
    parser.add_argument("--real", type=Path, help="folder with train_v2.csv and train-jpg")
    parser.add_argument("--sheet", type=Path, help="write a picture of synthetic and real chips")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        write_dataset(
            Path(folder),
            chips=options.chips,
            unlabelled=0,
            seed=options.seed,
            enrich=options.enrich,
        )
        seconds = time.perf_counter() - start
        rate = options.chips / seconds
        print(f"wrote {options.chips} chips in {seconds:.1f} s: {rate:.0f} chips/s")
        if options.real is None:
            return
        synthetic, synthetic_tags = read_chips(Path(folder))
        real, real_tags = read_chips(options.real)
    made, true = encode_tags(synthetic_tags), encode_tags(real_tags)
    x_made, x_true = describe_chips(synthetic), describe_chips(real)
    compare_statistics(x_made, synthetic_tags, x_true, real_tags)
    compare_classifiers(x_made, made, x_true, true)
    if options.sheet:
        cv2.imwrite(str(options.sheet), draw_sheet(synthetic, made, real, true)[..., ::-1])


def read_chips(folder: Path) -> tuple[list[np.ndarray], list[str]]:
    """Read the labelled chips of a data set in Kaggle's layout, as RGB, and their tags."""
    with (folder / "train_v2.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    paths = [str(folder / "train-jpg" / f"{row['image_name']}.jpg") for row in rows]
    return [cv2.imread(path)[..., ::-1] for path in paths], [row["tags"] for row in rows]


def describe_chips(chips: list[np.ndarray]) -> np.ndarray:
    """Describe chips by colour and texture statistics, shape (N, F), float32."""
    return np.stack([_describe_chip(chip) for chip in chips])


def _describe_chip(chip: np.ndarray) -> np.ndarray:
    image = chip.astype(np.float32)
    flat = image.reshape(-1, 3)
    gray = image.mean(axis=2)
    percentiles = _percentiles(flat[::5], [1, 5, 25, 50, 75, 95, 99])
    tones = np.stack([image[..., 0] - image[..., 1], image[..., 2] - image[..., 1]], -1)
    tone_percentiles = _percentiles(tones.reshape(-1, 2)[::5], [1, 10, 50, 90, 99])
    features = [percentiles.ravel(), flat.std(axis=0), tone_percentiles.ravel()]
    features.append(tones.reshape(-1, 2).std(axis=0))
    previous = gray
    for sigma in (1, 2, 4, 8, 16, 32):
        smooth = _blur(gray, sigma)
        band = previous - smooth
        energy = cv2.blur(band * band, (32, 32))[16::32, 16::32] ** 0.5
        features.append(np.percentile(energy, [5, 50, 95]))
        spread, cube = band.std() + 1e-3, band * band * band
        features.append([spread, (cube * band).mean() / spread**4, cube.mean() / spread**3])
        previous = smooth
    means = cv2.blur(image, (32, 32))[16::32, 16::32].reshape(-1, 3)
    features.append(np.ptp(means, axis=0))
    features.append(np.log(percentiles[3] + 1) - np.log(percentiles[3] + 1).mean())
    return np.concatenate([np.ravel(part) for part in features]).astype(np.float32)


def _blur(gray: np.ndarray, sigma: int) -> np.ndarray:
    """Blur with a Gaussian; wide ones on a reduced copy."""
    if sigma <= 4:
        return cv2.GaussianBlur(gray, (0, 0), sigma)
    size = (gray.shape[1] * 2 // sigma, gray.shape[0] * 2 // sigma)
    small = cv2.GaussianBlur(cv2.resize(gray, size, interpolation=cv2.INTER_AREA), (0, 0), 2)
    return cv2.resize(small, gray.shape[::-1], interpolation=cv2.INTER_LINEAR)


def _percentiles(values: np.ndarray, percents: list[int]) -> np.ndarray:
    """Compute percentiles of columns by rank; shape (P, C)."""
    ordered = np.sort(values, axis=0)
    return ordered[np.round(np.array(percents) / 100 * (len(values) - 1)).astype(int)]


def compare_statistics(
    x_made: np.ndarray, made: list[str], x_true: np.ndarray, true: list[str]
) -> None:
    """Print how different the distributions of the statistics are."""
    print("\nstatistics: mean Kolmogorov-Smirnov distance (0-1), AUC of real against synthetic")
    groups = ("clear primary", "haze primary", "partly_cloudy primary", "cloudy", "agriculture")
    for group in (*groups, "water"):
        alone = group not in ("agriculture", "water")
        a = x_made[[_is_in(tags, group, alone) for tags in made]]
        b = x_true[[_is_in(tags, group, alone) for tags in true]]
        if min(len(a), len(b)) < 2 * FEWEST_CHIPS:
            continue
        distance = np.mean([ks_2samp(u, v).statistic for u, v in zip(a.T, b.T, strict=True)])
        both = np.concatenate([a[: 3 * len(b)], b])
        which = np.repeat([0, 1], [len(both) - len(b), len(b)])
        trees = ExtraTreesClassifier(200, class_weight="balanced", random_state=0)
        folds = KFold(5, shuffle=True, random_state=0)
        guess = cross_val_predict(trees, both, which, cv=folds, method="predict_proba")[:, 1]
        auc = roc_auc_score(which, guess)
        print(f"  {group:22s} {distance:.3f}  {auc:.3f}   ({len(a)} synthetic, {len(b)} real)")


def _is_in(tags: str, group: str, alone: bool) -> bool:
    return set(tags.split()) == set(group.split()) if alone else group in tags.split()


def compare_classifiers(
    x_made: np.ndarray, made: np.ndarray, x_true: np.ndarray, true: np.ndarray
) -> None:
    """Print how well trees trained on synthetic or real chips predict labels of real ones."""
    held_out = len(x_made) // 4
    trees = _train(x_made[held_out:], made[held_out:])
    threshold = choose_threshold(made[:held_out], _predict(trees, x_made[:held_out]))
    from_made = _predict(trees, x_true)
    from_true = np.zeros_like(from_made)
    for fit, test in KFold(5, shuffle=True, random_state=0).split(x_true):
        from_true[test] = _predict(_train(x_true[fit], true[fit]), x_true[test])
    always = np.zeros_like(from_made)
    always[:, [LABELS.index("clear"), LABELS.index("primary")]] = 1
    real_threshold = choose_threshold(true, from_true)
    best = choose_threshold(true, from_made)
    print(f"\n{len(true)} real chips: mean F2 per chip, macro average precision")
    rows = (
        ("always clear primary", always, 0.5),
        ("trained on synthetic, threshold tuned on synthetic", from_made, threshold),
        ("trained on synthetic, best threshold", from_made, best),
        ("trained on real, five-fold, best threshold", from_true, real_threshold),
    )
    for name, scores, at in rows:
        f2, precision = score_f2(true, scores > at), score_precision(true, scores)
        print(f"  {name:46s} {f2:.3f}  {precision:.3f}   (threshold {at:.2f})")
    inner = _predict(trees, x_made[:held_out])
    print(f"  held-out synthetic chips: F2 {score_f2(made[:held_out], inner > threshold):.3f}")
    print("\naverage precision: chips, share, from synthetic, from real")
    for k, label in enumerate(LABELS):
        if true[:, k].sum() >= FEWEST_CHIPS:
            a, b = (average_precision_score(true[:, k], s[:, k]) for s in (from_made, from_true))
            print(f"  {label:18s} {true[:, k].sum():4d}  {true[:, k].mean():.3f}  {a:.3f}  {b:.3f}")


def _train(x: np.ndarray, y: np.ndarray) -> ExtraTreesClassifier:
    trees = ExtraTreesClassifier(300, min_samples_leaf=2, n_jobs=2, random_state=0)
    return trees.fit(x, y)


def _predict(trees: ExtraTreesClassifier, x: np.ndarray) -> np.ndarray:
    """Predict probabilities, shape (N, 17); 0 for a label that no training chip has."""
    columns = []
    for shares, classes in zip(trees.predict_proba(x), trees.classes_, strict=True):
        columns.append(shares[:, 1] if len(classes) == 2 else np.full(len(x), float(classes[0])))
    return np.stack(columns, axis=1)


def choose_threshold(true: np.ndarray, scores: np.ndarray) -> float:
    """Choose the threshold with the highest mean F2."""
    return float(max(THRESHOLDS, key=lambda at: score_f2(true, scores > at)))


def score_f2(true: np.ndarray, guess: np.ndarray) -> float:
    """Score labels of shape (N, 17), 0 or 1, by the mean F2 per chip."""
    hits = (true * guess).sum(axis=1)
    return float(np.mean(5 * hits / np.maximum(4 * true.sum(axis=1) + guess.sum(axis=1), 1)))


def score_precision(true: np.ndarray, scores: np.ndarray) -> float:
    """Compute the mean average precision of the labels with enough chips."""
    common = np.flatnonzero(true.sum(axis=0) >= FEWEST_CHIPS)
    return float(np.mean([average_precision_score(true[:, k], scores[:, k]) for k in common]))


def draw_sheet(
    synthetic: list[np.ndarray], made: np.ndarray, real: list[np.ndarray], true: np.ndarray
) -> np.ndarray:
    """Arrange six synthetic and six real chips of each label; uint8, RGB."""
    rows = []
    rng = np.random.default_rng(0)
    for k, label in enumerate(LABELS):
        cells = []
        for chips, labels in ((synthetic, made), (real, true)):
            found = rng.permutation(np.flatnonzero(labels[:, k]))[:6]
            some = [cv2.resize(chips[i], (128, 128), interpolation=cv2.INTER_AREA) for i in found]
            some += [np.full((128, 128, 3), 255, np.uint8)] * (6 - len(some))
            cells.append(np.hstack([np.pad(c, ((1, 1), (1, 1), (0, 0))) for c in some]))
        name = np.full((20, 2 * cells[0].shape[1] + 12, 3), 255, np.uint8)
        text = f"{label}: synthetic left, real right"
        cv2.putText(name, text, (4, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
        gap = np.full((cells[0].shape[0], 12, 3), 255, np.uint8)
        rows += [name, np.hstack([cells[0], gap, cells[1]])]
    return np.vstack(rows)


if __name__ == "__main__":
    main()
