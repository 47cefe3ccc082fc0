"""Haze removal of batches on Keras tensors: equal to that of single chips within one level."""

import keras
import numpy as np
import pytest

from planet_lib import haze
from planet_lib.data.chips import read_chip
from planet_lib.haze.tensors import remove_haze_from_batch
from planet_lib.synthetic import synthesize_scene


@pytest.fixture(params=sorted(haze.METHODS))
def method(request):
    return request.param


def assert_equal_within_a_level(batch: np.ndarray, method: str) -> None:
    before = batch.copy()
    found = keras.ops.convert_to_numpy(remove_haze_from_batch(batch, method=method))
    expected = np.stack([haze.remove_haze(chip, method=method) for chip in batch])
    assert found.dtype == np.uint8
    np.testing.assert_allclose(found.astype(int), expected, atol=1)
    assert (found != expected).mean() < 5e-3
    np.testing.assert_array_equal(batch, before)


@pytest.mark.parametrize("scene", range(4))
def test_synthetic_chips_equal_those_of_the_processor(method, scene):
    chips = [chip.image for chip in synthesize_scene(7, scene)]
    assert_equal_within_a_level(np.stack(chips), method)


@pytest.mark.parametrize("shape", [(33, 20), (40, 77), (64, 64)])
@pytest.mark.parametrize("highest", [2, 200, 256])
def test_other_sizes_and_ties_equal_those_of_the_processor(method, shape, highest):
    rng = np.random.default_rng(highest)
    assert_equal_within_a_level(rng.integers(0, highest, (3, *shape, 3), np.uint8), method)


@pytest.mark.parametrize("level", [0, 1, 90, 200, 255])
def test_images_of_one_level_equal_those_of_the_processor(method, level):
    assert_equal_within_a_level(np.full((2, 40, 40, 3), level, np.uint8), method)


def test_real_chips_equal_those_of_the_processor(sample, method):
    paths = sorted((sample / "train-jpg").glob("*.jpg"))[::120]
    assert_equal_within_a_level(np.stack([read_chip(path) for path in paths]), method)


def test_empty_batch_stays_empty(method):
    empty = np.zeros((0, 64, 64, 3), np.uint8)
    assert remove_haze_from_batch(empty, method=method).shape == (0, 64, 64, 3)


def test_batch_of_any_size_runs_in_a_compiled_pipeline(method):
    tensorflow = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("the pipeline is TensorFlow's")
    chips = np.stack([chip.image for chip in synthesize_scene(7, 1)])[:3, :64, :64]
    pipeline = tensorflow.data.Dataset.from_tensor_slices(chips).batch(2)
    pipeline = pipeline.map(lambda batch: remove_haze_from_batch(batch, method=method))
    found = np.concatenate(list(pipeline.as_numpy_iterator()))
    expected = np.stack([haze.remove_haze(chip, method=method) for chip in chips])
    np.testing.assert_allclose(found.astype(int), expected, atol=1)


@pytest.mark.parametrize(
    ("images", "method", "error", "said"),
    [
        (np.zeros((1, 64, 64, 3), np.float32), "boundary", TypeError, "dtype float32; allowed"),
        (np.zeros((64, 64, 3), np.uint8), "boundary", ValueError, r"shape \(64, 64, 3\); allowed"),
        (np.zeros((1, 64, 64, 4), np.uint8), "boundary", ValueError, "allowed: .N, H, W, 3."),
        (np.zeros((1, 0, 64, 3), np.uint8), "boundary", ValueError, "allowed: .N, H, W, 3."),
        (np.zeros((1, 257, 256, 3), np.uint8), "origin", ValueError, "allowed for origin: 65536"),
        (np.zeros((1, 19, 64, 3), np.uint8), "dark_channel", ValueError, "sides from 20 pixels"),
        (np.zeros((1, 64, 64, 3), np.uint8), "dcp", ValueError, "method is 'dcp'; allowed"),
    ],
)
def test_other_batches_are_refused_with_what_is_allowed(images, method, error, said):
    with pytest.raises(error, match=said):
        remove_haze_from_batch(images, method=method)
