"""Findings: each conclusion follows its data, and turns round when they do."""

import re

import numpy as np
import pandas as pd
import pytest

from planet_lib.data.labels import INDEX, LABELS, MINE, WEATHER, encode_tags
from planet_lib.evaluation.detection import compare_detectors
from planet_lib.evaluation.detector_errors import score_kinds
from planet_lib.evaluation.run_scores import score_run
from planet_lib.report.findings import (
    dehaze,
    detection,
    ensemble,
    evaluate,
    explore,
    find_mines,
    train,
)

CLEAR, HAZE = WEATHER.index("clear"), WEATHER.index("haze")
OPEN, UP, DOWN = (-0.01, 0.02), (0.01, 0.02), (-0.02, -0.01)


def test_rarity_bounds_the_best_possible_recall():
    text = explore.conclude_rarity(11, 150, 3)
    assert "11 of 150 labelled chips (7.3%)" in text
    assert "3 of them in the test" in text
    assert "at least 44%" in text
    assert "nothing about finding one" in explore.conclude_rarity(4, 150, 0)


def test_cooccurrence_names_the_labels_that_differ_most():
    with_mine, without = f"clear primary water {MINE}", "clear primary road"
    text = explore.conclude_cooccurrence(encode_tags([with_mine, without, without]), MINE)
    assert "over-represented label is water (100% against 33% of all chips)" in text
    assert "under-represented road (0% against 67% of all chips)" in text
    assert "No chip has" in explore.conclude_cooccurrence(encode_tags([without]), MINE)


@pytest.mark.parametrize(
    ("haziness", "conclusion"),
    [
        ([0.1, 0.2, 0.8, 0.9], "100.0% of all pairs.*a threshold separates"),
        ([0.1, 0.8, 0.2, 0.9], "75.0% of all pairs.*no threshold separates"),
    ],
)
def test_haziness_separates_hazy_from_clear_chips_or_not(haziness, conclusion):
    weather = np.array([CLEAR, CLEAR, HAZE, HAZE, -1])
    text = explore.conclude_haziness(np.array([*haziness, 0.0]), weather)
    assert pd.Series([text]).str.contains(conclusion).all()
    assert "separates nothing" in explore.conclude_haziness(np.ones(5), weather * 0)


def test_haze_removal_hides_the_weather_or_not():
    weather = np.array([CLEAR, CLEAR, HAZE, HAZE])
    apart, mixed = np.array([0.1, 0.2, 0.8, 0.9]), np.array([0.1, 0.9, 0.2, 0.8])
    text = dehaze.conclude_haze_removal(apart, mixed, weather)
    assert "100% of all pairs before and in 50% after" in text
    assert "harder to recognise" in text
    assert "about as easy" in dehaze.conclude_haze_removal(apart, apart, weather)
    assert "easier to recognise" in dehaze.conclude_haze_removal(mixed, apart, weather)


def test_truth_tells_where_a_method_helps_and_where_it_harms():
    def conclude(no_haze: float, dense: float) -> str:
        rows = [("no haze", "as taken", 3.0), ("dense", "as taken", 20.0)]
        rows += [("no haze", "dark_channel", no_haze), ("dense", "dark_channel", dense)]
        scores = pd.DataFrame(rows, columns=["strength", "method", "ciede2000"])
        return dehaze.conclude_truth(scores, "dark_channel")

    text = conclude(4, 15)
    assert "dark channel lowers the colour error, most at “dense” (−5.0)" in text
    assert "raises it at “no haze” (by up to 1.0, too little to be seen)" in text
    assert "visible" in conclude(6, 15)
    assert "lowers the colour error at every haze strength, most" in conclude(2, 15)
    assert "raises the colour error at every haze strength (by up to 2.0" in conclude(5, 21)


@pytest.mark.parametrize(
    ("losses", "validation", "best", "conclusion"),
    [
        ([3, 2, 1], [3, 2, 1], 3, "lowest in epoch 3 of 3: too few follow"),
        ([3, 2, 1], [3, 2, 4], 2, "lowest in epoch 2 of 3: too few follow"),
        ([4, 2, 1, 1, 1], [3, 2, 4, 4, 4], 2, "is \\+100% .* −50% .*overfits"),
        ([3, 2, 2, 2, 2], [3, 2, 2.1, 2, 2.05], 2, "no more than it changes from one epoch"),
        ([3, 2, 3, 3, 3], [3, 2, 4, 4, 4], 2, "unsteady"),
    ],
)
def test_training_overfits_or_would_go_on(losses, validation, best, conclusion):
    history = pd.DataFrame({"loss": losses, "val_loss": validation})
    text = train.conclude_training(history, best)
    assert pd.Series([text]).str.contains(conclusion).all()


