"""Synthetic scenes: deterministic, physically consistent, and showing the labels asked for."""

import numpy as np
import pytest

from planet_lib.data.labels import INDEX, LABELS
from planet_lib.errors import DataError
from planet_lib.synthetic import synthesize_chip, synthesize_scene
from planet_lib.synthetic.fields import draw_blob
from planet_lib.synthetic.ground import route_through
from planet_lib.synthetic.priors import load_label_sets


def test_same_arguments_give_the_same_chip():
    first, second = synthesize_chip(3, 5), synthesize_chip(3, 5)
    np.testing.assert_array_equal(first.image, second.image)
    assert not np.array_equal(first.image, synthesize_chip(4, 5).image)


@pytest.mark.parametrize("weather", ["clear", "partly_cloudy", "haze"])
def test_image_obeys_the_haze_model(weather):
    chip = synthesize_chip(1, 2, f"{weather} primary water")
    transmission = chip.transmission[..., None]
    light = chip.radiance * transmission + chip.airlight * (1 - transmission)
    error = chip.image / 255 - light
    assert np.abs(error.mean()) < 0.5 / 255
    assert error.std() < 3 / 255


def test_haze_is_denser_than_clear_air_and_smoother_than_cloud():
    clear, cloud, haze = (
        synthesize_chip(2, 1, f"{weather} primary").transmission
        for weather in ("clear", "partly_cloudy", "haze")
    )
    assert haze.mean() < clear.mean()
    assert np.abs(np.diff(haze)).max() < 0.02
    assert np.ptp(cloud) > 0.2


@pytest.mark.parametrize("scene", range(6))
def test_cloudy_chip_is_covered(scene):
    chip = synthesize_chip(0, 4 * scene, "cloudy")
    assert chip.tags == "cloudy"
    assert (chip.transmission < 0.5).mean() >= 0.9


@pytest.mark.parametrize("index", range(0, 24, 5))
def test_partly_cloudy_chip_shows_cloud_and_ground(index):
    chip = synthesize_chip(5, index, "partly_cloudy primary")
    opacity = 1 - chip.transmission
    assert (opacity > opacity.min() + 0.1).mean() > 0.004
    assert (chip.transmission > 0.25).mean() > 0.1


@pytest.mark.parametrize("label", LABELS)
def test_every_label_can_be_shown(label):
    known = load_label_sets()
    tags = next(tags for tags in known.tags if label in tags.split())
    assert set(synthesize_chip(0, INDEX[label], tags).tags.split()) == set(tags.split())


def test_chips_of_a_scene_adjoin(synthetic_chips):
    for first in range(0, len(synthetic_chips), 4):
        left, right, below = (synthetic_chips[first + k].radiance for k in (0, 1, 2))
        across = np.abs(left[:, -1] - right[:, 0]).mean()
        within = np.abs(left[:, -1] - left[:, -2]).mean()
        assert across < 2 * within + 0.01
        assert np.abs(left[-1] - below[0]).mean() < 2 * np.abs(left[-1] - left[-2]).mean() + 0.01
        assert across <= np.abs(left[:, -1] - np.roll(right[:, 0], 128, axis=0)).mean()


@pytest.mark.parametrize("seed", range(12))
def test_blob_stays_inside_its_square(seed):
    blob = draw_blob(np.random.default_rng(seed), 30, roughness=0.5)
    border = np.concatenate([blob[0], blob[-1], blob[:, 0], blob[:, -1]])
    assert border.max() < 0.5
    assert blob.max() == 1


@pytest.mark.parametrize("slots", [[0], [3], [0, 1], [0, 3], [1, 2, 3], [0, 1, 2, 3]])
def test_route_crosses_only_the_given_chips(slots):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        lines = route_through(rng, slots, meander_px=20, bends=3, inset_px=12)
        points = np.concatenate(lines)
        deep = (np.minimum(points % 256, 256 - points % 256) > 11).all(axis=1)
        inside = ((points > 0) & (points < 512)).all(axis=1)
        x, y = points[deep & inside].T // 256
        assert set((x + 2 * y).astype(int)) == set(slots)


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ("clear primry", "did you mean 'primary'"),
        ("primary", "one weather label"),
        ("clear haze primary", "one weather label"),
        ("cloudy primary", "unless it is cloudy"),
        ("cloudy road", "unless it is cloudy"),
    ],
)
def test_impossible_tags_are_an_error_that_says_why(tags, message):
    with pytest.raises(DataError, match=message):
        synthesize_chip(0, 0, tags)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": -1, "scene": 0}, "seed is -1"),
        ({"seed": 0, "scene": -1}, "scene -1"),
        ({"seed": 0, "scene": 0, "enrich": 2}, "enrich is 2"),
    ],
)
def test_argument_out_of_range_is_an_error(arguments, message):
    with pytest.raises(ValueError, match=message):
        synthesize_scene(**arguments)
