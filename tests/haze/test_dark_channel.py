"""He's dark channel prior: each step against a reference, the method on scenes of known haze."""

import cv2
import numpy as np
import pytest
from haze_examples import add_haze, make_radiance, make_transmission
from scipy.ndimage import minimum_filter, uniform_filter

from planet_lib import haze


@pytest.mark.parametrize("patch_px", [1, 3, 15])
def test_dark_channel_is_the_minimum_of_the_patch(patch_px):
    image = np.random.default_rng(0).integers(0, 256, (40, 31, 3), dtype=np.uint8)
    expected = minimum_filter(image.min(axis=2), patch_px, mode="nearest")
    np.testing.assert_array_equal(haze.compute_dark_channel(image, patch_px=patch_px), expected)


def test_airlight_ignores_a_bright_spot_smaller_than_the_patch():
    image = np.full((100, 100, 3), 40, np.uint8)
    image[:40] = 180, 170, 160
    image[70:75, 70:75] = 255
    airlight = haze.estimate_airlight_dark_channel(image)
    np.testing.assert_array_equal(airlight, [180, 170, 160])


def test_known_airlight_and_transmission_are_estimated():
    truth, airlight = make_transmission(), np.array([215, 210, 205])
    image = add_haze(make_radiance(), truth, airlight)
    estimated = haze.estimate_airlight_dark_channel(image)
    np.testing.assert_allclose(estimated, airlight, atol=5)
    coarse = haze.estimate_coarse_transmission(image, airlight, omega=1)
    refined = haze.refine_transmission(coarse, image)
    assert np.abs(refined - truth).mean() < 0.06


@pytest.mark.parametrize("shape", [(1, 1), (2, 30), (37, 50), (128, 128)])
def test_transmission_stays_in_its_bounds(shape):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    airlight = np.float32([30, 200, 255])
    transmission = haze.estimate_coarse_transmission(image, airlight, omega=0.9)
    refined = haze.refine_transmission(transmission, image)
    assert transmission.shape == refined.shape == shape
    assert transmission.dtype == refined.dtype == np.float32
    assert transmission.min() >= np.float32(0.1)
    assert transmission.max() <= 1
    assert refined.min() >= 0
    assert refined.max() <= 1


@pytest.mark.parametrize(("shape", "radius_px"), [((1, 1), 1), ((9, 30), 20), ((64, 80), 5)])
def test_refined_transmission_equals_the_guided_filter_in_float64(shape, radius_px):
    rng = np.random.default_rng(radius_px)
    image = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    transmission = rng.uniform(0.3, 0.7, shape)
    guide = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) / 255

    def mean(plane):
        return uniform_filter(plane, 2 * radius_px + 1, mode="reflect")

    slope = mean(guide * transmission) - mean(guide) * mean(transmission)
    slope /= mean(guide**2) - mean(guide) ** 2 + 1e-3
    offset = mean(transmission) - slope * mean(guide)
    refined = haze.refine_transmission(
        transmission.astype(np.float32), image, radius_px=radius_px, epsilon=1e-3
    )
    np.testing.assert_allclose(refined, mean(slope) * guide + mean(offset), atol=2e-4)


def test_refinement_keeps_a_constant():
    transmission = np.full((128, 128), 0.625, np.float32)
    refined = haze.refine_transmission(transmission, make_radiance())
    np.testing.assert_allclose(refined, 0.625, atol=1e-4)


def test_refinement_moves_an_edge_to_that_of_the_image():
    image = np.zeros((60, 60, 3), np.uint8)
    image[:, 30:] = 200
    coarse = np.where(np.arange(60) < 24, 0.9, 0.3) * np.ones((60, 1))
    refined = haze.refine_transmission(coarse.astype(np.float32), image)[30]
    assert np.abs(np.diff(refined)).argmax() == 29


def test_recovered_radiance_inverts_the_haze_model():
    radiance, airlight = make_radiance(), np.float32([215, 210, 205])
    transmission = np.full((128, 128), 0.5, np.float32)
    image = add_haze(radiance, transmission, airlight)
    recovered = haze.recover_radiance(image, transmission, airlight)
    np.testing.assert_allclose(recovered.astype(int), radiance, atol=1)


def test_transmission_is_bounded_before_the_radiance_is_recovered():
    image, airlight = make_radiance(), np.float32([200, 200, 200])
    none = haze.recover_radiance(image, np.zeros((128, 128), np.float32), airlight, t0=0.25)
    low = haze.recover_radiance(image, np.full((128, 128), 0.25, np.float32), airlight)
    np.testing.assert_array_equal(none, low)


def test_haze_free_image_is_nearly_unchanged():
    radiance = make_radiance()
    cleaned = haze.dehaze_dark_channel(radiance)
    np.testing.assert_allclose(cleaned.astype(int), radiance, atol=2)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("patch_px", 0),
        ("patch_px", 4),
        ("omega", 0),
        ("omega", 1.5),
        ("t0", 0),
        ("t0", 2),
        ("radius_px", 0),
        ("epsilon", 0),
    ],
)
def test_argument_out_of_range_is_an_error(name, value):
    with pytest.raises(ValueError, match=rf"{name} is {value}; allowed"):
        haze.dehaze_dark_channel(make_radiance(), **{name: value})
