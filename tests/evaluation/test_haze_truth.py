"""Scores of haze removal against the truth of synthetic chips."""

import dataclasses

import numpy as np
import pytest

from planet_lib.evaluation import haze_truth
from planet_lib.haze import METHODS


@pytest.fixture(scope="module")
def chips():
    return list(haze_truth.synthesize_hazy_chips(4, seed=3))


def test_chips_have_the_wanted_weather_and_visible_ground(chips):
    (again,) = haze_truth.synthesize_hazy_chips(1, seed=3)
    np.testing.assert_array_equal(chips[0].image, again.image)
    assert len(chips) == 4
    for chip in chips:
        assert {"clear", "haze"} & set(chip.tags.split())
        assert chip.transmission.mean() >= haze_truth.OPAQUE
    (cloudy,) = haze_truth.synthesize_hazy_chips(1, seed=3, weather=["partly_cloudy"])
    assert "partly_cloudy" in cloudy.tags


@pytest.mark.parametrize(
    ("mean", "name"),
    [(1, "no haze"), (0.9, "no haze"), (0.8, "light"), (0.6, "medium"), (0.3, "dense")],
)
def test_strength_follows_the_mean_transmission(mean, name):
    assert haze_truth.name_strength(np.full((4, 4), mean)) == name


def test_every_method_and_the_unchanged_chip_are_scored(chips):
    scores = haze_truth.score_methods(chips[0])
    expected = ["as taken"]
    for method in METHODS:
        expected += [method, f"{method} + CLAHE"]
    assert list(scores.index) == expected
    assert scores.loc["as taken", "change"] == 0
    assert scores["ssim"].between(0, 1).all()
    assert scores.drop("as taken").notna().all(axis=None)


def test_haze_free_chip_scores_best_unchanged(chips):
    image = np.rint(chips[0].radiance * 255).astype(np.uint8)
    clear = dataclasses.replace(chips[0], image=image, transmission=np.ones((256, 256), np.float32))
    scores = haze_truth.score_methods(clear)
    assert scores.loc["as taken", "psnr_db"] > 50
    assert scores.loc["as taken", "ssim"] > 0.99
    assert scores.loc["as taken", "ciede2000"] < 1
    assert scores.loc["as taken", "transmission_error"] == 0
    assert scores["psnr_db"].idxmax() == "as taken"


def test_scores_of_many_chips_equal_those_of_each(chips):
    scores = haze_truth.score_chips_by_strength(chips[:2])
    assert len(scores) == 2 * (1 + 2 * len(METHODS))
    first = scores[: len(scores) // 2].set_index("method")["psnr_db"]
    np.testing.assert_allclose(first, haze_truth.score_methods(chips[0])["psnr_db"])
    assert scores["strength"].iloc[0] == haze_truth.name_strength(chips[0].transmission)
