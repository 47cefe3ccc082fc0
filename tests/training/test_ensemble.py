"""The ensemble: every prediction is out of fold, reproducible, and never computed twice."""

import shutil
from collections.abc import Iterator, Sequence
from functools import wraps
from pathlib import Path

import keras
import numpy as np
import pytest
from small_runs import CHIP_PX, write_store

from planet_lib.data.labels import LABELS, encode_tags
from planet_lib.data.splits import FOLDS
from planet_lib.errors import StageError
from planet_lib.features.ridge import predict_with_ridge
from planet_lib.features.trees import predict_with_trees
from planet_lib.files import read_json
from planet_lib.networks.architectures import build_model
from planet_lib.networks.files import save_model
from planet_lib.training import base_learners, ensemble, fine_tuning, out_of_fold
from planet_lib.training.base_learners import BaseLearners
from planet_lib.training.ensemble import FOLDER, train_ensemble
from planet_lib.training.examples import Examples, load_examples
from planet_lib.training.out_of_fold import LADDER, predict_out_of_fold

CHIPS = {"train": 24, "validation": 8, "test": 8, "unlabelled": 4}
LABELLED = CHIPS["train"] + CHIPS["validation"] + CHIPS["test"]
SETTINGS = {"epochs": 2, "seeds": 1, "seed": 0}
*_, ENSEMBLE = LADDER
LEARNERS = sorted({name for names in LADDER.values() for name in names})


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Path:
    return write_store(tmp_path_factory.mktemp("store") / "run", chips=CHIPS)


@pytest.fixture(scope="module")
def examples(store) -> Examples:
    return load_examples(store, "both")


class RecordedFits:
    """Stand in for the base learners: predict constants and record each fit's training chips."""

    fits: list[tuple[str, np.ndarray, int]]

    def __init__(self, run_dir: Path, examples: Examples, cache: Path, *, epochs: int) -> None:
        self.shape = examples.encoded.shape
        RecordedFits.fits = []

    def predict(
        self, name: str, train: np.ndarray, seed: int, learners: Sequence[str]
    ) -> dict[str, np.ndarray]:
        self.fits.append((name, train, seed))
        fit = len(self.fits)
        return {
            name: np.full(self.shape, fit + 100 * learner, np.float32)
            for learner, name in enumerate(LEARNERS)
            if name in learners
        }


@pytest.fixture
def record_fits(monkeypatch, examples, tmp_path):
    """Give a function that predicts out of fold with recorded fits."""
    monkeypatch.setattr(out_of_fold, "BaseLearners", RecordedFits)

    def predict(seeds: int = 2, seed: int = 7):
        results = predict_out_of_fold(
            tmp_path, examples, tmp_path, epochs=1, seeds=seeds, seed=seed
        )
        return *results, RecordedFits.fits

    return predict


def find_fit(prediction: float) -> int:
    """Find the index of the fit that made a stand-in prediction of the first step."""
    return int(prediction) % 100 - 1


def test_each_labelled_chip_is_predicted_without_its_group(record_fits, examples):
    _, by_step, fits = record_fits()
    for repeat in range(2):
        for row in range(LABELLED):
            name, train, _ = fits[find_fit(by_step[next(iter(LADDER))][repeat, row, 0])]
            assert name.startswith(f"{repeat}-")
            assert not train[examples.groups == examples.groups[row]].any()
            assert train.sum() >= LABELLED // 2


def test_no_fit_uses_an_unlabelled_chip(record_fits, examples):
    *_, fits = record_fits()
    assert len(fits) == 2 * FOLDS + 1
    for _, train, _ in fits:
        assert not train[examples.splits == "unlabelled"].any()


def test_validation_and_test_chips_are_predicted_from_the_training_chips(record_fits, examples):
    probabilities, _, fits = record_fits()
    name, train, _ = fits[-1]
    assert name == "split"
    np.testing.assert_array_equal(train, examples.splits == "train")
    held_out = np.isin(examples.splits, ["validation", "test"])
    assert {find_fit(value) for value in probabilities[held_out, 0]} == {len(fits) - 1}


