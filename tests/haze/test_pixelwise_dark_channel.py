"""Haze removal of the 2018 post equals its loop over pixels; haziness follows its formula."""

import cv2
import numpy as np
import pytest
from haze_examples import add_haze, dehaze_by_loop, make_radiance

from planet_lib import haze
from planet_lib.data.chips import read_chip


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 50), (50, 1), (5, 7), (19, 20), (20, 21), (21, 43), (64, 47)]
)
def test_result_equals_the_loop_at_ties_and_borders(shape):
    for levels in (2, 4, 255):
        rng = np.random.default_rng(levels)
        for lowest in (1, 256 - levels):
            image = rng.integers(lowest, lowest + levels, (*shape, 3), dtype=np.uint8)
            np.testing.assert_array_equal(haze.dehaze_pixelwise(image), dehaze_by_loop(image))


@pytest.mark.parametrize("seed", range(2))
def test_result_equals_the_loop_on_smooth_colours(seed):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (4, 5, 3), dtype=np.uint8)
    image = cv2.resize(coarse, (61, 45), interpolation=cv2.INTER_CUBIC)
    np.testing.assert_array_equal(haze.dehaze_pixelwise(image), dehaze_by_loop(image))


def test_result_equals_the_loop_on_more_pixels_than_float32_can_number():
    image = np.random.default_rng(0).integers(1, 5, (3, 22_000, 3), dtype=np.uint8) * np.uint8(60)
    np.testing.assert_array_equal(haze.dehaze_pixelwise(image), dehaze_by_loop(image))


@pytest.mark.parametrize("colour", [(10, 200, 90), (255, 0, 255), (255, 255, 255)])
def test_result_equals_the_loop_on_one_colour(colour):
    image = np.full((25, 23, 3), colour, np.uint8)
    np.testing.assert_array_equal(haze.dehaze_pixelwise(image), dehaze_by_loop(image))


def test_result_equals_the_loop_on_real_chips(sample):
    paths = sorted((sample / "train-jpg").glob("*.jpg"))
    whole = read_chip(paths[250])
    np.testing.assert_array_equal(haze.dehaze_pixelwise(whole), dehaze_by_loop(whole))
    for path in paths[::70]:
        part = read_chip(path)[100:160, 80:150]
        np.testing.assert_array_equal(haze.dehaze_pixelwise(part), dehaze_by_loop(part))


def test_steps_compose_to_the_method():
    image = add_haze(make_radiance(), 0.6, np.array([220, 215, 210]))
    airlight = haze.estimate_airlight_pixelwise(image)
    transmission = haze.estimate_transmission_pixelwise(image, airlight)
    assert transmission.min() >= 0.55
    assert transmission.max() <= 1
    radiance = (image - airlight) / transmission[..., np.newaxis] + airlight
    expected = np.clip(radiance, 0, 255).astype(np.uint8)
    np.testing.assert_array_equal(haze.dehaze_pixelwise(image), expected)


def test_airlight_is_the_highest_grey_where_the_darkest_channel_is_brightest():
    image = np.full((4, 4, 3), 50, np.uint8)
    image[0, 0] = 60, 60, 10
    image[1, 1] = 255, 255, 50
    image[2, 2] = 100, 100, 100
    assert haze.estimate_airlight_pixelwise(image) == 100


def test_haziness_grows_with_haze():
    radiance, airlight = make_radiance(), np.array([220, 220, 220])
    images = [add_haze(radiance, share, airlight) for share in (1, 0.8, 0.6, 0.4, 0.2)]
    haziness = [haze.measure_haziness(image)[0] for image in images]
    assert haziness == sorted(haziness)


def test_haziness_follows_its_formula():
    image = np.uint8([[[200, 100, 100], [200, 200, 200]]])
    darkness, contrast = 150, 50
    expected = np.exp(-0.5 * (5.1 * (200 - darkness) / 200 + 2.9 * contrast / 200))
    assert haze.measure_haziness(image) == pytest.approx((expected, 200))
