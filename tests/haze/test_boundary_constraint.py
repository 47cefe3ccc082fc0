"""The boundary-constrained method: accuracy on synthetic chips; clouds, bright ground, airlight."""

import cv2
import numpy as np
import pytest
from haze_examples import add_haze, make_radiance, measure_psnr

from planet_lib import haze


def measure_gains(chips, method) -> np.ndarray:
    """Measure by how many dB each chip comes nearer to its true radiance."""
    gains = []
    for chip in chips:
        truth = chip.radiance * 255
        cleaned = haze.remove_haze(chip.image, method=method)
        gains.append(measure_psnr(cleaned, truth) - measure_psnr(chip.image, truth))
    return np.array(gains)


def test_hazy_chips_come_nearer_to_the_truth_than_by_the_dark_channel(synthetic_chips):
    hazy = [
        chip
        for chip in synthetic_chips
        if "cloudy" not in chip.tags and 0.3 < chip.transmission.mean() < 0.9
    ]
    assert len(hazy) > 15
    gains = measure_gains(hazy, "boundary_constraint")
    assert np.median(gains) > 8
    assert np.median(gains - measure_gains(hazy, "dark_channel")) > 3


def test_transmission_is_estimated(synthetic_chips):
    errors = []
    for chip in synthetic_chips:
        if chip.transmission.min() > 0.3:
            airlight = haze.estimate_airlight_boundary_constraint(chip.image)
            estimated = haze.estimate_transmission_boundary_constraint(chip.image, airlight)
            errors.append(np.abs(estimated - chip.transmission).mean())
    assert len(errors) > 15
    assert np.median(errors) < 0.06


def test_haze_free_chip_changes_less_than_by_the_dark_channel(synthetic_chips):
    changes = {"boundary_constraint": [], "dark_channel": []}
    for chip in synthetic_chips:
        radiance = np.rint(chip.radiance * 255).astype(np.uint8)
        for method, each in changes.items():
            cleaned = haze.remove_haze(radiance, method=method).astype(int)
            each.append(np.abs(cleaned - radiance).mean())
    assert np.median(changes["boundary_constraint"]) < 3
    assert np.mean(changes["boundary_constraint"]) < 0.6 * np.mean(changes["dark_channel"])


def test_overcast_chip_is_unchanged():
    rng = np.random.default_rng(0)
    overcast = rng.integers(195, 225, (256, 256, 3), dtype=np.uint8)
    cleaned = haze.dehaze_boundary_constraint(overcast)
    np.testing.assert_allclose(cleaned.astype(int), overcast, atol=1)


def test_cloud_is_not_darkened_and_has_no_halo():
    airlight = np.float32([160, 163, 158])
    image = add_haze(make_radiance(side=256), 0.7, airlight)
    without = haze.dehaze_boundary_constraint(image)
    cv2.circle(image, (128, 128), 30, (235, 236, 233), -1)
    cleaned = haze.dehaze_boundary_constraint(image, airlight=airlight).astype(int)
    distance = np.hypot(*(np.indices((256, 256)) - 128))
    assert cleaned[distance < 30].min() >= 230
    np.testing.assert_allclose(cleaned[distance > 31], without[distance > 31], atol=8)


def test_bright_ground_keeps_its_colour():
    image = make_radiance(side=256) // 2
    image[60:130, 60:130] = 190, 150, 110
    sand = haze.dehaze_boundary_constraint(image)[90, 90].astype(int)
    np.testing.assert_allclose(sand, [190, 150, 110], atol=12)


def test_airlight_is_taken_from_clouds_that_are_brighter_than_overcast():
    image = make_radiance()
    overcast = haze.estimate_airlight_boundary_constraint(image)
    image[32:64, 48:80] = 250, 240, 230
    np.testing.assert_array_equal(
        haze.estimate_airlight_boundary_constraint(image), [250, 240, 230]
    )
    image[32:64, 48:80] = 250, 240, 10
    np.testing.assert_array_equal(haze.estimate_airlight_boundary_constraint(image), overcast)


@pytest.mark.parametrize("airlight", [[160, 20, 160], [0, 0, 0], [np.nan] * 3])
def test_airlight_as_dark_as_shadows_is_an_error(airlight):
    with pytest.raises(ValueError, match=r"airlight is .*; allowed: above"):
        haze.dehaze_boundary_constraint(make_radiance(), airlight=np.array(airlight))
