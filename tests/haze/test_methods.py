"""What every haze removal method promises: shapes, memory, threads, airlight, CLAHE and errors."""

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from haze_examples import add_haze, make_radiance, make_transmission, measure_psnr

from planet_lib import haze

EXTREMES = {
    "black": np.zeros((30, 30, 3), np.uint8),
    "nearly black": np.eye(30, dtype=np.uint8)[..., np.newaxis] * np.uint8([1, 0, 0]),
    "grey": np.full((70, 33, 3), 90, np.uint8),
    "white": np.full((30, 30, 3), 255, np.uint8),
    "black and white": np.indices((30, 30, 3)).sum(axis=0).astype(np.uint8) % 2 * np.uint8(255),
    "one pixel": np.full((1, 1, 3), 7, np.uint8),
}


@pytest.fixture(params=sorted(haze.METHODS))
def method(request):
    return request.param


@pytest.mark.parametrize("image", EXTREMES.values(), ids=EXTREMES.keys())
@pytest.mark.parametrize("clahe", [False, True])
def test_extreme_image_keeps_shape_and_type(method, image, clahe):
    cleaned = haze.remove_haze(image, method=method, clahe=clahe)
    assert cleaned.shape == image.shape
    assert cleaned.dtype == np.uint8


@pytest.mark.parametrize("image", EXTREMES.values(), ids=EXTREMES.keys())
def test_haziness_of_an_extreme_image_is_a_share(image):
    haziness, airlight = haze.measure_haziness(image)
    assert 0 <= haziness <= 1
    assert 0 <= airlight <= 255


@pytest.mark.parametrize("level", [0, 1, 90, 150, 255])
def test_image_of_one_colour_stays_one(method, level):
    image = np.full((70, 33, 3), level, np.uint8)
    cleaned = haze.remove_haze(image, method=method)
    assert np.ptp(cleaned, axis=(0, 1)).max() == 0
    if method != "boundary_constraint":  # whose airlight is fixed
        np.testing.assert_array_equal(cleaned, image)


@pytest.mark.parametrize(
    ("method", "gain_db"), [("dark_channel", 7), ("pixelwise_dark_channel", 3)]
)
def test_known_haze_is_removed_from_a_view_with_depth(method, gain_db):
    radiance, transmission = make_radiance(), make_transmission()
    image = add_haze(radiance, transmission, np.array([215, 210, 205]))
    cleaned = haze.remove_haze(image, method=method)
    visible = transmission > 0.2
    before = measure_psnr(image[visible], radiance[visible])
    assert measure_psnr(cleaned[visible], radiance[visible]) > before + gain_db


def test_given_airlight_replaces_the_estimate(method):
    image = add_haze(make_radiance(), make_transmission(), np.array([215, 210, 205]))
    airlight = haze.METHODS[method].estimate_airlight(image)
    given = haze.remove_haze(image, method=method, airlight=airlight)
    np.testing.assert_array_equal(given, haze.remove_haze(image, method=method))
    other = haze.remove_haze(image, method=method, airlight=airlight * 0.9)
    assert (other != given).any()


def test_equalized_contrast_is_opencv_clahe_on_the_lightness():
    image = make_radiance(side=256)
    lab = cv2.cvtColor(image[..., ::-1].copy(), cv2.COLOR_BGR2LAB)
    lab[..., 0] = cv2.createCLAHE(clipLimit=3.0, tileGridSize=(8, 8)).apply(lab[..., 0].copy())
    expected = cv2.cvtColor(lab, cv2.COLOR_LAB2BGR)[..., ::-1]
    np.testing.assert_array_equal(haze.equalize_contrast(image), expected)


def test_clahe_follows_the_method(method):
    image = make_radiance()
    expected = haze.equalize_contrast(haze.remove_haze(image, method=method))
    np.testing.assert_array_equal(haze.remove_haze(image, method=method, clahe=True), expected)


@pytest.mark.parametrize("clahe", [False, True])
def test_read_only_image_of_any_memory_order_is_not_modified(method, clahe):
    image = make_radiance()
    before = image.copy()
    expected = haze.remove_haze(before, method=method, clahe=clahe)
    view = image[..., ::-1].copy()[..., ::-1]
    transposed = image.transpose(1, 0, 2).copy().transpose(1, 0, 2)
    for same in (image, view, transposed):
        same.setflags(write=False)
        np.testing.assert_array_equal(haze.remove_haze(same, method=method, clahe=clahe), expected)
    np.testing.assert_array_equal(image, before)


def test_result_is_a_new_array(method):
    image = make_radiance()
    haze.remove_haze(image, method=method)[:] = 0
    np.testing.assert_array_equal(image, make_radiance())
    assert haze.remove_haze(image, method=method).any()


def test_threads_give_the_same_results_as_one(method):
    images = [make_radiance(seed) for seed in range(8)]
    expected = [haze.remove_haze(image, method=method) for image in images]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda image: haze.remove_haze(image, method=method), images))
    np.testing.assert_array_equal(results, expected)


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        ([[[1, 2, 3]]], TypeError, "is a list"),
        (np.zeros((4, 4, 3), np.uint16), TypeError, "dtype uint16"),
        (np.zeros((4, 4, 3), np.float32), TypeError, "dtype float32"),
        (np.zeros((4, 4), np.uint8), ValueError, r"shape \(4, 4\)"),
        (np.zeros((4, 4, 4), np.uint8), ValueError, r"shape \(4, 4, 4\)"),
        (np.zeros((2, 4, 4, 3), np.uint8), ValueError, r"shape \(2, 4, 4, 3\)"),
        (np.zeros((0, 4, 3), np.uint8), ValueError, r"shape \(0, 4, 3\)"),
    ],
)
def test_wrong_image_is_an_error_that_names_the_fix(method, image, error, message):
    with pytest.raises(error, match=rf"image.*{message}.*allowed: .*;"):
        haze.remove_haze(image, method=method)


def test_unknown_method_is_an_error_that_lists_the_allowed():
    with pytest.raises(ValueError, match="'dcp'; allowed: boundary_constraint, dark_channel, pix"):
        haze.remove_haze(make_radiance(), method="dcp")