def test_ladder_names_the_largest_settled_gain():
    ladder = pd.DataFrame(
        {
            "gain": [None, 0.02, 0.03, 0.04, -0.02],
            "gain_low": [None, 0.01, 0.02, -0.01, -0.03],
            "gain_high": [None, 0.03, 0.04, 0.09, -0.01],
        },
        ["trees", "ridge", "network", "luck", "harm"],
    )
    text = ensemble.conclude_ladder(ladder)
    assert "2 of 4 steps gain more than chance explains; most by “network” (+0.030)" in text
    assert "Lost by more than chance explains: “harm”" in text
    assert "Steps whose interval includes zero: 1." in text
    assert "No step gains" in ensemble.conclude_ladder(ladder.loc[["trees", "luck"]])
    assert "Lost by more" in ensemble.conclude_ladder(ladder.loc[["trees", "harm"]])


def score(right: int, chips: int = 40, group_size: int = 1):
    """Score predictions that are right about the first test chips and wrong about the others."""
    truth = np.tile(encode_tags(["clear primary"]), (chips, 1))
    predicted = np.where(np.arange(chips)[:, None] < right, truth, 1 - truth)
    splits = np.where(np.arange(chips) < chips - 1, "test", "validation")
    groups = np.arange(chips) // group_size
    return score_run(truth, predicted.astype(float), splits, groups, seed=0)


def test_runs_beat_the_best_baseline_or_not():
    baselines = {"constant": score(10), "trees": score(20)}

    def conclude(**scores) -> str:
        runs = {f"{name}-raw": value for name, value in scores.items()}
        return evaluate.conclude_baselines(runs, baselines, seed=0)

    assert "Every run beats the best baseline (trees)" in conclude(cnn=score(30))
    assert "No run beats" in conclude(cnn=score(20), resnet=score(15))
    text = conclude(cnn=score(30), resnet=score(20))
    assert "1 of 2 runs beats" in text
    assert text.endswith("Plain CNN, as taken.")


def test_ten_better_chips_of_one_scene_beat_no_baseline():
    baselines = {"trees": score(20, group_size=10)}
    run = {"cnn-raw": score(30, group_size=10)}
    assert "No run beats" in evaluate.conclude_baselines(run, baselines, seed=0)


def test_haze_gain_is_settled_only_by_an_interval_without_zero():
    def conclude(**intervals) -> str:
        gains = {f"{name}-dehazed": {"interval": ends} for name, ends in intervals.items()}
        return evaluate.conclude_haze_gain(gains)

    text = conclude(cnn=UP, resnet=DOWN, densenet=OPEN)
    assert "rises by more than chance explains for Plain CNN, haze removed." in text
    assert "falls by more than chance explains for ResNet, haze removed." in text
    assert "For DenseNet, haze removed the interval includes zero" in text
    assert "Plain CNN, haze removed; and ResNet, haze removed" in conclude(cnn=UP, resnet=UP)
    assert conclude(cnn=OPEN).startswith("Every interval includes zero")
    assert "nothing is compared" in conclude()


def find(count: int, mines: int) -> np.ndarray:
    return np.arange(mines) < count


def test_mines_rank_runs_only_where_their_intervals_do_not_overlap():
    text = evaluate.conclude_mines({"a": find(1, 4), "b": find(3, 4)})
    assert "Of 4 mines, 1 found by every run and 1 by none" in text
    assert "no more than chance" in text
    text = evaluate.conclude_mines({"a": find(44, 68), "b": find(55, 68)})
    assert "recall by 1%; the best and the worst run differ by more than chance" in text
    assert evaluate.conclude_mines({"a": find(1, 1)}).startswith("Mines found: 1 of 1.")
    assert "says nothing" in evaluate.conclude_mines({"a": find(0, 0)})


def test_mine_errors_tell_what_the_missed_mine_costs_and_what_is_taken_for_one():
    truth = encode_tags([f"clear primary {MINE}"] * 2 + ["clear road"] * 4 + ["clear primary"] * 24)
    probabilities = np.zeros(truth.shape)

    def conclude(*mine: float) -> str:
        probabilities[:, INDEX[MINE]] = [*mine, *[0.0] * (len(truth) - len(mine))]
        return evaluate.conclude_mine_errors(truth, probabilities)

    text = conclude(0.9, 0.1, 0.5, 0.6, 0.4, 0.7, 0.15)
    assert "would have to be 0.1; then 5 chips without a mine" in text
    assert "instead of 4" in text
    assert "Of the 4 falsely flagged chips, 100% show road (of all chips 13%)" in text
    assert "Falsely flagged chips: 1; no label stands out" in conclude(0.9, 0.9, 0.5)
    assert conclude(0.9, 0.9) == "No mine is missed. No chip is falsely flagged."


