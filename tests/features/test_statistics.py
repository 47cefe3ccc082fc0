"""Statistics of a chip equal those of NumPy, SciPy and OpenCV; the table follows the catalogue."""

import colorsys

import cv2
import numpy as np
import pytest
from scipy import ndimage

from planet_lib.data.store import load_catalogue, open_store
from planet_lib.errors import StageError
from planet_lib.features.statistics import (
    PERCENTILES,
    TEXTURE_SIGMAS_PX,
    describe_chip,
    load_statistics,
    store_statistics,
)
from planet_lib.haze import measure_haziness


def make_chip(side: int = 64) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)


def test_colour_statistics_equal_numpy():
    chip = make_chip()
    described = describe_chip(chip)
    for plane, name in enumerate(("red", "green", "blue")):
        values = chip[..., plane]
        assert described[f"{name}_mean"] == pytest.approx(values.mean())
        assert described[f"{name}_std"] == pytest.approx(values.std())
        for percentile in PERCENTILES:
            expected = np.percentile(values, percentile)
            assert described[f"{name}_p{percentile:02d}"] == pytest.approx(expected)
    assert described["value_mean"] == pytest.approx(chip.max(axis=2).mean())


@pytest.mark.parametrize("colour", [(200, 40, 40), (30, 60, 220)])
def test_constant_chip_has_its_colour_and_no_deviation(colour):
    described = describe_chip(np.full((32, 32, 3), colour, np.uint8))
    hue, saturation, value = colorsys.rgb_to_hsv(*(c / 255 for c in colour))
    assert [described[f"{name}_mean"] for name in ("red", "green", "blue")] == list(colour)
    assert described["hue_mean"] == pytest.approx(180 * hue, abs=1)
    assert described["saturation_mean"] == pytest.approx(255 * saturation, abs=1)
    assert described["value_mean"] == pytest.approx(255 * value, abs=1)
    deviations = [v for k, v in described.items() if "std" in k or "texture" in k]
    np.testing.assert_allclose(deviations, 0, atol=1e-3)


def test_texture_equals_scipy():
    chip = make_chip()
    grey = cv2.cvtColor(chip, cv2.COLOR_RGB2GRAY).astype(float)
    described = describe_chip(chip)
    laplacian = ndimage.laplace(grey, mode="mirror")
    assert described["laplacian_std"] == pytest.approx(laplacian.std(), rel=1e-4)
    for sigma in TEXTURE_SIGMAS_PX:
        fine, coarse = (ndimage.gaussian_filter(grey, s, mode="mirror") for s in (sigma, 2 * sigma))
        expected = (fine - coarse).std()
        assert described[f"texture_{sigma:g}px"] == pytest.approx(expected, rel=0.02)


def test_shuffled_pixels_keep_colours_and_change_texture():
    smooth = cv2.normalize(cv2.GaussianBlur(make_chip(), (0, 0), 4), None, 0, 255, cv2.NORM_MINMAX)
    pixels = np.random.default_rng(1).permutation(smooth.reshape(-1, 3))
    before, after = describe_chip(smooth), describe_chip(pixels.reshape(smooth.shape))
    for name in before:
        if "texture_1px" in name or "laplacian" in name:
            assert after[name] > 1.5 * before[name]
        elif "texture" not in name:
            assert after[name] == pytest.approx(before[name])


def test_haze_raises_haziness_and_lowers_contrast():
    chip = make_chip()
    hazy = (0.4 * chip + 0.6 * 230).astype(np.uint8)
    before, after = describe_chip(chip), describe_chip(hazy)
    assert after["haziness"] > before["haziness"]
    assert after["value_std"] < before["value_std"]
    assert (after["haziness"], after["airlight"]) == pytest.approx(measure_haziness(hazy))


@pytest.mark.parametrize("value", [0, 255])
def test_black_and_white_chips_have_finite_statistics(value):
    described = describe_chip(np.full((256, 256, 3), value, np.uint8))
    assert np.isfinite(list(described.values())).all()
    assert 0 <= described["haziness"] <= 1


def test_chip_is_not_altered_by_its_description():
    chip = make_chip()
    before = chip.copy()
    describe_chip(chip)
    np.testing.assert_array_equal(chip, before)


def test_rows_of_the_table_belong_to_the_catalogue(stored_run):
    store_statistics(stored_run)
    table, chips = load_statistics(stored_run), open_store(stored_run, "raw")
    assert list(table.index) == list(load_catalogue(stored_run)["chip"])
    for row in (0, 7, 13):
        assert dict(table.iloc[row]) == pytest.approx(describe_chip(chips[row]), rel=1e-5, abs=1e-9)


def test_missing_table_names_the_cure(tmp_path):
    with pytest.raises(StageError, match=r"statistics\.csv: not there yet; run 'make report'"):
        load_statistics(tmp_path)


def test_missing_store_is_an_error(tmp_path):
    with pytest.raises(StageError, match=r"raw\.npy: not there yet"):
        store_statistics(tmp_path)
