"""Scores equal scikit-learn's; tuned thresholds, consistent labels and confidence intervals."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics

from planet_lib.data.labels import INDEX, LABELS
from planet_lib.evaluation.metrics import (
    F2_THRESHOLD,
    THRESHOLD_GRID,
    bootstrap_mean,
    bound_proportion,
    compare_pairs,
    resolve_cloudy,
    score_chips,
    score_labels,
    tune_thresholds,
)

CLOUDY = INDEX["cloudy"]
binary = arrays(np.uint8, (5, 17), elements=st.integers(0, 1))
predicted_labels = arrays(bool, (5, 17))
probability_rows = arrays(np.float32, (5, 17), elements=st.floats(0, 1, width=32))


def draw_predictions(chips: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw labels, and probabilities that correlate with them; blow_down is on two chips."""
    rng = np.random.default_rng(seed)
    truth = (rng.random((chips, 17)) < np.linspace(0.6, 0.05, 17)).astype(np.uint8)
    truth[:, INDEX["blow_down"]] = 0
    truth[:2, INDEX["blow_down"]] = 1
    return truth, (0.3 * truth + 0.7 * rng.random(truth.shape)).astype(np.float32)


@pytest.mark.parametrize("threshold", [0.2, 0.5, np.linspace(0.1, 0.6, 17)])
def test_score_labels_equals_scikit_learn(threshold):
    truth, probabilities = draw_predictions()
    predictions = probabilities >= threshold
    table = score_labels(truth, probabilities, threshold)
    assert list(table.index) == list(LABELS)
    for i, label in enumerate(LABELS):
        row, true, said = table.loc[label], truth[:, i], predictions[:, i]
        assert row["precision"] == pytest.approx(metrics.precision_score(true, said))
        assert row["recall"] == pytest.approx(metrics.recall_score(true, said))
        assert row["f2"] == pytest.approx(metrics.fbeta_score(true, said, beta=2))
        expected = metrics.average_precision_score(true, probabilities[:, i])
        assert row["average_precision"] == pytest.approx(expected)
        (_, _), (_, found) = metrics.confusion_matrix(true, said)
        counts = (true.sum(), said.sum(), found)
        assert tuple(row[["support", "predicted", "found"]]) == counts
        assert row["threshold"] == np.broadcast_to(threshold, 17)[i]


def test_label_without_chips_has_no_recall_f2_or_average_precision():
    truth, probabilities = draw_predictions()
    truth[:, 3] = 0
    row = score_labels(truth, probabilities, 0.5).iloc[3]
    assert row[["recall", "f2", "average_precision"]].isna().all()
    assert row["precision"] == 0
    assert row["support"] == 0 < row["predicted"]


@pytest.mark.parametrize("label", LABELS[::8])
def test_average_precision_is_defined_for_a_label_on_some_or_all_chips(label):
    _, probabilities = draw_predictions()
    for rows in (slice(None), slice(50)):
        truth = np.zeros_like(probabilities, dtype=int)
        truth[rows, INDEX[label]] = 1
        table = score_labels(truth, probabilities, 0.5)
        column = truth[:, INDEX[label]], probabilities[:, INDEX[label]]
        expected = metrics.average_precision_score(*column)
        assert table.loc[label, "average_precision"] == pytest.approx(expected)
        assert table["f2"].notna().sum() == 1


def test_scores_of_chips_without_any_label_are_undefined():
    _, probabilities = draw_predictions()
    table = score_labels(np.zeros_like(probabilities, dtype=int), probabilities, 0.5)
    assert table[["recall", "f2", "average_precision"]].isna().all(axis=None)


def test_label_that_is_never_predicted_has_f2_zero_and_no_precision():
    truth, probabilities = draw_predictions()
    row = score_labels(truth, probabilities, 2.0).iloc[0]
    assert math.isnan(row["precision"])
    assert row["recall"] == row["f2"] == row["predicted"] == 0


def test_probability_equal_to_the_threshold_is_a_prediction():
    table = score_labels(np.ones((1, 17), int), np.full((1, 17), 0.5), 0.5)
    assert (table["f2"] == 1).all()


@settings(max_examples=40)
@given(binary, binary)
def test_score_chips_equals_scikit_learn(truth, predictions):
    scores = score_chips(truth, predictions)
    assert scores.shape == (5,)
    expected = metrics.fbeta_score(truth, predictions, beta=2, average="samples", zero_division=0)
    assert scores.mean() == pytest.approx(expected)


