"""Neighbours: found within scenes, not between scenes, and kept together in splits."""

import cv2
import numpy as np
import pandas as pd
import pytest

from planet_lib.data.labels import INDEX, encode_tags
from planet_lib.data.neighbours import DIRECTIONS, find_neighbours, group_chips
from planet_lib.data.splits import SPLITS, split_chips
from planet_lib.errors import DataError
from planet_lib.synthetic import synthesize_chip
from planet_lib.synthetic.dataset import encode_jpeg


def compress(image: np.ndarray) -> np.ndarray:
    """Compress a chip and read it again."""
    return cv2.imdecode(np.frombuffer(encode_jpeg(image), np.uint8), cv2.IMREAD_COLOR_RGB)


def list_pairs(neighbours: pd.DataFrame) -> set[tuple[int, int, str]]:
    """List the pairs as first, second and direction."""
    return set(neighbours[["first", "second", "direction"]].itertuples(index=False, name=None))


@pytest.fixture(scope="module")
def chips(synthetic_chips) -> np.ndarray:
    """Give the chips of scenes, four of each in rows from its upper left, as JPEG."""
    return np.stack([compress(chip.image) for chip in synthetic_chips])


@pytest.fixture(scope="module")
def found(chips) -> pd.DataFrame:
    """Give the neighbours among `chips`."""
    return find_neighbours(chips)


@pytest.fixture(scope="module")
def true_pairs(chips) -> set[tuple[int, int, str]]:
    """Give the pairs of `chips` that adjoin."""
    corners = range(0, len(chips), 4)
    right = {(i + k, i + k + 1, "right") for i in corners for k in (0, 2)}
    return right | {(i + k, i + k + 2, "below") for i in corners for k in (0, 1)}


def test_most_true_pairs_and_hardly_a_false_one_are_found(found, true_pairs):
    pairs = list_pairs(found)
    assert len(pairs & true_pairs) > 0.98 * len(pairs)
    for direction in DIRECTIONS:
        known = {pair for pair in true_pairs if pair[2] == direction}
        assert len(pairs & known) > 0.8 * len(known)


def test_groups_are_scenes(chips, found):
    groups = group_chips(found, len(chips))
    scenes = np.arange(len(chips)) // 4
    assert all(len(set(scenes[groups == group])) == 1 for group in groups)
    assert np.mean([len(set(groups[scenes == scene])) == 1 for scene in scenes]) > 0.8


def test_order_of_the_chips_does_not_matter(chips, found):
    order = np.random.default_rng(0).permutation(len(chips))
    shuffled = find_neighbours(chips[order])
    shuffled[["first", "second"]] = order[shuffled[["first", "second"]].to_numpy()]
    assert list_pairs(shuffled) == list_pairs(found)


def test_read_only_store_gives_the_same_table_as_an_array(chips, found, tmp_path):
    np.save(tmp_path / "raw.npy", chips)
    stored = np.load(tmp_path / "raw.npy", mmap_mode="r")
    pd.testing.assert_frame_equal(find_neighbours(stored), found)


def test_turned_scene_has_its_pairs_in_the_other_direction(chips, found):
    turned = list_pairs(find_neighbours(chips.swapaxes(1, 2)))
    other = dict(zip(DIRECTIONS, DIRECTIONS[::-1], strict=True))
    assert turned == {(i, j, other[direction]) for i, j, direction in list_pairs(found)}


def test_chips_of_different_scenes_are_no_neighbours(chips):
    assert find_neighbours(chips[::4]).empty
    assert find_neighbours(chips[3::4]).empty


def test_chip_has_one_neighbour_on_each_side(found):
    for _, pairs in found.groupby("direction"):
        assert pairs["first"].is_unique
        assert pairs["second"].is_unique


@pytest.mark.parametrize("level", [0, 90])
def test_constant_chips_are_no_neighbours(level):
    assert find_neighbours(np.full((12, 256, 256, 3), level, np.uint8)).empty


def test_flat_noisy_chips_are_no_neighbours():
    rng = np.random.default_rng(0)
    flat = rng.normal(200, 2, (30, 256, 256, 3)).clip(0, 255).astype(np.uint8)
    assert find_neighbours(np.stack([compress(chip) for chip in flat])).empty


def test_cloudy_chips_are_no_neighbours():
    cloudy = [synthesize_chip(3, 4 * scene, "cloudy").image for scene in range(20)]
    assert find_neighbours(np.stack([compress(chip) for chip in cloudy])).empty


def test_black_chips_do_not_change_the_pairs_of_others(chips, found):
    black = np.zeros((20, 256, 256, 3), np.uint8)
    assert list_pairs(find_neighbours(np.concatenate([chips, black]))) == list_pairs(found)


def test_chip_is_not_its_own_neighbour():
    shades = np.random.default_rng(0).integers(0, 256, (8, 256, 1, 3), dtype=np.uint8)
    assert find_neighbours(np.tile(shades, (1, 1, 256, 1))).empty


def test_duplicated_chip_has_no_neighbour(chips, found):
    assert 0 in set(found["first"])
    twice = find_neighbours(np.concatenate([chips, chips[:1]]))
    assert list_pairs(twice) == list_pairs(found[found["first"] != 0])
    once = find_neighbours(np.concatenate([chips[:1], chips]), np.arange(1, len(chips) + 1))
    assert list_pairs(once) == {(a + 1, b + 1, side) for a, b, side in list_pairs(found)}


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_chips_to_compare_give_an_empty_table(chips, count):
    neighbours = find_neighbours(chips[:count])
    assert neighbours.empty
    np.testing.assert_array_equal(group_chips(neighbours, count), np.arange(count))


def test_neighbours_of_neighbours_are_one_group():
    neighbours = pd.DataFrame({"first": [5, 1, 2], "second": [1, 3, 4]})
    np.testing.assert_array_equal(group_chips(neighbours, 7), [0, 1, 2, 1, 2, 1, 3])


@pytest.fixture(scope="module")
def encoded(synthetic_chips) -> np.ndarray:
    """Give the labels of scenes of four chips, twenty times over."""
    return np.tile(encode_tags([chip.tags for chip in synthetic_chips]), (20, 1))


@pytest.mark.parametrize("seed", range(2))
def test_grouped_splits_keep_groups_together_and_hold_every_label(encoded, seed):
    groups = np.arange(len(encoded)) // 4
    splits = split_chips(encoded, seed=seed, groups=groups)
    assert all(len(set(splits[groups == group])) == 1 for group in groups)
    for name, share in zip(SPLITS, (0.6, 0.2, 0.2), strict=True):
        assert abs(np.mean(splits == name) - share) < 0.02
    for label, column in INDEX.items():
        if encoded[:, column].any():
            assert set(splits[encoded[:, column] == 1]) == set(SPLITS), label


def test_grouped_splits_follow_their_seed(encoded):
    groups = np.arange(len(encoded)) // 4
    first, again, other = (split_chips(encoded, seed=seed, groups=groups) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.2


def test_four_groups_are_too_few(encoded):
    with pytest.raises(DataError, match=r"4 groups of chips .* are too few to split"):
        split_chips(encoded, seed=0, groups=np.arange(len(encoded)) % 4)
