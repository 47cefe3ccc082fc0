"""What one kind of input gains over another, chip by chip."""

import numpy as np
import pytest

from planet_lib.data.labels import LABELS
from planet_lib.evaluation.run_scores import compare_inputs, score_run

CHIPS = 60
SPLITS = np.array(["train", "validation", "test"] * (CHIPS // 3))


def score(errors: int):
    """Score answers that are right but for the road of so many test chips."""
    truth = np.zeros((CHIPS, len(LABELS)), np.uint8)
    truth[:, [0, 4, 6]] = 1
    answer = truth.astype(np.float32)
    answer[np.flatnonzero(SPLITS == "test")[:errors], 6] = 0
    return score_run(truth, answer, SPLITS, seed=0)


def test_each_input_is_compared_with_the_raw_one_of_its_network():
    scores = {"cnn-raw": score(4), "cnn-dehazed": score(10), "cnn-both": score(0)}
    scores |= {"densenet-dehazed": score(3)}
    changes = compare_inputs(scores, seed=0)
    assert list(changes) == ["cnn-dehazed", "cnn-both"]
    assert changes["cnn-dehazed"]["gain"] == pytest.approx(
        scores["cnn-dehazed"].f2 - scores["cnn-raw"].f2
    )
    low, high = changes["cnn-both"]["interval"]
    assert 0 < low < changes["cnn-both"]["gain"] < high


def test_same_answers_gain_nothing():
    changes = compare_inputs({"cnn-raw": score(4), "cnn-both": score(4)}, seed=0)
    assert changes == {"cnn-both": {"gain": 0.0, "interval": (0.0, 0.0)}}
