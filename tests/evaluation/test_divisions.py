"""Divisions at random, by place and by time: who is tested, and that leakage shows."""

import numpy as np
import pandas as pd
import pytest

from planet_lib.data.labels import INDEX, MINE
from planet_lib.evaluation.divisions import predict_by_division

CHIPS, PLACES = 240, 12


@pytest.fixture(scope="module")
def made():
    """Make places whose colour tells each place, and by that whether it has mines."""
    rng = np.random.default_rng(0)
    place = np.arange(CHIPS) % PLACES
    encoded = np.full((CHIPS, 17), -1, np.int8)
    encoded[:, INDEX[MINE]] = rng.permutation(PLACES)[place] % 2
    late = np.arange(CHIPS) >= CHIPS // 2
    catalogue = pd.DataFrame(
        {
            "group": place,
            "start": np.where(late, "2024-01-01", "2019-01-01"),
            "end": np.where(late, "2025-01-01", "2020-01-01"),
        }
    )
    colours = rng.random(PLACES)[place] + rng.normal(0, 1e-3, CHIPS)
    return pd.DataFrame({"colour": colours, "noise": rng.random(CHIPS)}), encoded, catalogue


@pytest.fixture(scope="module")
def predicted(made):
    return predict_by_division(*made, MINE, seed=0)


@pytest.mark.slow
def test_random_splits_flatter_where_places_look_alike(made, predicted):
    _, encoded, _ = made
    truth = encoded[:, INDEX[MINE]] == 1
    right = {
        name: ((each >= 0.5) == truth)[np.isfinite(each)].mean() for name, each in predicted.items()
    }
    assert right["random"] > 0.95
    assert right["by place"] < 0.8


@pytest.mark.slow
def test_every_chip_is_tested_but_by_time_only_the_late_ones(made, predicted):
    *_, catalogue = made
    assert np.isfinite(predicted["random"]).all()
    assert np.isfinite(predicted["by place"]).all()
    late = (catalogue["start"] == "2024-01-01").to_numpy()
    np.testing.assert_array_equal(np.isfinite(predicted["by time"]), late)


@pytest.mark.slow
def test_without_dates_there_is_no_division_by_time(made):
    statistics, encoded, catalogue = made
    undated = catalogue.assign(start="", end="")
    assert set(predict_by_division(statistics, encoded, undated, MINE, seed=0)) == {
        "random",
        "by place",
    }
