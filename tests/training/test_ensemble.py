"""The ensemble: out of fold it is, it goes on where it stopped, and its ladder is scored right."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import fbeta_score

from planet_lib.data.labels import LABELS, encode_tags
from planet_lib.data.splits import FOLDS
from planet_lib.files import read_json
from planet_lib.networks.architectures import build_model
from planet_lib.networks.files import save_model
from planet_lib.training import base_learners
from planet_lib.training.ensemble import LADDER, score_ladder, train_ensemble

CHIP_PX = 32
TAGS = ("clear primary", "haze primary water")
LABELLED, UNLABELLED = 40, 4


def write_run(run_dir):
    """Write chips whose brightness alone tells their labels, and some that nobody labelled."""
    count = LABELLED + UNLABELLED
    is_bright = np.arange(count) % 2 == 0
    rng = np.random.default_rng(0)
    chips = np.where(is_bright[:, None, None, None], 190, 50)
    (run_dir / "data").mkdir(parents=True)
    for name in ("raw", "dehazed"):
        noise = rng.integers(-30, 30, (count, CHIP_PX, CHIP_PX, 3))
        np.save(run_dir / "data" / f"{name}.npy", (chips + noise).astype(np.uint8))
        (run_dir / "data" / f"{name}.json").write_text('{"sha256": "made here"}')
    splits = ["train"] * 24 + ["validation"] * 8 + ["test"] * 8 + ["unlabelled"] * UNLABELLED
    labelled = np.arange(count) < LABELLED
    pd.DataFrame(
        {
            "chip": [f"chip_{row}" for row in range(count)],
            "path": "",
            "labelled": labelled,
            "tags": np.where(labelled, np.where(is_bright, *TAGS), ""),
            "split": splits,
            "group": np.arange(count),
        }
    ).to_csv(run_dir / "data" / "chips.csv", index=False)
    return run_dir


@pytest.fixture(scope="module")
def small_pretrained(tmp_path_factory):
    """Stand a network with few weights in for the pretrained one, and few trees."""
    folder = tmp_path_factory.mktemp("pretrained")
    save_model(build_model("resnet", CHIP_PX, channels=6, widths=(4, 8)), folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base_learners, "PRETRAINED", folder)
        patch.setitem(base_learners.TREES, "trees", 20)
        patch.setattr(base_learners, "NETWORKS", 1)
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory, small_pretrained):
    run_dir = write_run(tmp_path_factory.mktemp("ensemble"))
    lines = []
    manifest = train_ensemble(run_dir, epochs=2, seeds=1, seed=0, on_fit=lines.append)
    return run_dir, manifest, lines


@pytest.mark.slow
def test_every_chip_is_answered_by_what_never_saw_it(finished):
    run_dir, manifest, lines = finished
    assert len(lines) == FOLDS
    answers = np.load(run_dir / "models/ensemble-both/out_of_fold.npz")
    truth = encode_tags([TAGS[row % 2] for row in range(LABELLED)])
    for step in LADDER:
        assert answers[step].shape == (1, LABELLED, len(LABELS))
    *_, best = LADDER
    assert ((answers[best][0] >= 0.2) == truth).mean() > 0.95
    assert manifest["ladder"][-1]["step"] == best
    probabilities = np.load(run_dir / "models/ensemble-both/probabilities.npy")
    assert probabilities.shape == (LABELLED + UNLABELLED, len(LABELS))
    assert probabilities[-UNLABELLED:].max() > 0.5
    assert probabilities.dtype == np.float32


@pytest.mark.slow
def test_labels_of_a_fold_have_no_say_in_its_answer(finished, tmp_path):
    """Were a chip's own labels seen, wrong ones would be answered as given."""
    run_dir = write_run(tmp_path / "run")
    path = run_dir / "data" / "chips.csv"
    catalogue = pd.read_csv(path, keep_default_na=False)
    catalogue.loc[0, "tags"] = "cloudy"
    catalogue.to_csv(path, index=False)
    train_ensemble(run_dir, epochs=2, seeds=1, seed=0)
    *_, best = LADDER
    answer = np.load(run_dir / "models/ensemble-both/out_of_fold.npz")[best][0, 0]
    assert answer[LABELS.index("clear")] > answer[LABELS.index("cloudy")]


@pytest.mark.slow
def test_finished_ensemble_is_not_fitted_again(finished):
    run_dir, manifest, _ = finished
    lines = []
    assert train_ensemble(run_dir, epochs=2, seeds=1, seed=0, on_fit=lines.append) == manifest
    assert lines == []


@pytest.mark.slow
def test_interrupted_ensemble_goes_on_and_ends_the_same(finished, tmp_path):
    run_dir = write_run(tmp_path / "run")

    def stop(line: str) -> None:
        if "fold 3" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_ensemble(run_dir, epochs=2, seeds=1, seed=0, on_fit=stop)
    kept = {path: path.stat().st_mtime_ns for path in run_dir.rglob("0-*.npz")}
    assert len(kept) == 3

    def check(line: str) -> None:
        assert all(path.stat().st_mtime_ns == time for path, time in kept.items())

    train_ensemble(run_dir, epochs=2, seeds=1, seed=0, on_fit=check)
    answers = [
        np.load(folder / "models/ensemble-both/probabilities.npy")
        for folder in (run_dir, finished[0])
    ]
    np.testing.assert_array_equal(*answers)
    assert read_json(run_dir / "models/ensemble-both/run.json")["ladder"] == finished[1]["ladder"]


def test_ladder_equals_scikit_learn():
    rng = np.random.default_rng(0)
    truth = rng.random((60, 17)) < 0.3
    truth[:, 0] = True
    answers = {
        "coin": rng.random((2, 60, 17)),
        "better": np.clip(truth * 0.5 + rng.random((2, 60, 17)) * 0.3, 0, 1),
    }
    ladder = score_ladder(truth, answers, seed=0)
    for step, runs in answers.items():
        reference = [
            fbeta_score(truth, run >= 0.2, beta=2, average="samples", zero_division=0)
            for run in runs
        ]
        assert ladder.loc[step, "f2"] == pytest.approx(np.mean(reference))
        assert ladder.loc[step, "low"] < ladder.loc[step, "f2"] < ladder.loc[step, "high"]
    gain = ladder.loc["better", "f2"] - ladder.loc["coin", "f2"]
    assert ladder.loc["better", "gain"] == pytest.approx(gain)
    assert ladder.loc["better", "gain_low"] > 0
    assert np.isnan(ladder.loc["coin", "gain"])
