"""Scores of runs: equal to scikit-learn's, from test chips alone, and compared chip by chip."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from planet_lib.data.labels import INDEX, LABELS, MINE
from planet_lib.errors import StageError
from planet_lib.evaluation.metrics import F2_THRESHOLD, bootstrap_mean
from planet_lib.evaluation.run_scores import (
    compare_inputs,
    load_probabilities,
    measure_leakage,
    score_run,
    summarise_run,
    tabulate_thresholds,
)

SPLITS = np.array(["train", "validation", "test", "unlabelled"] * 75)
GROUPS = np.arange(len(SPLITS)) // 8  # two test chips in each
TEST, VALIDATION = SPLITS == "test", SPLITS == "validation"


def draw_run(seed: int = 0, skill: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """Draw true labels and probabilities that are right more often the higher the skill is."""
    rng = np.random.default_rng(seed)
    truth = (rng.random((len(SPLITS), 17)) < np.linspace(0.7, 0.1, 17)).astype(np.uint8)
    noise = np.random.default_rng(seed + 1).random(truth.shape)
    return truth, (skill * truth + (1 - skill) * noise).astype(np.float32)


@pytest.fixture(scope="module")
def run():
    return draw_run()


@pytest.fixture(scope="module")
def scores(run):
    return score_run(*run, SPLITS, GROUPS, seed=0)


def test_scores_equal_scikit_learn_on_the_test_chips(run, scores):
    truth, probabilities = (part[TEST] for part in run)
    for name in ("0.2", "0.5"):
        predicted = probabilities >= float(name)
        samples = metrics.fbeta_score(truth, predicted, beta=2, average="samples", zero_division=0)
        assert scores.f2_by_threshold[name] == pytest.approx(samples)
        precision, recall, f2, support = metrics.precision_recall_fscore_support(
            truth, predicted, beta=2, zero_division=np.nan
        )
        table = scores.tables[name]
        np.testing.assert_allclose(table["precision"], precision)
        np.testing.assert_allclose(table["recall"], recall)
        np.testing.assert_allclose(table["f2"], f2)
        np.testing.assert_array_equal(table["support"], support)
    average = metrics.average_precision_score(truth, probabilities, average=None)
    np.testing.assert_allclose(scores.labels["average_precision"], average)
    assert scores.f2 == scores.chip_f2.mean() == scores.f2_by_threshold["0.2"]
    assert scores.f2_interval == bootstrap_mean(scores.chip_f2, GROUPS[TEST], seed=0)


def test_validation_score_equals_scikit_learn_on_the_validation_chips(run, scores):
    truth, probabilities = (part[VALIDATION] for part in run)
    predicted = probabilities >= F2_THRESHOLD
    expected = metrics.fbeta_score(truth, predicted, beta=2, average="samples", zero_division=0)
    assert scores.validation_f2 == pytest.approx(expected)


def assert_same_scores(left, right):
    np.testing.assert_array_equal(left.chip_f2, right.chip_f2)
    assert left.f2_by_threshold == right.f2_by_threshold
    for name, table in left.tables.items():
        pd.testing.assert_frame_equal(table, right.tables[name])


def test_chips_of_train_and_without_labels_are_ignored(run, scores):
    rows = ~(TEST | VALIDATION)
    truth, probabilities = run[0].copy(), run[1].copy()
    truth[rows], probabilities[rows] = 1 - truth[rows], 1 - probabilities[rows]
    assert_same_scores(score_run(truth, probabilities, SPLITS, GROUPS, seed=0), scores)


def test_thresholds_are_tuned_without_the_test_chips(run, scores):
    truth, probabilities = run[0].copy(), run[1].copy()
    truth[TEST], probabilities[TEST] = 1 - truth[TEST], 1 - probabilities[TEST]
    again = score_run(truth, probabilities, SPLITS, GROUPS, seed=0)
    tuned = scores.tables["tuned"]["threshold"]
    pd.testing.assert_series_equal(again.tables["tuned"]["threshold"], tuned)
    assert again.validation_f2 == scores.validation_f2
    assert len(set(tuned)) > 1


def test_validation_chips_change_only_the_tuned_scores(run, scores):
    truth, probabilities = run[0].copy(), run[1].copy()
    probabilities[VALIDATION] = 1 - probabilities[VALIDATION]
    again = score_run(truth, probabilities, SPLITS, GROUPS, seed=0)
    for name in ("0.2", "0.5"):
        pd.testing.assert_frame_equal(again.tables[name], scores.tables[name])
    assert not again.tables["tuned"]["threshold"].equals(scores.tables["tuned"]["threshold"])


def test_label_without_a_chip_is_undefined_and_keeps_the_threshold_of_f2(run):
    truth, probabilities = run[0].copy(), run[1]
    truth[:, INDEX[MINE]] = 0
    scores = score_run(truth, probabilities, SPLITS, GROUPS, seed=0)
    for table in scores.tables.values():
        assert table.loc[MINE, ["recall", "f2", "average_precision"]].isna().all()
        assert table["f2"].notna().sum() == len(LABELS) - 1
    assert scores.tables["tuned"].loc[MINE, "threshold"] == F2_THRESHOLD


def test_single_test_chip_has_its_own_score_as_interval(run):
    splits = np.array(["test", *["validation"] * 299])
    scores = score_run(*run, splits, GROUPS, seed=0)
    assert scores.f2_interval == (scores.f2, scores.f2)
    assert len(scores.chip_f2) == 1


def test_better_predictions_score_higher():
    f2 = [
        score_run(*draw_run(skill=skill), SPLITS, GROUPS, seed=0).f2 for skill in (0, 0.3, 0.6, 1)
    ]
    assert f2 == sorted(f2)
    assert f2[-1] == 1


def test_each_input_is_compared_with_the_raw_one_of_its_network():
    scores = {
        f"cnn-{kind}": score_run(*draw_run(skill=skill), SPLITS, GROUPS, seed=0)
        for kind, skill in {"raw": 0.2, "dehazed": 0.1, "both": 0.4}.items()
    }
    scores["densenet-dehazed"] = scores["ensemble-both"] = scores["cnn-both"]
    changes = compare_inputs(scores, seed=0)
    assert list(changes) == ["cnn-dehazed", "cnn-both"]
    for run, change in changes.items():
        difference = scores[run].chip_f2 - scores["cnn-raw"].chip_f2
        assert change["gain"] == pytest.approx(scores[run].f2 - scores["cnn-raw"].f2)
        assert change["interval"] == bootstrap_mean(difference, GROUPS[TEST], seed=0)
    assert changes["cnn-dehazed"]["interval"][1] < 0 < changes["cnn-both"]["interval"][0]


def test_paired_interval_is_narrower_than_those_of_the_two_runs():
    truth, probabilities = draw_run(skill=0.1)
    slightly_better = np.where(truth == 1, probabilities + 0.05, probabilities)
    scores = {
        "cnn-raw": score_run(truth, probabilities, SPLITS, GROUPS, seed=0),
        "cnn-both": score_run(truth, slightly_better, SPLITS, GROUPS, seed=0),
    }
    low, high = compare_inputs(scores, seed=0)["cnn-both"]["interval"]
    assert 0 < low < high
    widths = [np.ptp(score.f2_interval) for score in scores.values()]
    assert high - low < min(widths)


def test_same_predictions_have_no_gain(scores):
    changes = compare_inputs({"cnn-raw": scores, "cnn-both": scores}, seed=0)
    assert changes == {"cnn-both": {"gain": 0.0, "interval": (0.0, 0.0)}}


def score_mines(mines: int, found: int, false_positives: int):
    """Score a run on 75 test chips with mines of which some are found, and false positives."""
    truth = np.zeros((len(SPLITS), 17), np.uint8)
    truth[:, 0] = 1
    test = np.flatnonzero(TEST)
    truth[test[:mines], INDEX[MINE]] = 1
    probabilities = truth * np.float32(0.1)
    probabilities[test[:found], INDEX[MINE]] = 0.9
    probabilities[test[mines : mines + false_positives], INDEX[MINE]] = 0.5
    return score_run(truth, probabilities, SPLITS, GROUPS, seed=0)


@pytest.mark.slow
def test_leakage_is_what_copies_on_both_sides_of_a_split_are_worth():
    rng = np.random.default_rng(0)
    pairs = 60
    statistics = pd.DataFrame(rng.random((pairs, 6))).loc[np.repeat(range(pairs), 2)]
    truth = (rng.random((pairs, 17)) < 0.2).astype(np.uint8).repeat(2, axis=0)
    groups = np.repeat(range(pairs), 2)
    leakage = measure_leakage(statistics, truth, groups, seeds=[3])
    assert list(leakage.index) == [3]
    assert leakage.loc[3, "random"] > leakage.loc[3, "grouped"] + 0.1


def test_summary_is_json_with_null_for_undefined_scores():
    score = score_mines(0, 0, 1)
    manifest = {
        "model": "cnn",
        "input": "raw",
        "trained_epochs": 3,
        "best_epoch": 2,
        "parameters": 10,
        "seconds": 1.5,
        "model_files": ["model.keras"],
    }
    summary = json.loads(json.dumps(summarise_run(manifest, score, "runs/x/cnn"), allow_nan=False))
    assert summary["labels"][MINE]["f2"] is None
    assert summary["labels"][MINE]["predicted"] == 1
    assert set(summary["labels_by_threshold"]) == {"0.5", "tuned"}
    assert summary["f2"] == score.f2
    assert summary["epochs"] == 3
    assert summary["model_file"] == "runs/x/cnn/model.keras"


def test_summary_of_a_run_without_epochs_and_file_leaves_them_out(scores):
    summary = summarise_run({"model": "ensemble", "input": "both"}, scores, "runs/x")
    assert "epochs" not in summary
    assert summary["model_file"] is None


def test_thresholds_stand_side_by_side(scores):
    table = tabulate_thresholds(scores)
    assert list(table.index) == list(LABELS)
    for name, labels in scores.tables.items():
        for short, measure in {"P": "precision", "R": "recall", "F2": "f2"}.items():
            np.testing.assert_array_equal(table[f"{short} at {name}"], labels[measure])
    np.testing.assert_array_equal(table["tuned threshold"], scores.tables["tuned"]["threshold"])


def test_missing_predictions_name_those_that_there_are(tmp_path):
    with pytest.raises(StageError, match="run 'make report' first"):
        load_probabilities(tmp_path, "cnn-raw")
    (tmp_path / "models" / "resnet-both").mkdir(parents=True)
    np.save(tmp_path / "models" / "resnet-both" / "probabilities.npy", np.eye(17))
    with pytest.raises(StageError, match=r"cnn-raw.*there are resnet-both"):
        load_probabilities(tmp_path, "cnn-raw")
    np.testing.assert_array_equal(load_probabilities(tmp_path, "resnet-both"), np.eye(17))
