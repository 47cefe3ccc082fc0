"""Labels: their order, encoding and decoding, and the error for an unknown one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.preprocessing import MultiLabelBinarizer

from planet_lib.data.labels import (
    INDEX,
    LABELS,
    LAND,
    WEATHER,
    decode_labels,
    decode_weather,
    encode_known,
    encode_tags,
    list_known,
)
from planet_lib.errors import DataError, suggest

label_rows = arrays(np.uint8, st.tuples(st.integers(0, 6), st.just(17)), elements=st.integers(0, 1))
tag_texts = st.lists(st.lists(st.sampled_from(LABELS)).map(" ".join), max_size=6)


def test_labels_are_seventeen_and_weather_first():
    assert len(set(LABELS)) == 17
    assert LABELS[:4] == WEATHER == ("clear", "partly_cloudy", "haze", "cloudy")
    assert LABELS[4:] == LAND
    assert [LABELS[INDEX[label]] for label in LABELS] == list(LABELS)


@settings(max_examples=40)
@given(label_rows)
def test_encode_decode_round_trip(encoded):
    np.testing.assert_array_equal(encode_tags(decode_labels(encoded)), encoded)


@settings(max_examples=40)
@given(tag_texts)
def test_encoding_equals_scikit_learn(tags):
    expected = MultiLabelBinarizer(classes=LABELS).fit_transform([text.split() for text in tags])
    encoded = encode_tags(tags)
    assert encoded.dtype == np.uint8
    np.testing.assert_array_equal(encoded, expected.reshape(-1, 17))


def test_no_chip_encodes_to_no_row():
    assert encode_tags([]).shape == (0, 17)
    assert decode_labels(np.zeros((0, 17))) == []


def test_repeated_tag_counts_once():
    np.testing.assert_array_equal(
        encode_tags(["clear primary clear  primary"]), encode_tags(["clear primary"])
    )


def test_order_of_tags_does_not_matter():
    np.testing.assert_array_equal(
        encode_tags(["water clear road"]), encode_tags(["road water clear"])
    )


def test_decoding_takes_booleans():
    assert decode_labels(np.eye(17, dtype=bool)) == list(LABELS)


@pytest.mark.parametrize(
    ("tag", "meant"),
    [("artisanal_mine", "artisinal_mine"), ("Clear", "clear"), ("slash_and_burn", "slash_burn")],
)
def test_unknown_tag_is_named_with_the_nearest(tag, meant):
    with pytest.raises(DataError, match=rf"unknown tag '{tag}'; did you mean '{meant}'\?"):
        encode_tags(["clear primary", f"clear {tag}"])


def test_word_unlike_all_allowed_ones_lists_them():
    assert suggest("zzz", ("b", "a")) == "allowed: a, b"


def test_weather_of_a_chip_is_its_index_or_minus_one():
    tags = ["clear primary", "cloudy", "water", "haze", "partly_cloudy road"]
    np.testing.assert_array_equal(decode_weather(encode_tags(tags)), [0, 3, -1, 2, 1])


def test_unknown_labels_are_minus_one_and_known_ones_as_encoded():
    tags = ["artisinal_mine", "", "clear primary"]
    encoded = encode_known(tags, ["artisinal_mine", "artisinal_mine water", "all"])
    complete = encode_tags(tags)
    assert (encoded[encoded >= 0] == complete[encoded >= 0]).all()
    assert (encoded >= 0).sum(axis=1).tolist() == [1, 2, 17]
    assert encoded[1, INDEX["water"]] == 0
    assert decode_labels(encoded) == tags
    assert list_known(encoded[:2]) == ["water", "artisinal_mine"]
    assert decode_weather(encoded).tolist() == [-1, -1, 0]
