"""Thresholds for scenes: quantiles over chips of the highest merged probability in each."""

import keras
import numpy as np
import pytest

from planet_lib.data.labels import MINE
from planet_lib.files import read_json, write_json
from planet_lib.networks.card import CARD
from planet_lib.networks.files import save_model
from planet_lib.scenes.detector import find_shipped
from planet_lib.training.scene_thresholds import measure_scene_thresholds

CHIPS = 27  # two more than a square


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    """Write a detector whose probability is the mean level of a chip, as a share of 255."""
    folder = tmp_path_factory.mktemp("detector")
    chips = keras.Input((48, 48, 3), name="chips")
    levels = keras.layers.GlobalAveragePooling2D()(chips)
    share = keras.layers.Dense(1, kernel_initializer=keras.initializers.Constant(1 / 765))
    mine = keras.layers.Identity(name=MINE)(share(levels))
    save_model(keras.Model(chips, {MINE: mine}), folder)
    card = read_json(find_shipped()["mining-watch"] / CARD)
    write_json(folder / CARD, card | {"brightness": [0, 255], "dark_channel": 255})
    return folder


def measure(detector, levels, **shares):
    chips = np.zeros((len(levels), 48, 48, 3), np.uint8) + levels[:, None, None, None]
    return measure_scene_thresholds(detector, chips.astype(np.uint8), shares)


def test_equal_chips_have_one_threshold(detector):
    found = measure(detector, np.full(CHIPS, 102), some=0.1, most=0.9)
    assert found == pytest.approx({"some": 0.4, "most": 0.4}, abs=1e-3)


def test_merging_takes_the_highest_probability_of_a_chip_and_lowers_it(detector):
    levels = np.full(CHIPS, 51)
    levels[: CHIPS // 3] = 204
    found = measure(detector, levels, lowest=0.0, few=0.2, most=0.9, highest=1.0)
    assert list(found.values()) == sorted(found.values())
    assert found["lowest"] >= 0.2 - 1e-3
    assert found["few"] < found["most"] <= 0.8 + 1e-3
