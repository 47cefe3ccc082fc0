"""Compare every haze removal method with the truth, and measure its effect on real chips.

python benchmarks/haze_truth.py [--chips N] [--real FOLDER [--sheet sheet.png]]
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from skimage.color import deltaE_ciede2000, rgb2lab

from planet_lib import haze
from planet_lib.data.catalogue import scan_dataset
from planet_lib.data.chips import read_chip
from planet_lib.evaluation.haze_truth import (
    STRENGTHS,
    score_chips_by_strength,
    synthesize_hazy_chips,
)

MEASURES = {
    "psnr_db": "PSNR dB",
    "ssim": "SSIM",
    "ciede2000": "CIEDE2000",
    "transmission_error": "error of t",
    "airlight_error": "error of A",
    "change": "change",
}
SHEET_PX = 160


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chips", type=int, default=400, help="number of synthetic chips")
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--real", type=Path, help="chips in Kaggle's layout")
    parser.add_argument("--sheet", type=Path, help="write a picture of real chips")
    options = parser.parse_args()
    print_truth(options.chips, options.seed)
    if options.real:
        catalogue = scan_dataset(options.real)[0]
        catalogue = catalogue[catalogue["labelled"]]
        chips = [read_chip(options.real / path) for path in catalogue["path"]]
        print_real(chips, catalogue["tags"].str.split().map(set).to_list())
        if options.sheet:
            sheet = draw_sheet(chips, catalogue["tags"].to_list())
            cv2.imwrite(str(options.sheet), sheet[..., ::-1])


def print_truth(chips: int, seed: int) -> None:
    scores = score_chips_by_strength(synthesize_hazy_chips(chips, seed=seed))
    print(
        f"{chips} synthetic chips of known radiance; mean absolute errors of t and A (A, change in"
    )
    print("grey levels); PSNR and CIEDE2000 where the transmission is above 0.25")
    for strength in (*STRENGTHS, "all"):
        rows = scores if strength == "all" else scores[scores["strength"] == strength]
        if len(rows) == 0:
            continue
        lowest = "" if strength == "all" else f", mean t from {STRENGTHS[strength]}"
        print(f"\n{strength}{lowest}: {(rows['method'] == 'as taken').sum()} chips")
        means = rows.groupby("method", sort=False)[list(MEASURES)].mean()
        print(means.rename(columns=MEASURES).round(2).to_string())


def print_real(chips: list[np.ndarray], tags: list[set[str]]) -> None:
    """Print measurements that need no truth.

    These are the change of clear chips, the share of pixels that become black or white, and the
    colour distance of hazy from clear chips that show only forest.
    """
    clear = [chip for chip, labels in zip(chips, tags, strict=True) if "clear" in labels]
    groups = [
        [chip for chip, labels in zip(chips, tags, strict=True) if labels == {weather, "primary"}]
        for weather in ("clear", "haze")
    ]
    rows = {}
    for name in ("as taken", *haze.METHODS):
        for clahe in (False,) if name == "as taken" else (False, True):
            cleaned = [_clean(chip, name, clahe) for chip in clear]
            forests = [[_clean(chip, name, clahe) for chip in group] for group in groups]
            pairs = list(zip(clear, cleaned, strict=True))
            rows[name + (" + CLAHE" if clahe else "")] = {
                "change of clear chips, mean": np.mean([_measure_change(a, b) for a, b in pairs]),
                "change of clear chips, median": np.median(
                    [_measure_change(a, b) for a, b in pairs]
                ),
                "newly black or white, %": 100 * np.mean([_share_clipped(a, b) for a, b in pairs]),
                "hazy forest from clear, CIEDE2000": _measure_distance(*forests),
            }
    print(f"\nreal chips without truth: {len(clear)} clear; only forest: {len(groups[0])} clear,")
    print(f"{len(groups[1])} hazy (distance of the mean colours after haze removal)")
    print(pd.DataFrame(rows).T.round(2).to_string())


def _clean(chip: np.ndarray, method: str, clahe: bool) -> np.ndarray:
    return chip if method == "as taken" else haze.remove_haze(chip, method=method, clahe=clahe)


def _measure_change(before: np.ndarray, after: np.ndarray) -> float:
    return float(np.abs(before.astype(int) - after).mean())


def _share_clipped(before: np.ndarray, after: np.ndarray) -> float:
    new = ((after == 0) & (before > 0)) | ((after == 255) & (before < 255))
    return float(new.any(axis=2).mean())


def _measure_distance(clear: list[np.ndarray], hazy: list[np.ndarray]) -> float:
    """Measure the mean colour distance of hazy chips from the mean of clear ones."""
    aimed, seen = (np.array([rgb2lab(c).mean(axis=(0, 1)) for c in g]) for g in (clear, hazy))
    return float(deltaE_ciede2000(aimed.mean(axis=0)[np.newaxis], seen).mean())


def draw_sheet(chips: list[np.ndarray], tags: list[str]) -> np.ndarray:
    """Arrange chips of each kind in rows: as taken and after each method; uint8, RGB."""
    rng = np.random.default_rng(0)
    kinds = (
        "haze",
        "clear primary",
        "partly_cloudy",
        "cloudy",
        "bare_ground",
        "habitation",
    )
    rows = []
    for kind in kinds:
        found = [i for i, labels in enumerate(tags) if set(kind.split()) <= set(labels.split())]
        for i in rng.permutation(found)[:3]:
            versions = [chips[i], *(haze.remove_haze(chips[i], method=m) for m in haze.METHODS)]
            versions += [haze.remove_haze(chips[i], method="boundary_constraint", clahe=True)]
            small = [cv2.resize(v, (SHEET_PX,) * 2, interpolation=cv2.INTER_AREA) for v in versions]
            rows.append(np.hstack([np.pad(v, ((1, 1), (1, 1), (0, 0))) for v in small]))
    title = np.full((22, rows[0].shape[1], 3), 255, np.uint8)
    names = ("as taken", *haze.METHODS, "boundary_constraint + CLAHE")
    for column, name in enumerate(names):
        place = (4 + column * (SHEET_PX + 2), 15)
        cv2.putText(title, name, place, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0,) * 3, 1, cv2.LINE_AA)
    return np.vstack([title, *rows])


if __name__ == "__main__":
    main()