def test_unlabelled_chips_get_the_mean_over_all_folds_and_repeats(record_fits, examples):
    probabilities, by_step, fits = record_fits()
    of_fits = np.arange(1, len(fits))  # all but the one for validation and test
    offset = by_step[ENSEMBLE][0, 0, 0] - 1 - find_fit(by_step[ENSEMBLE][0, 0, 0])
    unlabelled = probabilities[examples.splits == "unlabelled"]
    np.testing.assert_allclose(unlabelled, of_fits.mean() + offset, rtol=1e-6)


def test_each_step_is_the_mean_of_its_base_learners(record_fits):
    _, by_step, _ = record_fits(seeds=1)
    for step, learners in LADDER.items():
        offsets = by_step[step][0, :, 0] - by_step[next(iter(LADDER))][0, :, 0]
        expected = np.mean([100 * LEARNERS.index(name) for name in learners])
        base = 100 * LEARNERS.index(LADDER[next(iter(LADDER))][0])
        np.testing.assert_allclose(offsets, expected - base, rtol=1e-5)


def test_repeats_have_their_own_folds_and_the_first_does_not_depend_on_their_number(record_fits):
    *_, two = record_fits(seeds=2)
    *_, one = record_fits(seeds=1)
    assert [seed for *_, seed in two] == [7] * FOLDS + [8] * FOLDS + [7]
    for (name, train, _), (other_name, other_train, _) in zip(one[:FOLDS], two, strict=False):
        assert name == other_name
        np.testing.assert_array_equal(train, other_train)
    assert any(
        not np.array_equal(first[1], second[1])
        for first, second in zip(two[:FOLDS], two[FOLDS:], strict=False)
    )


def predict_with_few_trees(*data: np.ndarray, **settings: object) -> np.ndarray:
    return predict_with_trees(*data, **settings | {"trees": 20})


def predict_with_few_features(features: np.ndarray, *data: np.ndarray) -> np.ndarray:
    return predict_with_ridge(features[:, ::20], *data)


@pytest.fixture(scope="module")
def small_learners(tmp_path_factory) -> Iterator[None]:
    """Use a pretrained network with few weights, few trees and few features for the ridge."""
    folder = tmp_path_factory.mktemp("pretrained")
    keras.utils.set_random_seed(0)
    save_model(build_model("resnet", CHIP_PX, channels=6, widths=(4, 4, 4, 4)), folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fine_tuning, "PRETRAINED", folder)
        patch.setattr(base_learners, "predict_with_trees", predict_with_few_trees)
        patch.setattr(base_learners, "predict_with_ridge", predict_with_few_features)
        patch.setattr(base_learners, "NETWORKS", 1)
        yield


def fit_base_learners(store: Path, examples: Examples, cache: Path) -> dict[str, np.ndarray]:
    learners = BaseLearners(store, examples, cache, epochs=1)
    return learners.predict("fit", examples.splits == "train", seed=3, learners=LEARNERS)


@pytest.mark.slow
def test_base_learners_use_only_the_labels_of_training_chips(
    store, examples, small_learners, tmp_path
):
    others = examples.splits != "train"
    encoded = examples.encoded.copy()
    encoded[others] = 1 - encoded[others]
    left = fit_base_learners(store, examples, tmp_path / "left")
    right = fit_base_learners(store, examples._replace(encoded=encoded), tmp_path / "right")
    for name, predictions in left.items():
        assert predictions.shape == examples.encoded.shape
        np.testing.assert_array_equal(predictions[others], right[name][others])
    assert set(left) == set(LEARNERS)


@pytest.fixture(scope="module")
def finished(store, small_learners, tmp_path_factory) -> Path:
    """Give a run whose ensemble is trained."""
    run_dir = shutil.copytree(store, tmp_path_factory.mktemp("finished") / "run")
    lines = []
    train_ensemble(run_dir, **SETTINGS, on_fit=lines.append)
    assert [line.partition(":")[0] for line in lines] == [f"fit {i}/6" for i in range(1, 7)]
    return run_dir


