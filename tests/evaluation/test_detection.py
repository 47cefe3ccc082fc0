"""Operating points of a detector, against scikit-learn and loops; intervals; errors by kind."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from planet_lib.evaluation.detection import (
    FIRST_CHIPS,
    MEASURES,
    SPECIFICITIES,
    compare_detectors,
    find_threshold,
    measure_detector,
    score_detectors,
    write_measures,
)
from planet_lib.evaluation.detector_errors import (
    compare_composites,
    measure_bright_ground,
    score_kinds,
    summarise_regions,
)
from planet_lib.evaluation.metrics import bound_proportion

CHIPS = 700
RNG = np.random.default_rng(5)
TRUTH = RNG.random(CHIPS) < 0.3
SCORES = np.round(RNG.normal(TRUTH, 0.8), 1)  # with ties
GROUPS = RNG.integers(25, size=CHIPS)

examples = st.lists(
    st.tuples(st.booleans(), st.integers(0, 6), st.integers(0, 3)), min_size=2, max_size=60
).filter(lambda rows: {truth for truth, _, weight in rows if weight} == {True, False})


@given(examples)
def test_average_precision_is_that_of_scikit_learn(rows):
    truth, scores, weights = (np.array(part) for part in zip(*rows, strict=True))
    expected = average_precision_score(truth, scores, sample_weight=weights)
    assert measure_detector(truth, scores, weights.astype(float))[0] == pytest.approx(expected)


@given(examples)
def test_weights_count_chips_several_times(rows):
    truth, scores, weights = (np.array(part) for part in zip(*rows, strict=True))
    repeated = measure_detector(np.repeat(truth, weights), np.repeat(scores, weights))
    weighted = measure_detector(truth, scores, weights.astype(float))
    np.testing.assert_allclose(weighted, repeated)


def test_recall_at_specificity_is_the_best_of_all_thresholds():
    measured = dict(zip(MEASURES, measure_detector(TRUTH, SCORES), strict=True))
    thresholds = [*np.unique(SCORES), np.inf]
    for specificity in SPECIFICITIES:
        best = max(
            (SCORES[TRUTH] >= threshold).mean()
            for threshold in thresholds
            if (SCORES[~TRUTH] < threshold).mean() >= specificity
        )
        assert measured[f"recall at specificity {specificity:g}"] == pytest.approx(best)


def test_precision_of_the_first_is_the_mean_over_orders_of_ties():
    measured = dict(zip(MEASURES, measure_detector(TRUTH, SCORES), strict=True))
    rng = np.random.default_rng(0)
    for count in FIRST_CHIPS:
        precisions = []
        for _ in range(300):
            order = np.lexsort((rng.random(CHIPS), -SCORES))
            precisions.append(TRUTH[order[:count]].mean())
        expected = np.mean(precisions)
        assert measured[f"precision of the first {count}"] == pytest.approx(expected, abs=0.005)


def test_undefined_measures_are_nan():
    assert np.isnan(measure_detector(np.zeros(5, bool), np.arange(5.0))).all()
    few = dict(zip(MEASURES, measure_detector(np.array([True, False]), np.ones(2)), strict=True))
    assert np.isnan(few["precision of the first 100"])
    assert few["average precision"] == 0.5


def test_perfect_detector_is_perfect():
    values = measure_detector(TRUTH, TRUTH.astype(float))
    np.testing.assert_allclose(values[: 1 + len(SPECIFICITIES)], 1)


def test_intervals_hold_the_value_and_are_wider_over_groups_than_over_chips():
    by_group = score_detectors(TRUTH, {"d": SCORES + TRUTH * (GROUPS % 2)}, GROUPS, seed=1)
    by_chip = score_detectors(TRUTH, {"d": SCORES + TRUTH * (GROUPS % 2)}, np.arange(CHIPS), seed=1)
    assert (by_group["low"] <= by_group["value"]).all()
    assert (by_group["value"] <= by_group["high"]).all()
    width = (by_group["high"] - by_group["low"]) / (by_chip["high"] - by_chip["low"])
    assert width.loc[("d", "recall at specificity 0.95")] > 1


def test_difference_of_a_detector_from_itself_is_zero():
    table = compare_detectors(
        TRUTH, {"a": SCORES, "b": SCORES, "c": -SCORES}, {"b": "a", "c": "a"}, GROUPS, seed=1
    )
    assert (table.loc["b"] == 0).all(axis=None)
    assert table.loc[("c", "average precision"), "high"] < 0


def test_repeats_with_other_seeds_are_averaged():
    repeats = np.array([SCORES, -SCORES])
    table = score_detectors(TRUTH, {"d": repeats}, GROUPS, seed=1)
    expected = np.mean([measure_detector(TRUTH, each) for each in repeats], axis=0)
    np.testing.assert_allclose(table["value"], expected)


def test_no_pairs_give_an_empty_table():
    assert len(compare_detectors(TRUTH, {"a": SCORES}, {}, GROUPS, seed=1)) == 0


def test_measures_for_json_have_none_where_undefined():
    few = score_detectors(np.array([True, False]), {"d": np.array([1.0, 0])}, np.arange(2), seed=1)
    written = write_measures(few, "d")
    assert written["average precision"]["value"] == 1
    assert written["precision of the first 100"] == {"value": None, "low": None, "high": None}


def test_one_place_without_a_mine_gives_no_interval():
    groups = np.where(TRUTH, GROUPS, GROUPS.max() + 1)
    table = score_detectors(TRUTH, {"d": SCORES}, groups, seed=1)
    assert table["value"].notna().any()
    assert table[["low", "high"]].isna().all(axis=None)


def test_measure_that_many_draws_do_not_define_has_no_interval():
    truth = np.array([True] * 6 + [False] * 3)
    groups = np.array([0] * 5 + [1] * 4)  # one draw in four has only the first, all positive
    scores = np.linspace(1, 0, 9)
    table = score_detectors(truth, {"d": scores}, groups, seed=1)
    assert np.isfinite(table.loc[("d", "average precision"), "value"])
    assert table[["low", "high"]].isna().all(axis=None)


def test_threshold_of_no_specificity_takes_every_chip():
    assert (find_threshold(TRUTH, SCORES, 0.0) <= SCORES).all()


@pytest.mark.parametrize("specificity", [0.5, *SPECIFICITIES, 1.0])
def test_threshold_has_the_specificity_and_no_lower_one_has(specificity):
    threshold = find_threshold(TRUTH, SCORES, specificity)
    negatives = SCORES[~TRUTH]
    assert (negatives < threshold).mean() >= specificity
    lower = negatives[negatives < threshold].max()
    assert (negatives < lower).mean() < specificity


def test_kinds_are_counted_with_their_intervals():
    kinds = np.array(["sand"] * 4 + ["pond"] * 10)
    flagged = np.array([True, True, False, False] + [False] * 9 + [True])
    table = score_kinds(kinds, flagged, np.array([7] * 4 + [7] * 8 + [8, 9]))
    assert list(table.index) == ["sand", "pond"]
    assert table.loc["sand", ["chips", "places", "flagged"]].tolist() == [4, 1, 2]
    assert table.loc["pond", "places"] == 3
    assert table.loc["pond", ["low", "high"]].tolist() == list(bound_proportion(1, 10))


def test_bright_ground_is_an_area():
    chip = np.zeros((48, 48, 3), np.uint8)
    chip[:10, :10, 0] = 200
    assert measure_bright_ground(chip, ground_distance_m=10) == pytest.approx(1.0)
    assert measure_bright_ground(chip, ground_distance_m=5) == pytest.approx(0.25)


def test_regions_count_located_mines():
    mines = pd.DataFrame(
        {
            "group": [1, 1, 1, 2, 3],
            "longitude": [-60.0, -60.2, -60.1, 10.0, np.nan],
            "latitude": [-5.0, -5.0, -5.0, 2.0, np.nan],
        }
    )
    table = summarise_regions(mines, np.array([True, False, True, True, True]))
    assert list(table.index) == ["5.0° S, 60.1° W", "2.0° N, 10.0° E"]
    assert table["mines"].tolist() == [3, 1]
    assert table["recall"].tolist() == pytest.approx([2 / 3, 1])


def test_composites_compare_the_same_chips_before_and_after():
    clear = np.where(np.arange(CHIPS) % 2, 0.75, 0.05)
    same = compare_composites(TRUTH, SCORES, SCORES, clear, specificity=0.9)
    assert same["chips"].sum() == (~TRUTH).sum()
    assert (same["raw"] == same["dehazed"]).all()
    assert (same["p"] == 1).all()
    worse = SCORES + np.where(clear == 0.05, 3, 0)
    changed = compare_composites(TRUTH, SCORES, worse, clear, specificity=0.9)
    assert changed.loc[0.05, "dehazed"] > changed.loc[0.05, "raw"]
    assert changed.loc[0.75, "dehazed"] < changed.loc[0.75, "raw"]
    assert changed.loc[0.05, "p"] < 0.05
