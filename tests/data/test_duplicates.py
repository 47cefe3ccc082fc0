"""Duplicates: the same picture is found, also after compression, and no other."""

import cv2
import numpy as np
import pytest

from planet_lib.data.duplicates import find_duplicates


def list_pairs(chips) -> list[tuple[int, int]]:
    return list(find_duplicates(np.stack(chips)).itertuples(index=False, name=None))


def compress(chip: np.ndarray, quality: int) -> np.ndarray:
    encoded = cv2.imencode(".jpg", chip, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(encoded, cv2.IMREAD_COLOR)


def test_equal_chips_are_pairs_with_the_first(synthetic_chips):
    a, b = (chip.image for chip in synthetic_chips[:2])
    assert list_pairs([a, b, a, a, b]) == [(0, 2), (0, 3), (1, 4)]


@pytest.mark.parametrize("quality", [95, 60])
def test_compressed_copies_of_chips_with_detail_are_found(synthetic_chips, quality):
    chips = [chip.image for chip in synthetic_chips if chip.image.std() > 20][:12]
    assert len(chips) == 12
    pairs = list_pairs([*chips, *(compress(chip, quality) for chip in chips)])
    assert pairs == [(row, row + 12) for row in range(12)]


def test_different_chips_are_no_duplicates(synthetic_chips):
    assert list_pairs([chip.image for chip in synthetic_chips]) == []


def test_flat_chips_are_compared_pixel_by_pixel():
    flat = np.full((4, 256, 256, 3), 250, np.uint8)
    flat[:, 5, 5] = 248
    flat[1] += 1
    flat[3, 7, 7] = 249
    assert list_pairs(flat) == [(0, 2)]


def test_chips_of_one_colour_show_no_place():
    assert list_pairs(np.full((3, 256, 256, 3), 255, np.uint8)) == []


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_chips_have_no_duplicates(count):
    assert find_duplicates(np.zeros((count, 256, 256, 3), np.uint8)).empty


def test_real_chips_have_no_duplicates(sample):
    paths = sorted((sample / "train-jpg").glob("*.jpg"))[::4]
    assert list_pairs([cv2.imread(str(path)) for path in paths]) == []