def read_arrays(run_dir: Path) -> dict[str, np.ndarray]:
    with np.load(run_dir / FOLDER / "out_of_fold.npz") as archive:
        return dict(archive) | {"all": np.load(run_dir / FOLDER / "probabilities.npy")}


@pytest.mark.slow
def test_ensemble_learns_separable_labels_and_predicts_unlabelled_chips(finished):
    arrays = read_arrays(finished)
    is_bright = np.arange(sum(CHIPS.values())) % 4 // 2 == 0
    truth = encode_tags(np.where(is_bright, "clear primary", "haze water"))
    for step in LADDER:
        assert arrays[step].shape == (1, LABELLED, len(LABELS))
    assert ((arrays[ENSEMBLE][0] >= 0.2) == truth[:LABELLED]).mean() > 0.95
    assert arrays["all"].dtype == np.float32
    unlabelled = slice(LABELLED, None)
    assert ((arrays["all"][unlabelled] >= 0.2) == truth[unlabelled]).mean() > 0.95
    ladder = read_json(finished / FOLDER / "run.json")["ladder"]
    assert [row["step"] for row in ladder] == list(LADDER)
    assert not list((finished / FOLDER).glob("cache-*"))


@pytest.mark.slow
def test_interrupted_ensemble_resumes_and_ends_the_same(finished, store, tmp_path):
    run_dir = shutil.copytree(store, tmp_path / "run")

    def stop(line: str) -> None:
        if "fold 3" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_ensemble(run_dir, **SETTINGS, on_fit=stop)
    kept = {path: path.stat().st_mtime_ns for path in run_dir.rglob("0-*.npz")}
    assert len(kept) == 3

    def check(line: str) -> None:
        assert all(path.stat().st_mtime_ns == time for path, time in kept.items())

    train_ensemble(run_dir, **SETTINGS, on_fit=check)
    for name, array in read_arrays(finished).items():
        np.testing.assert_array_equal(read_arrays(run_dir)[name], array)
    manifests = [read_json(folder / FOLDER / "run.json") for folder in (run_dir, finished)]
    assert manifests[0]["ladder"] == manifests[1]["ladder"]


@pytest.mark.slow
def test_finished_ensemble_is_scored_again_but_not_fitted(finished, monkeypatch):
    manifest = read_json(finished / FOLDER / "run.json")
    path = finished / FOLDER / "run.json"
    path.write_text(path.read_text().replace('"gain"', '"old name"'))
    monkeypatch.setattr(out_of_fold, "BaseLearners", lambda *_, **__: pytest.fail("fitted"))
    assert train_ensemble(finished, **SETTINGS) == manifest


@pytest.mark.slow
def test_changed_setting_fits_the_ensemble_again(finished, monkeypatch):
    def start(*_, **__):
        raise InterruptedError("fitting started")

    monkeypatch.setattr(out_of_fold, "BaseLearners", start)
    with pytest.raises(InterruptedError):
        train_ensemble(finished, **SETTINGS | {"seed": 1})


@pytest.mark.slow
def test_ensemble_stopped_while_it_replaces_another_passes_as_neither(
    finished, tmp_path, monkeypatch
):
    def stop(*_, **__):
        raise KeyboardInterrupt

    run_dir = shutil.copytree(finished, tmp_path / "run")
    steps = read_arrays(run_dir)
    fitted = steps.pop("all"), steps
    predict = wraps(predict_out_of_fold)(lambda *_, **__: fitted)
    monkeypatch.setattr(ensemble, "predict_out_of_fold", predict)
    monkeypatch.setattr(ensemble.np, "savez_compressed", stop)
    with pytest.raises(KeyboardInterrupt):
        train_ensemble(run_dir, **SETTINGS | {"seed": 1})
    assert not (run_dir / FOLDER / "run.json").exists()


def test_missing_store_names_the_command_to_run(tmp_path):
    with pytest.raises(StageError, match="run 'make report' first"):
        train_ensemble(tmp_path, **SETTINGS)