def score_threshold_chips(*between: int):
    """Score chips whose label is sure, but for some that only the lower threshold predicts."""
    truth = np.tile(encode_tags(["clear primary"]), (20, 1))
    predicted = truth.astype(float)
    predicted[:, list(between)] = 0.3
    splits = np.repeat(["test", "validation"], 10)
    return score_run(truth, predicted, splits, np.arange(20), seed=0)


def test_lower_threshold_pays_where_enough_of_what_it_adds_is_true():
    clear, road, water = INDEX["clear"], INDEX["road"], INDEX["water"]
    text = evaluate.conclude_thresholds(score_threshold_chips(clear, road))
    assert "adds 20 predicted labels, of which 50% are true" in text
    assert "so by this measure the lower threshold pays" in text
    false = evaluate.conclude_thresholds(score_threshold_chips(road, water))
    assert "does not pay" in false
    assert "does not matter" in evaluate.conclude_thresholds(score_threshold_chips())


def test_choice_tells_the_lead_and_the_rank_on_the_test_chips():
    runs = {"cnn-raw": score(30), "densenet-raw": score(20)}
    text = evaluate.conclude_choice(runs, "densenet-raw")
    assert "(Plain CNN, as taken); on the test chips it has rank 2 of 2" in text
    assert "no other run" in evaluate.conclude_choice({"cnn-raw": score(30)}, "cnn-raw")


def test_haze_free_chips_help_the_label_that_gains_most():
    labels = pd.DataFrame({"f2": 0.5, "support": 20}, ["water", "haze", "road", "blow_down"])
    labels.loc["blow_down", "support"] = 3
    change = pd.Series([0.2, -0.1, 0.0, 0.4], labels.index)
    tables = {"cnn-raw": labels, "cnn-dehazed": labels.assign(f2=labels["f2"] + change)}
    text = evaluate.conclude_haze_labels(tables)
    assert "of the 3 labels on at least 10 test chips" in text
    assert "changes between −0.10 (haze) and +0.20 (water)" in text
    assert evaluate.conclude_haze_labels({"cnn-raw": labels}) == ""
    unchanged = {"cnn-raw": labels, "cnn-dehazed": labels}
    assert evaluate.conclude_haze_labels(unchanged).startswith("No label on at least 10")


def test_published_scores_are_compared_by_a_sign_test_and_not_with_synthetic_chips():
    labels = [f"label {i}" for i in range(12)]
    published, support = pd.Series(0.5, labels), pd.Series([10] * 11 + [9], labels)

    def conclude(higher: int, **options) -> str:
        own = pd.Series(np.where(np.arange(12) < higher, 0.6, 0.4), labels)
        return evaluate.conclude_published(
            own, published, support, **{"synthetic": False} | options
        )

    assert "Of the 11 labels on at least 10 test chips" in conclude(11)
    assert "higher on 11 and lower on 0." in conclude(11)
    assert "the difference is more than chance explains" in conclude(11)
    assert "the difference is no more than chance explains" in conclude(6)
    assert "synthetic chips are easier" in conclude(11, synthetic=True)


def test_weather_is_compared_with_the_best_other_method():
    right, half = np.ones(100, bool), np.arange(100) % 2 == 0
    others = {"forest": half, "regression": ~right}

    def conclude(correct) -> str:
        correct = {"cnn-raw": correct, **others}
        return evaluate.conclude_weather(correct, "cnn-raw", np.arange(100), seed=0)

    assert "Plain CNN, as taken is right on 100.0%" in conclude(right)
    assert "(forest) on 50.0%: a difference of +50.0 percentage points" in conclude(right)
    assert "more than chance explains" in conclude(right)
    assert "cannot tell from chance" in conclude(~half)
    assert "a difference of −50.0" in conclude(~right)
    assert "worse than these two numbers" in conclude(~right)


@pytest.mark.parametrize(
    ("excess", "conclusion"),
    [
        ([0.01, 0.02, 0.015], "splits overestimate it"),
        ([0.001, 0.002, 0.03], "cannot be shown here"),
        ([-0.01, -0.02, -0.015], "do not overestimate it"),
    ],
)
def test_leakage_is_shown_only_where_the_seeds_agree(excess, conclusion):
    leakage = pd.DataFrame({"random": np.array(excess) + 0.8, "grouped": 0.8})
    text = evaluate.conclude_leakage(leakage)
    assert conclusion in text
    assert f"differs by {np.mean(excess):+.3f}".replace("-", "−") in text


