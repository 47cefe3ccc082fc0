"""Findings: each conclusion follows its data, and turns round when they do."""

import numpy as np
import pandas as pd
import pytest

from planet_lib.data.labels import MINE, WEATHER, encode_tags
from planet_lib.evaluation.run_scores import score_run
from planet_lib.report import findings

CLEAR, HAZE = WEATHER.index("clear"), WEATHER.index("haze")
OPEN, UP, DOWN = (-0.01, 0.02), (0.01, 0.02), (-0.02, -0.01)


def test_rarity_bounds_the_best_possible_recall():
    text = findings.conclude_rarity(11, 150, 3)
    assert "11 of 150 labelled chips (7.3%)" in text
    assert "3 of them in the test" in text
    assert "at least 44%" in text
    assert "nothing about finding one" in findings.conclude_rarity(4, 150, 0)


def test_cooccurrence_names_the_labels_that_differ_most():
    with_mine, without = f"clear primary water {MINE}", "clear primary road"
    text = findings.conclude_cooccurrence(encode_tags([with_mine, without, without]), MINE)
    assert "over-represented label is water (100% against 33% of all chips)" in text
    assert "under-represented road (0% against 67% of all chips)" in text
    assert "No chip has" in findings.conclude_cooccurrence(encode_tags([without]), MINE)


@pytest.mark.parametrize(
    ("haziness", "conclusion"),
    [
        ([0.1, 0.2, 0.8, 0.9], "100% of all pairs.*a threshold separates"),
        ([0.1, 0.8, 0.2, 0.9], "75% of all pairs.*no threshold separates"),
    ],
)
def test_haziness_separates_hazy_from_clear_chips_or_not(haziness, conclusion):
    weather = np.array([CLEAR, CLEAR, HAZE, HAZE, -1])
    text = findings.conclude_haziness(np.array([*haziness, 0.0]), weather)
    assert pd.Series([text]).str.contains(conclusion).all()
    assert "separates nothing" in findings.conclude_haziness(np.ones(5), weather * 0)


def test_haze_removal_hides_the_weather_or_not():
    weather = np.array([CLEAR, CLEAR, HAZE, HAZE])
    apart, mixed = np.array([0.1, 0.2, 0.8, 0.9]), np.array([0.1, 0.9, 0.2, 0.8])
    text = findings.conclude_haze_removal(apart, mixed, weather)
    assert "100% of all pairs before and in 50% after" in text
    assert "harder to recognise" in text
    assert "as easy" in findings.conclude_haze_removal(apart, apart, weather)


def test_truth_tells_where_a_method_helps_and_where_it_harms():
    def conclude(no_haze: float, dense: float) -> str:
        rows = [("no haze", "as taken", 3.0), ("dense", "as taken", 20.0)]
        rows += [("no haze", "dark_channel", no_haze), ("dense", "dark_channel", dense)]
        scores = pd.DataFrame(rows, columns=["strength", "method", "ciede2000"])
        return findings.conclude_truth(scores, "dark_channel")

    text = conclude(4, 15)
    assert "dark channel lowers the colour error, most at “dense” (−5.0)" in text
    assert "raises it at “no haze” (by up to 1.0, too little to be seen)" in text
    assert "visible" in conclude(6, 15)
    assert "lowers the colour error at every haze strength, most" in conclude(2, 15)
    assert "raises the colour error at every haze strength (by up to 2.0" in conclude(5, 21)


@pytest.mark.parametrize(
    ("losses", "validation", "best", "conclusion"),
    [
        ([3, 2, 1], [3, 2, 1], 3, "more epochs may improve"),
        ([3, 2, 1], [3, 2, 4], 2, "1 epoch after.*by −50%.*by \\+100%: .*overfit"),
        ([3, 2, 2], [3, 2, 2.5], 2, "converged"),
    ],
)
def test_training_overfits_or_would_go_on(losses, validation, best, conclusion):
    history = pd.DataFrame({"loss": losses, "val_loss": validation})
    text = findings.conclude_training(history, best)
    assert pd.Series([text]).str.contains(conclusion).all()


