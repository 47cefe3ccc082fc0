"""What `fit` is fed: the batches of a stream in their order, without a tuner that it waits for."""

import keras
import numpy as np
import pytest

from planet_lib.training.feed import feed_batches

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="other backends read the stream itself"
)


def stream(seed, *, size):
    rng = np.random.default_rng(seed)
    while True:
        yield (
            rng.integers(0, 256, (size, 4, 4, 3), dtype=np.uint8),
            {"land": rng.random((size, 2), np.float32)},
        )


def test_batches_are_those_of_the_stream():
    fed = feed_batches(stream, 3, size=5)
    for _ in range(2):  # a data set starts again from the first batch
        expected = stream(3, size=5)
        for chips, targets in fed.take(4).as_numpy_iterator():
            chips_there, targets_there = next(expected)
            assert chips.dtype == np.uint8
            np.testing.assert_array_equal(chips, chips_there)
            np.testing.assert_array_equal(targets["land"], targets_there["land"])


def test_pipeline_is_not_tuned():
    assert feed_batches(stream, 3, size=5).options().autotune.enabled is False