def test_perfect_chips_score_one_and_empty_ones_zero():
    truth, _ = draw_predictions()
    np.testing.assert_array_equal(score_chips(truth, truth), np.minimum(truth.sum(axis=1), 1))
    np.testing.assert_array_equal(score_chips(truth, 1 - truth), 0)


def test_f2_penalises_a_miss_more_than_a_false_positive():
    truth = np.isin(LABELS, ["clear", "primary"])[None]
    missed, added = truth.copy(), truth.copy()
    missed[0, INDEX["primary"]] = False
    added[0, INDEX["road"]] = True
    assert score_chips(truth, missed) < score_chips(truth, added) < 1


@pytest.mark.parametrize("seed", range(5))
def test_tuned_thresholds_never_lower_f2_on_validation(seed):
    truth, probabilities = draw_predictions(60, seed)
    tuned = tune_thresholds(truth, probabilities)
    before = score_labels(truth, probabilities, F2_THRESHOLD)["f2"].to_numpy()
    after = score_labels(truth, probabilities, tuned)["f2"].to_numpy()
    assert (after >= before - 1e-12).all()
    assert after.sum() > before.sum()


def test_tuned_threshold_is_the_best_of_the_grid():
    truth, probabilities = draw_predictions()
    tuned = tune_thresholds(truth, probabilities)
    best = np.max([score_labels(truth, probabilities, t)["f2"] for t in THRESHOLD_GRID], axis=0)
    reached = score_labels(truth, probabilities, tuned)["f2"]
    enough = truth.sum(axis=0) >= 5
    np.testing.assert_allclose(reached[enough], best[enough])
    assert np.isin(tuned, THRESHOLD_GRID).all()


def test_threshold_of_a_rare_label_is_not_tuned():
    truth, probabilities = draw_predictions()
    assert tune_thresholds(truth, probabilities)[INDEX["blow_down"]] == F2_THRESHOLD


def test_of_equally_good_thresholds_the_nearest_to_the_default_is_chosen():
    truth = np.repeat([[1] * 17, [0] * 17], 10, axis=0)
    assert (tune_thresholds(truth, truth.astype(float)) == F2_THRESHOLD).all()
    assert (tune_thresholds(truth, np.where(truth, 0.7, 0.25)) == 0.26).all()


@settings(max_examples=60)
@given(predicted_labels, probability_rows)
def test_resolved_chips_have_weather_and_gain_no_land_label(predictions, probabilities):
    before = predictions.copy()
    resolved = resolve_cloudy(predictions, probabilities)
    assert resolved[:, :4].any(axis=1).all()
    assert not (resolved & ~before)[:, 4:].any()
    np.testing.assert_array_equal(predictions, before)
    clean = before[:, :4].any(axis=1) & ~(before[:, CLOUDY] & before[:, 4:].any(axis=1))
    np.testing.assert_array_equal(resolved[clean], before[clean])


@settings(max_examples=30)
@given(predicted_labels, probability_rows)
@example(np.tile(np.isin(LABELS, "road"), (5, 1)), np.tile(np.eye(17)[CLOUDY], (5, 1)))
def test_resolved_chip_is_never_cloudy_with_land(predictions, probabilities):
    resolved = resolve_cloudy(predictions, probabilities)
    assert not (resolved[:, CLOUDY] & resolved[:, 4:].any(axis=1)).any()


@pytest.mark.parametrize(
    ("likeliest", "expected"),
    [("cloudy", "cloudy"), ("haze", "haze road"), ("clear", "clear road")],
)
def test_most_probable_weather_decides_the_conflict(likeliest, expected):
    predicted = np.isin(LABELS, ["cloudy", "road"])[None]
    probabilities = np.where(np.isin(LABELS, likeliest), 0.5, 0.3)[None]
    resolved = resolve_cloudy(predicted, probabilities)
    np.testing.assert_array_equal(resolved[0], np.isin(LABELS, expected.split()))


def test_bootstrap_interval_contains_the_mean_and_is_determined_by_the_seed():
    values, groups = np.random.default_rng(0).random(200), np.arange(200)
    low, high = bootstrap_mean(values, groups, seed=1)
    assert low < values.mean() < high
    assert bootstrap_mean(values, groups, seed=1) == (low, high)
    assert bootstrap_mean(values, groups, seed=2) != (low, high)


def test_bootstrap_interval_shrinks_as_the_normal_one():
    rng = np.random.default_rng(0)
    for chips in (100, 400, 1600):
        values = rng.normal(size=chips)
        low, high = bootstrap_mean(values, np.arange(chips), seed=0)
        expected = 2 * 1.96 * values.std() / math.sqrt(chips)
        assert high - low == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("sizes", [[1] * 150, [1, 2, 7] * 15])
