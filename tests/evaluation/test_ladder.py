"""The scores of a ladder equal scikit-learn's, with gains paired chip by chip."""

import numpy as np
import pytest
from sklearn.metrics import fbeta_score

from planet_lib.evaluation.ladder import score_ladder

CHIPS, REPEATS = 60, 2


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    truth = np.random.default_rng(0).random((CHIPS, 17)) < 0.3
    truth[:, 0] = True
    return truth


@pytest.fixture(scope="module")
def steps(truth) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    better = np.clip(truth * 0.5 + rng.random((REPEATS, CHIPS, 17)) * 0.3, 0, 1)
    return {"random": rng.random((REPEATS, CHIPS, 17)), "better": better, "same": better}


@pytest.fixture(scope="module")
def ladder(truth, steps):
    return score_ladder(truth, steps, np.arange(CHIPS) // 2, seed=0)


def test_scores_equal_scikit_learn(ladder, truth, steps):
    for step, repeats in steps.items():
        reference = [
            fbeta_score(truth, repeat >= 0.2, beta=2, average="samples", zero_division=0)
            for repeat in repeats
        ]
        assert ladder.loc[step, "f2"] == pytest.approx(np.mean(reference))
        assert ladder.loc[step, "spread"] == pytest.approx(np.std(reference))
        assert ladder.loc[step, "low"] < ladder.loc[step, "f2"] < ladder.loc[step, "high"]


def test_gain_is_the_difference_from_the_step_before(ladder):
    gain = ladder.loc["better", "f2"] - ladder.loc["random", "f2"]
    assert ladder.loc["better", "gain"] == pytest.approx(gain)
    assert 0 < ladder.loc["better", "gain_low"] < gain < ladder.loc["better", "gain_high"]
    assert ladder.loc["random", ["gain", "gain_low", "gain_high"]].isna().all()


def test_step_that_changes_no_chip_has_a_gain_of_exactly_zero(ladder):
    # The interval is paired: it does not have the width of the scores' own intervals.
    assert list(ladder.loc["same", ["gain", "gain_low", "gain_high"]]) == [0, 0, 0]