def test_search_expects_mines_at_the_precision_of_the_test():
    text = find_mines.conclude_search(20, 50, {"predicted": 10, "found": 9})
    assert "Of the test chips, 10 reach the threshold, 9 of them with a mine" in text
    assert "11 to 20 of the 20 flagged ones have a mine" in text
    assert "unknown" in find_mines.conclude_search(20, 50, {"predicted": 0, "found": 0})
    none = {"predicted": 10, "found": 9}
    assert "does not mean that there is no mine" in find_mines.conclude_search(0, 50, none)
    assert "no unlabelled chips" in find_mines.conclude_search(0, 0, none)


def test_effort_says_how_far_to_look_from_the_ranks_of_known_mines():
    text = find_mines.conclude_effort([1, 2, 5, 30], 100, 50)
    assert "The first 30 of 100 held-out chips hold 4 of 4 mines" in text
    assert "would take about 81 chips" in text
    assert "look at the first 15 of 50" in text
    assert "at least 40% of all mines" in text
    twenty = [*range(1, 20), 100]  # one of twenty may be missed
    assert "The first 18 of 100 held-out chips hold 18 of 20" in find_mines.conclude_effort(
        twenty, 100, 50
    )
    assert "cannot tell how far" in find_mines.conclude_effort([], 100, 50)
    assert "unlabelled" not in find_mines.conclude_effort([1, 2], 100, 0)


def test_interval_of_a_search_holds_the_number_of_mines():
    rng = np.random.default_rng(0)
    held = []
    for share in rng.uniform(0.2, 0.9, 400):
        found, mines = rng.binomial(40, share), rng.binomial(15, share)
        text = find_mines.conclude_search(15, 50, {"predicted": 40, "found": found})
        low, high = map(int, re.search(r"(\d+) to (\d+) of the 15", text).groups())
        held.append(low <= mines <= high)
    assert np.mean(held) > 0.93


@pytest.mark.parametrize("mines", [1, 3, 10, 30])
def test_effort_promises_no_more_than_it_finds(mines):
    rng = np.random.default_rng(1)
    text = find_mines.conclude_effort([*range(1, mines + 1)], 1000, 50)
    promised = int(re.search(r"at least (\d+)%", text)[1]) / 100
    wanted = int(re.search(rf"hold (\d+) of {mines}", text)[1])
    depths = np.sort(rng.random((4000, mines)))[:, wanted - 1]  # shares of all mines down to there
    assert np.mean(depths < promised) == pytest.approx(0.025, abs=0.012)


def test_watched_chips_tell_what_is_learned_last():
    truth = encode_tags(["clear primary", "haze water"])
    watched = np.repeat(truth[None].astype(float), 4, axis=0)
    watched[0, :, INDEX["primary"]] = 1 - truth[:, INDEX["primary"]]
    watched[:2, 1, INDEX["water"]] = 0.1
    text = train.conclude_watching(watched, truth, ["a", "b"], best_epoch=4)
    assert "of the 34 decisions" in text
    assert ": 3 after epoch 1, 0 after the selected epoch 4." in text
    assert "water on b, from epoch 3 on" in text
    settled = train.conclude_watching(watched[2:], truth, ["a", "b"], best_epoch=2)
    assert settled.endswith("0 after the selected epoch 2.")


def test_mistakes_name_the_worst_labels_and_whether_a_threshold_would_help():
    truth = encode_tags(["clear primary road", "clear primary road", "clear primary", "haze"])

    def conclude(road: float) -> str:
        probabilities = truth.astype(float)
        probabilities[:, INDEX["road"]] = [road, 1, 0, 0]
        probabilities[3, INDEX["water"]] = 0.9
        return train.conclude_mistakes(truth, probabilities)

    text = conclude(0.15)
    assert "2 of 4 chips get exactly their true labels" in text
    assert "Missed labels: 1, most often road (on 1 of its 2 chips)" in text
    assert "a lower threshold would find many" in text
    assert "falsely: 1, most often water (1 of its 1 predictions)" in text
    assert "only a threshold below half of it" in conclude(0.01)
    assert train.conclude_mistakes(truth, truth.astype(float)).startswith("4 of 4")


