"""Ranking hazy above clear chips: the area under the curve, or nothing to rank."""

import numpy as np
import pytest

from planet_lib.data.labels import WEATHER
from planet_lib.evaluation.haze_ranking import rank_hazy_chips

CLEAR, HAZE = WEATHER.index("clear"), WEATHER.index("haze")


@pytest.mark.parametrize(
    ("haziness", "share"),
    [([1, 2, 3, 4], 1), ([3, 4, 1, 2], 0), ([1, 3, 2, 4], 0.75), ([1] * 4, 0.5)],
)
def test_share_of_pairs_in_which_the_hazy_chip_ranks_higher(haziness, share):
    weather = np.array([CLEAR, CLEAR, HAZE, HAZE, -1])
    assert rank_hazy_chips(np.array([*haziness, 9]), weather) == share


def test_one_kind_of_chip_ranks_nothing():
    assert rank_hazy_chips(np.ones(2), np.array([CLEAR, CLEAR])) is None
    assert rank_hazy_chips(np.ones(2), np.array([HAZE, -1])) is None