def test_bootstrap_interval_equals_percentiles_of_drawn_groups(sizes):
    rng = np.random.default_rng(0)
    groups = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    values = rng.beta(5, 2, len(groups))
    members = [values[groups == group] for group in range(len(sizes))]
    draws = np.random.default_rng(9).integers(len(sizes), size=(20_000, len(sizes)))
    means = [np.concatenate([members[group] for group in draw]).mean() for draw in draws]
    expected = np.percentile(means, [2.5, 97.5])
    np.testing.assert_allclose(bootstrap_mean(values, groups, seed=0), expected, atol=0.003)


def test_copies_of_chips_in_their_groups_make_no_interval_narrower():
    values, groups = np.random.default_rng(0).random(50), np.arange(50)
    low, high = bootstrap_mean(np.tile(values, 4), np.tile(groups, 4), seed=0)
    assert (low, high) == pytest.approx(bootstrap_mean(values, groups, seed=0))
    alone_low, alone_high = bootstrap_mean(np.tile(values, 4), np.arange(200), seed=0)
    assert high - low > 1.8 * (alone_high - alone_low)


@pytest.mark.parametrize("size", [1, 4])
def test_bootstrap_interval_covers_the_true_mean_in_about_19_of_20_samples(size):
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(80), size)
    covered = 0
    for sample in range(200):
        values = np.repeat(rng.beta(5, 2, 80), size) + rng.normal(0, 0.05, 80 * size)
        low, high = bootstrap_mean(values, groups, seed=sample)
        covered += low <= 5 / 7 <= high
    assert 0.9 <= covered / 200 <= 0.99


@pytest.mark.parametrize("values", [[0.5], [0.0] * 9])
def test_bootstrap_interval_of_equal_values_is_their_value(values):
    interval = bootstrap_mean(np.array(values), np.arange(len(values)), seed=0)
    assert interval == (values[0], values[0])


def test_one_group_settles_nothing():
    assert bootstrap_mean(np.array([-0.1, 0.5, 1.0]), np.zeros(3), seed=0) == (-0.1, 1)


@settings(max_examples=40)
@given(st.integers(1, 500), st.data())
def test_bound_proportion_equals_wilsons_formula(total, data):
    count = data.draw(st.integers(0, total))
    z, p = 1.959963984540054, count / total
    centre = (p + z**2 / (2 * total)) / (1 + z**2 / total)
    half = z * math.sqrt(p * (1 - p) / total + z**2 / (4 * total**2)) / (1 + z**2 / total)
    low, high = bound_proportion(count, total)
    assert (low, high) == pytest.approx((centre - half, centre + half), abs=1e-9)
    assert 0 <= low <= p <= high <= 1


def test_proportion_of_nothing_is_unbounded():
    assert bound_proportion(0, 0) == (0, 1)


def test_count_above_the_total_is_an_error():
    with pytest.raises(ValueError, match="k"):
        bound_proportion(3, 2)


def test_unknown_labels_count_nowhere():
    truth, probabilities = draw_predictions()
    masked = truth.astype(np.int8)
    masked[200:, INDEX["water"]] = -1
    masked[:, INDEX["road"]] = -1
    table, first = (
        score_labels(masked, probabilities, 0.3),
        score_labels(truth[:200], probabilities[:200], 0.3),
    )
    assert table.loc["water"].equals(first.loc["water"])
    assert table.loc["clear"].equals(score_labels(truth, probabilities, 0.3).loc["clear"])
    assert table.loc["road", ["known", "support", "predicted", "found"]].tolist() == [0, 0, 0, 0]
    assert table.loc["road", ["precision", "recall", "f2", "average_precision"]].isna().all()
    assert tune_thresholds(masked, probabilities)[INDEX["road"]] == F2_THRESHOLD
    known = [label for label in LABELS if label not in ("water", "road")]
    columns = [INDEX[label] for label in known]
    predictions = probabilities >= 0.3
    np.testing.assert_array_equal(
        score_chips(masked, predictions)[200:],
        score_chips(truth[:, columns], predictions[:, columns])[200:],
    )


@pytest.mark.parametrize(("more", "less"), [(0, 5), (11, 0), (7, 3), (40, 41)])
def test_pairs_are_compared_by_the_sign_test(more, less):
    tail = sum(math.comb(more + less, k) for k in range(min(more, less) + 1)) / 2 ** (more + less)
    assert compare_pairs(more, less) == pytest.approx(min(1, 2 * tail))
    assert compare_pairs(less, more) == compare_pairs(more, less)
    assert compare_pairs(0, 0) == 1