def test_similarity_counts_only_where_it_comes_with_labels():
    training = encode_tags(["clear primary", "haze water"])
    truth = encode_tags(["clear primary", "haze water"])
    text = ensemble.conclude_similarity(np.array([0, 1]), truth, training)
    assert "shares 100% of the labels" in text
    assert "any training chip 50%: what looks alike" in text
    assert "means nothing" in ensemble.conclude_similarity(np.array([1, 0]), truth, training)


def test_members_are_judged_where_they_disagree():
    truth = np.zeros((4, len(LABELS)), np.uint8)
    truth[:2, 0] = 1
    sure = truth.astype(float)
    wrong = {name: sure.copy() for name in ("trees", "ridge", "networks")}
    for row, name in enumerate(wrong):
        wrong[name][row, 0] = 0.1 if truth[row, 0] else 0.3
    text = ensemble.conclude_disagreement(wrong, truth)
    assert "disagree about 3 of 68 decisions (4.4%)" in text
    assert "trees 67%, ridge 67%, networks 67% and their mean 100%" in text
    assert "better than any one of them" in text
    agreed = ensemble.conclude_disagreement({"trees": sure, "ridge": sure}, truth)
    assert "averaging changes nothing" in agreed


def test_mistakes_of_a_chip_are_written_in_plain_words():
    truth, predicted = encode_tags([f"clear {MINE}", "clear bare_ground"])
    text = train.describe_mistakes(truth, predicted)
    assert text == "missed: artisanal mine\nfalse: bare ground"
    assert train.describe_mistakes(truth, truth) == "no mistake"


def test_kinds_say_where_they_come_from_and_whether_chance_explains_their_order():
    kinds = np.repeat(["sand", "pond"], 100)
    flagged = np.arange(200) % 100 < np.repeat([40, 2], 100)
    places = np.repeat([1, 2], 100)
    text = detection.conclude_kinds(score_kinds(kinds, flagged, places))
    assert "sand (40 of 100, 40.0%); least often: pond (2 of 100, 2.0%)" in text
    assert "2 of the 2 kinds come from one place each" in text
    spread = score_kinds(kinds, flagged, np.arange(200))
    assert detection.conclude_kinds(spread).endswith("2.0%).")
    same = score_kinds(kinds, np.arange(200) % 2 == 0, places)
    assert "chance may explain the order" in detection.conclude_kinds(same)
    assert "Only one kind" in detection.conclude_kinds(spread.head(1))
    none = score_kinds(kinds, np.zeros(200, bool), places)
    assert detection.conclude_kinds(none) == "None of 200 chips without a mine is taken for one."


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        ([90, 10], "(B) to 90% (A). More than chance explains, if the chips were independent"),
        ([50, 52], "(A) to 52% (B). No more than chance explains"),
        ([70, 70], "Recall is 70% in each of 2 regions."),
    ],
)
def test_regions_differ_where_a_test_of_all_of_them_says_so(found, verdict):
    table = pd.DataFrame({"mines": [100, 100], "found": found}, index=["A", "B"])
    assert verdict in detection.conclude_regions(table)
    assert "One region has a location" in detection.conclude_regions(table.head(1))
    assert "No region has a location" in detection.conclude_regions(table.head(0))


def test_sizes_are_compared_unless_all_mines_are_found():
    hectares = np.arange(20) / 2
    text = detection.conclude_sizes(hectares, hectares > 4)
    assert "missed mine shows 2.0 hectares" in text
    assert "of a found one 7.0" in text
    assert "Every mine is found" in detection.conclude_sizes(hectares, hectares >= 0)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.1, 0.5, "Random splits flatter by 0.30 (95 % interval over places +0.10 to +0.50)"),
        (-0.1, 0.7, "The difference of +0.30 (95 % interval over places −0.10 to +0.70) does not"),
        (np.nan, np.nan, "too few to tell whether random splits flatter"),
    ],
)
def test_random_splits_flatter_where_the_interval_says_so(low, high, verdict):
    excess = pd.Series({"value": 0.3, "low": low, "high": high})
    text = detection.conclude_divisions({"random": 0.7, "by place": 0.4}, excess)
    assert "reach 0.70 on random splits, 0.40 by place." in text
    assert verdict in text


def test_nothing_is_said_of_haze_removal_where_places_are_too_few():
    undefined = compare_detectors(
        np.repeat([True, False], 10),
        {"cnn-raw": np.arange(20.0), "cnn-dehazed": np.arange(20.0)[::-1]},
        {"cnn-dehazed": "cnn-raw"},
        np.repeat([0, 1], 10),
        seed=0,
    )
    assert "settle nothing" in detection.conclude_pairs(undefined)
