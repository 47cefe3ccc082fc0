"""How well mines are found: counts with intervals, outcomes chip by chip, effort of a search."""

import math

import numpy as np
import pytest

from planet_lib.data.labels import INDEX, MINE
from planet_lib.evaluation.mines import count_mines, measure_effort, sort_outcomes
from planet_lib.evaluation.run_scores import score_run

SPLITS = np.array(["train", "validation", "test", "unlabelled"] * 75)
TEST = SPLITS == "test"


def score_mines(mines: int, found: int, false_positives: int):
    """Score a run on 75 test chips with mines of which some are found, and false positives."""
    truth = np.zeros((len(SPLITS), 17), np.uint8)
    truth[:, 0] = 1
    test = np.flatnonzero(TEST)
    truth[test[:mines], INDEX[MINE]] = 1
    probabilities = truth * np.float32(0.1)
    probabilities[test[:found], INDEX[MINE]] = 0.9
    probabilities[test[mines : mines + false_positives], INDEX[MINE]] = 0.5
    return score_run(truth, probabilities, SPLITS, np.arange(len(SPLITS)), seed=0)


def test_mines_are_counted_with_wilsons_interval():
    row = count_mines({"cnn-raw": score_mines(4, 3, 2)}).loc["cnn-raw"]
    assert row["found"] == "3 of 4"
    assert row["predicted"] == 5
    z, p, n = 1.96, 3 / 4, 4
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    low, high = centre - half, centre + half
    assert row["recall, 95 % interval"] == f"{low:.0%} to {high:.0%}"


@pytest.mark.parametrize(
    ("mines", "found", "expected"),
    [(0, 0, ("0 of 0", "0% to 100%")), (1, 0, ("0 of 1", "0% to 79%"))],
    ids=["no mine", "a missed mine"],
)
def test_few_mines_leave_every_recall_open(mines, found, expected):
    row = count_mines({"cnn-raw": score_mines(mines, found, 2)}).loc["cnn-raw"]
    assert (row["found"], row["recall, 95 % interval"]) == expected
    assert math.isnan(row["average precision"]) == (mines == 0)


def test_every_chip_has_the_outcome_that_the_threshold_gives_it():
    is_mine = np.array([True, True, False, False, True, False])
    outcomes = sort_outcomes(is_mine, np.array([0.3, 0.9, 0.5, 0.1, 0.1, 0.8]))
    expected = {"found": [1, 0], "missed": [4], "falsely flagged": [5, 2]}
    assert {name: rows.tolist() for name, rows in outcomes.items()} == expected


def test_effort_counts_the_chips_down_to_each_mine_and_all_ties_before_it():
    is_mine = np.array([False, True, False, True, False])
    effort = measure_effort(is_mine, np.array([0.5, 0.9, 0.1, 0.5, 0.5]))
    assert effort["chips"].tolist() == [1, 4]
    np.testing.assert_allclose(effort["share"], [0.2, 0.8])
    assert effort.index.tolist() == [1, 2]


def test_effort_is_empty_without_mines():
    assert measure_effort(np.zeros(3, bool), np.ones(3)).empty
    assert measure_effort(np.zeros(0, bool), np.ones(0)).empty