def test_ladder_names_the_largest_settled_gain():
    ladder = pd.DataFrame(
        {"gain": [None, 0.02, 0.03, 0.04], "gain_low": [None, 0.01, 0.02, -0.01]},
        ["trees", "ridge", "network", "luck"],
    )
    text = findings.conclude_ladder(ladder)
    assert "2 of 3 steps gain more than chance explains; most by “network” (+0.030)" in text
    assert "gain of the other 1 may be chance" in text
    assert "No step gains" in findings.conclude_ladder(ladder.loc[["trees", "luck"]])


def score(right: int, chips: int = 40):
    """Score predictions that are right about the first test chips and wrong about the others."""
    truth = np.tile(encode_tags(["clear primary"]), (chips, 1))
    predicted = np.where(np.arange(chips)[:, None] < right, truth, 1 - truth)
    splits = np.where(np.arange(chips) < chips - 1, "test", "validation")
    return score_run(truth, predicted.astype(float), splits, seed=0)


def test_runs_beat_the_best_baseline_or_not():
    baselines = {"constant": score(10), "trees": score(20)}

    def conclude(**scores) -> str:
        runs = {f"{name}-raw": value for name, value in scores.items()}
        return findings.conclude_baselines(runs, baselines, seed=0)

    assert "Every run beats the best baseline (trees)" in conclude(cnn=score(30))
    assert "No run beats" in conclude(cnn=score(20), resnet=score(15))
    text = conclude(cnn=score(30), resnet=score(20))
    assert "1 of 2 runs beat" in text
    assert text.endswith("Plain CNN, as taken.")


def test_haze_gain_is_settled_only_by_an_interval_without_zero():
    def conclude(**intervals) -> str:
        gains = {f"{name}-dehazed": {"interval": ends} for name, ends in intervals.items()}
        return findings.conclude_haze_gain(gains)

    text = conclude(cnn=UP, resnet=DOWN, densenet=OPEN)
    assert "rises by more than chance explains for Plain CNN, haze removed." in text
    assert "falls by more than chance explains for ResNet, haze removed." in text
    assert "For DenseNet, haze removed the interval includes zero" in text
    assert "Plain CNN, haze removed; and ResNet, haze removed" in conclude(cnn=UP, resnet=UP)
    assert conclude(cnn=OPEN).startswith("Every interval includes zero")
    assert "nothing is compared" in conclude()


def test_mines_rank_runs_only_where_their_intervals_do_not_overlap():
    assert "cannot rank" in findings.conclude_mines({"a": 1, "b": 3}, 4)
    assert "recall by 1%; the intervals of the best" in findings.conclude_mines(
        {"a": 10, "b": 90}, 100
    )
    assert "says nothing" in findings.conclude_mines({"a": 0}, 0)


def test_weather_is_compared_with_the_best_other_method():
    right, half = np.ones(100, bool), np.arange(100) % 2 == 0
    others = {"forest": half, "regression": ~right}

    def conclude(correct) -> str:
        return findings.conclude_weather({"cnn-raw": correct, **others}, "cnn-raw", seed=0)

    assert "Plain CNN, as taken is right on 100.0%" in conclude(right)
    assert "(forest) on 50.0%: a difference of +50.0 percentage points" in conclude(right)
    assert "more than chance explains" in conclude(right)
    assert "cannot tell from chance" in conclude(~half)
    assert "a difference of −50.0" in conclude(~right)
    assert "worse than these two numbers" in conclude(~right)


@pytest.mark.parametrize(
    ("excess", "conclusion"),
    [
        ([0.01, 0.03], "overestimate it"),
        ([-0.01, 0.03], "sign depends on the seed"),
        ([-0.01, -0.02], "do not overestimate it"),
    ],
)
def test_leakage_is_shown_only_where_every_seed_agrees(excess, conclusion):
    leakage = pd.DataFrame({"random": np.array(excess) + 0.8, "grouped": 0.8})
    text = findings.conclude_leakage(leakage)
    assert conclusion in text
    assert f"differs by {np.mean(excess):+.3f}".replace("-", "−") in text


def test_search_expects_mines_at_the_precision_of_the_test():
    text = findings.conclude_search(20, {"predicted": 10, "found": 9})
    assert "9 of 10 mines predicted" in text
    assert "12 to 20 of the 20 flagged ones have a mine" in text
    assert "unknown" in findings.conclude_search(20, {"predicted": 0, "found": 0})
