"""Batches: the eight views of a square, area averaging, and a stream that resumes anywhere."""

import itertools

import cv2
import numpy as np
import pytest

from planet_lib.data.labels import LABELS
from planet_lib.networks.batches import (
    VIEWS,
    read_batch,
    shift_colours,
    split_heads,
    stream_batches,
    view_chips,
)

CHIPS = 11
BATCH = 4


@pytest.fixture
def chips(rng) -> np.ndarray:
    return rng.integers(256, size=(3, 5, 5, 3), dtype=np.uint8)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def name_chips(count: int = CHIPS, side: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Make chips whose pixels all equal their number, and labels that encode it in binary."""
    numbers = np.arange(count, dtype=np.uint8)
    store = np.broadcast_to(numbers[:, None, None, None], (count, side, side, 3)).copy()
    encoded = (numbers[:, None] >> np.arange(len(LABELS))) & 1
    return store, encoded.astype(np.uint8)


def take_epochs(epochs: int, *, first_epoch: int = 0, seed: int = 7, rows=None) -> list:
    store, encoded = name_chips()
    rows = np.arange(CHIPS) if rows is None else rows
    stream = stream_batches(
        store,
        rows,
        encoded[rows],
        image_px=8,
        batch_size=BATCH,
        seed=seed,
        first_epoch=first_epoch,
    )
    return list(itertools.islice(stream, epochs * (len(rows) // BATCH)))


def assert_same_batches(left: list, right: list) -> None:
    for (chips, targets), (other_chips, other_targets) in zip(left, right, strict=True):
        np.testing.assert_array_equal(chips, other_chips)
        for head, target in targets.items():
            np.testing.assert_array_equal(target, other_targets[head])


def test_views_are_eight_distinct_symmetries(chips):
    views = [view_chips(chips, view).tobytes() for view in range(VIEWS)]
    assert len(set(views)) == VIEWS == 8
    np.testing.assert_array_equal(view_chips(chips, 0), chips)


def test_views_form_a_group_with_inverses(chips):
    views = {view_chips(chips, view).tobytes() for view in range(VIEWS)}
    for first in range(VIEWS):
        composed = [view_chips(view_chips(chips, first), second) for second in range(VIEWS)]
        assert {view.tobytes() for view in composed} == views
        assert sum(np.array_equal(chips, view) for view in composed) == 1


def test_view_of_one_chip_is_that_of_many_without_a_copy(chips):
    for view in range(VIEWS):
        viewed = view_chips(chips, view)
        np.testing.assert_array_equal(view_chips(chips[1], view), viewed[1])
        assert np.shares_memory(viewed, chips)


def test_channels_stay_in_place(chips):
    for view in range(VIEWS):
        viewed = view_chips(chips, view)
        for channel in range(3):
            np.testing.assert_array_equal(
                np.sort(viewed[..., channel], axis=None), np.sort(chips[..., channel], axis=None)
            )


@pytest.mark.parametrize("image_px", [24, 32])
def test_batch_is_read_by_area_averaging(rng, image_px):
    store = rng.integers(256, size=(6, 32, 32, 3), dtype=np.uint8)
    rows = np.array([5, 0, 0, 3])
    expected = [
        cv2.resize(store[row], (image_px, image_px), interpolation=cv2.INTER_AREA) for row in rows
    ]
    batch = read_batch(store, rows, image_px)
    assert batch.dtype == np.uint8
    np.testing.assert_array_equal(batch, expected)


def test_halving_takes_the_mean_of_four_pixels(rng):
    store = rng.integers(256, size=(1, 8, 8, 3), dtype=np.uint8)
    means = store.reshape(1, 4, 2, 4, 2, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(read_batch(store, np.array([0]), 4), means, atol=0.5)


def test_store_is_not_changed_by_streaming(rng):
    store = rng.integers(256, size=(8, 8, 8, 3), dtype=np.uint8)
    before = store.copy()
    encoded = np.zeros((8, len(LABELS)), np.uint8)
    stream = stream_batches(store, np.arange(8), encoded, image_px=8, batch_size=4, seed=0)
    list(itertools.islice(stream, 4))
    np.testing.assert_array_equal(store, before)


def test_stream_depends_on_seed_and_epoch_alone():
    assert_same_batches(take_epochs(3), take_epochs(3))
    first, second = take_epochs(1, first_epoch=0), take_epochs(1, first_epoch=1)
    assert not np.array_equal(first[0][0], second[0][0])
    assert not np.array_equal(first[0][0], take_epochs(1, seed=8)[0][0])


def test_stream_resumes_from_any_epoch():
    undisturbed = take_epochs(5)
    for epoch in range(1, 5):
        assert_same_batches(
            take_epochs(5 - epoch, first_epoch=epoch), undisturbed[epoch * (CHIPS // BATCH) :]
        )


def test_chip_occurs_at_most_once_in_an_epoch():
    steps = CHIPS // BATCH
    batches = take_epochs(6)
    epochs = [batches[start : start + steps] for start in range(0, len(batches), steps)]
    seen = [np.concatenate([chips[:, 0, 0, 0] for chips, _ in epoch]) for epoch in epochs]
    assert all(len(set(numbers)) == steps * BATCH for numbers in seen)
    assert set(np.concatenate(seen)) == set(range(CHIPS))


def test_labels_stay_with_their_chips():
    _, encoded = name_chips()
    for chips, targets in take_epochs(4, rows=np.array([9, 2, 4, 10, 7])):
        numbers = chips[:, 0, 0, 0]
        assert set(numbers) <= {9, 2, 4, 10, 7}
        labels = np.hstack([targets["weather"], targets["land"]])
        np.testing.assert_array_equal(labels, encoded[numbers])


def test_chip_is_streamed_in_one_of_its_views_and_each_view_occurs():
    corner = np.zeros((1, 8, 8, 3), np.uint8)
    corner[0, 0, 1] = 255  # off the diagonal: its eight views differ
    encoded = np.zeros((1, len(LABELS)), np.uint8)
    stream = stream_batches(corner, np.array([0]), encoded, image_px=8, batch_size=1, seed=3)
    found = {chips[0].tobytes() for chips, _ in itertools.islice(stream, 100)}
    assert found == {np.ascontiguousarray(view_chips(corner[0], v)).tobytes() for v in range(8)}


def test_labels_are_split_into_those_of_the_heads():
    _, encoded = name_chips()
    heads = split_heads(encoded)
    assert {name: head.shape for name, head in heads.items()} == {
        "weather": (11, 4),
        "land": (11, 13),
    }
    assert all(head.dtype == np.float32 for head in heads.values())
    np.testing.assert_array_equal(np.hstack([heads["weather"], heads["land"]]), encoded)


def test_batch_larger_than_the_rows_is_refused():
    store, encoded = name_chips(count=3)
    stream = stream_batches(store, np.arange(3), encoded, image_px=8, batch_size=4, seed=0)
    with pytest.raises(ValueError, match="batch_size is 4; allowed: 1 to 3"):
        next(stream)


def test_shifted_colours_are_linear_in_each_of_red_green_and_blue(rng):
    chips = rng.integers(60, 180, size=(4, 16, 16, 6), dtype=np.uint8)
    shifted = shift_colours(chips, 0.08, np.random.default_rng(1))
    lines = np.zeros((4, 6, 2))
    for chip, channel in itertools.product(range(4), range(6)):
        before, after = chips[chip, ..., channel].ravel(), shifted[chip, ..., channel].ravel()
        lines[chip, channel] = np.polyfit(before.astype(float), after.astype(float), 1)
        assert np.abs(np.polyval(lines[chip, channel], before) - after).max() < 1.5
    np.testing.assert_allclose(lines[:, :3], lines[:, 3:], atol=1)  # both pictures alike
    assert np.ptp(lines[..., 0]) > 0.05
    assert shifted.dtype == np.uint8


def test_colours_shift_within_the_range_of_a_byte():
    chips = np.stack([np.zeros((4, 4, 3)), np.full((4, 4, 3), 255)]).astype(np.uint8)
    shifted = shift_colours(chips, 0.3, np.random.default_rng(0))
    assert np.abs(shifted[0].astype(int)).max() < 100
    assert shifted[1].min() > 100


def test_stream_with_jitter_resumes_as_if_not_interrupted():
    store, encoded = name_chips()
    rows = np.arange(CHIPS)
    settings = {"image_px": 8, "batch_size": BATCH, "seed": 7, "colour_jitter": 0.1}
    steps = CHIPS // BATCH
    whole = list(itertools.islice(stream_batches(store, rows, encoded, **settings), 2 * steps))
    later = stream_batches(store, rows, encoded, first_epoch=1, **settings)
    assert_same_batches(whole[steps:], list(itertools.islice(later, steps)))


@pytest.mark.parametrize("image_px", [16, 20])
def test_two_pictures_are_downscaled_as_each_alone(rng, image_px):
    store = rng.integers(256, size=(2, 32, 32, 6), dtype=np.uint8)
    both = read_batch(store, np.arange(2), image_px)
    for part in (slice(0, 3), slice(3, 6)):
        alone = read_batch(np.ascontiguousarray(store[..., part]), np.arange(2), image_px)
        np.testing.assert_array_equal(both[..., part], alone)
