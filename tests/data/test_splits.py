"""Splits: disjoint, determined by the seed, stratified over label sets and rare labels."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from planet_lib.data.catalogue import scan_dataset
from planet_lib.data.labels import INDEX, LABELS, decode_labels, encode_tags
from planet_lib.data.splits import SPLITS, split_chips
from planet_lib.errors import DataError

rows = arrays(np.uint8, st.tuples(st.integers(5, 60), st.just(17)), elements=st.integers(0, 1))


def draw_labels(chips: int = 500, seed: int = 0) -> np.ndarray:
    """Draw labels that differ as much in frequency as the competition's."""
    shares = np.array([0.7, 0.2, 0.07, 0.03, 0.9, 0.3, 0.2, 0.2, *[0.02] * 9])
    return (np.random.default_rng(seed).random((chips, 17)) < shares).astype(np.uint8)


@settings(max_examples=40)
@given(rows, st.integers(0, 2**32 - 1))
def test_every_chip_is_in_one_split_of_its_size(encoded, seed):
    splits = split_chips(encoded, seed=seed)
    assert splits.shape == (len(encoded),)
    counts = Counter(splits.tolist())
    assert set(counts) == set(SPLITS)
    for name, share in zip(SPLITS, (0.6, 0.2, 0.2), strict=True):
        assert abs(counts[name] - share * len(encoded)) < 2


def test_same_seed_same_splits():
    encoded = draw_labels()
    before = encoded.copy()
    np.testing.assert_array_equal(split_chips(encoded, seed=3), split_chips(encoded, seed=3))
    np.testing.assert_array_equal(encoded, before)


def test_another_seed_other_splits():
    encoded = draw_labels()
    assert (split_chips(encoded, seed=3) != split_chips(encoded, seed=4)).mean() > 0.2


def test_each_label_set_is_shared_out():
    encoded = draw_labels()
    splits, sets = split_chips(encoded, seed=0), np.array(decode_labels(encoded))
    for name, count in Counter(sets.tolist()).items():
        if count >= 5:
            parts = Counter(splits[sets == name].tolist())
            assert abs(parts["test"] - count / 5) < 1
            assert abs(parts["validation"] - count / 5) < 1


@pytest.mark.parametrize("seed", range(4))
def test_rare_labels_are_in_every_split(seed):
    encoded = draw_labels(seed=seed)
    splits = split_chips(encoded, seed=seed)
    for column in np.flatnonzero(encoded.sum(axis=0) >= 10):
        assert set(splits[encoded[:, column] == 1]) == set(SPLITS), LABELS[column]


@pytest.mark.parametrize("seed", range(3))
def test_five_chips_of_a_rare_label_are_shared_out_although_their_sets_differ(seed):
    others = ["road", "water", "agriculture", "cultivation", "habitation"]
    rare = ["blow_down", "slash_burn", "blooming", "conventional_mine"]
    tags = [f"clear primary {land}" for land in others for _ in range(20)]
    encoded = encode_tags(tags + [f"clear {label} {land}" for label in rare for land in others])
    splits = split_chips(encoded, seed=seed)
    for label in rare:
        assert Counter(splits[encoded[:, INDEX[label]] == 1].tolist())["test"] == 1


def test_five_chips_are_enough():
    assert sorted(split_chips(np.eye(17)[:5], seed=0)) == sorted(["train"] * 3 + list(SPLITS[1:]))


@pytest.mark.parametrize("chips", [0, 1, 4])
def test_too_few_chips_are_an_error(chips):
    with pytest.raises(DataError, match=rf"{chips} labelled chips are too few.*at least 5"):
        split_chips(np.zeros((chips, 17), np.uint8), seed=0)


def test_mines_of_the_real_sample_are_in_every_split(sample):
    encoded = encode_tags(scan_dataset(sample)[0].query("labelled")["tags"])
    splits = split_chips(encoded, seed=2018)
    assert set(splits[encoded[:, INDEX["artisinal_mine"]] == 1]) == set(SPLITS)


def test_few_chips_of_many_kinds_are_split_without_a_word(recwarn):
    encoded = np.zeros((18, 17), np.uint8)
    encoded[:4, INDEX["artisinal_mine"]] = 1
    kinds = np.array([*["mine"] * 4, *np.repeat([f"kind {i}" for i in range(7)], 2)])
    splits = split_chips(encoded, seed=0, groups=np.arange(18), kinds=kinds)
    assert set(splits) == set(SPLITS)
    assert not recwarn.list


def test_each_split_has_chips_of_each_kind_where_groups_allow_it():
    """One large group of easy chips must not be all that a split has without a mine."""
    kinds = np.array(["easy"] * 400 + ["hard"] * 300)
    groups = np.concatenate([np.zeros(400, int), 1 + np.arange(300) // 15])
    encoded = np.zeros((700, 17), np.uint8)
    for seed in range(5):
        splits = split_chips(encoded, seed=seed, groups=groups, kinds=kinds)
        hard = Counter(splits[kinds == "hard"].tolist())
        assert hard["test"] == hard["validation"] == 60
        assert len(set(zip(groups, splits, strict=True))) == len(set(groups))
