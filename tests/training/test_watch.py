"""Watched chips: they show many labels, and the network says of them what it will predict."""

import json

import keras
import numpy as np
from small_runs import find_results

from planet_lib.data.labels import LABELS, encode_tags
from planet_lib.networks.architectures import build_model
from planet_lib.training.loss import remove_label_weights
from planet_lib.training.watch import WATCHED, Watcher, choose_watched

TAGS = [
    "clear primary road water",
    "clear primary",
    "clear primary road",
    "haze",
    "cloudy",
    "clear",
]


def test_watched_chips_together_show_the_most_labels():
    splits = np.array(["validation"] * 6)
    chosen = choose_watched(encode_tags(TAGS), splits)
    assert chosen.tolist() == [0, 3, 4, 1]
    assert choose_watched(encode_tags(TAGS[:2]), splits[:2]).tolist() == [0, 1]


def test_only_validation_chips_are_watched():
    splits = np.array(["train", "validation", "test", "train", "validation", "unlabelled"])
    assert choose_watched(encode_tags(TAGS), splits).tolist() == [1, 4]
    assert choose_watched(encode_tags(TAGS), np.array(["train"] * 6)).tolist() == []


def test_watched_probabilities_are_those_after_the_weights_are_removed():
    keras.utils.set_random_seed(0)
    network = build_model("densenet", 32, blocks=[], filters=4)
    rng = np.random.default_rng(0)
    chips = rng.integers(256, size=(2, 32, 32, 3), dtype=np.uint8)
    weights = rng.uniform(1, 5, len(LABELS)).astype(np.float32)
    watched = Watcher(chips, weights).predict(network)
    remove_label_weights(network, weights)
    heads = network(chips, training=False)
    expected = np.hstack([np.asarray(heads[name]) for name in ("weather", "land")])
    np.testing.assert_allclose(watched, expected, atol=1e-4)


def test_history_tells_what_the_network_said_each_epoch(undisturbed):
    history = json.loads((find_results(undisturbed) / "history.json").read_text())["epochs"]
    watched = np.array([row["watched"] for row in history])
    assert watched.shape == (len(history), WATCHED, len(LABELS))
    assert np.ptp(watched, axis=0).max() > 0.01
    np.testing.assert_allclose(watched[..., :4].sum(axis=-1), 1, atol=1e-3)
