"""Descriptors hardly change when a chip is rotated, and differ between chips."""

import numpy as np
import pytest

from planet_lib.features.descriptors import compute_maps, describe_appearance, describe_store
from planet_lib.networks.batches import view_chips


@pytest.fixture(scope="module")
def chip() -> np.ndarray:
    rng = np.random.default_rng(0)
    blocks = rng.integers(40, 200, (6, 6, 3)).repeat(16, axis=0).repeat(16, axis=1)
    return (blocks + rng.integers(-10, 10, (96, 96, 1))).astype(np.uint8)


@pytest.mark.parametrize("view", [1, 4], ids=["rotated", "mirrored"])
def test_rotating_or_mirroring_a_chip_changes_little(chip, view):
    before = describe_appearance(chip)
    after = describe_appearance(view_chips(chip, view).copy())
    other = describe_appearance(chip // 2)
    change = np.abs(after - before) / (np.abs(before) + 1)
    assert np.median(change) < 0.002
    assert np.median(np.abs(other - before) / (np.abs(before) + 1)) > 10 * np.median(change)


def test_description_is_finite_for_chips_without_any_texture():
    for value in (0, 128, 255):
        described = describe_appearance(np.full((64, 64, 3), value, np.uint8))
        assert described.dtype == np.float32
        assert np.isfinite(described).all()


def test_bright_and_dark_lines_differ_from_a_field_and_from_each_other():
    field = np.full((96, 96, 3), 80, np.uint8)
    road = field.copy()
    road[:, 46:49] = 160
    river = field.copy()
    river[:, 46:49] = 20
    plain, bright, dark = (describe_appearance(chip) for chip in (field, road, river))
    assert np.abs(bright - plain).max() > 1
    assert np.abs(dark - bright).max() > 1


def test_chip_is_not_altered(chip):
    before = chip.copy()
    describe_appearance(chip)
    np.testing.assert_array_equal(chip, before)


def test_rows_belong_to_the_store(chip):
    store = np.stack([chip, chip // 2, 255 - chip])
    described = describe_store(store)
    for row, one in zip(described, store, strict=True):
        np.testing.assert_array_equal(row, describe_appearance(one))


def test_maps_show_lines_where_they_are():
    chip = np.full((96, 96, 3), 80, np.uint8)
    chip[:, 46:49] = 160
    maps = compute_maps(chip)
    assert {plane.shape for plane in maps.values()} == {(96, 96)}
    bright = maps["bright lines, 1.5 px"].mean(axis=0)
    assert 46 <= bright.argmax() <= 48
    assert bright.max() > maps["dark lines, 1.5 px"].max()
    np.testing.assert_array_equal(maps["red"], chip[..., 0])
