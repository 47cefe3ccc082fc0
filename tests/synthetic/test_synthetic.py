"""Synthetic chips: determinism, physics, labels and layout, by property."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from planet_lib.data.labels import INDEX, LABELS, encode_tags
from planet_lib.errors import DataError
from planet_lib.synthetic import synthesize_chip, synthesize_scene, write_dataset
from planet_lib.synthetic.fields import draw_blob
from planet_lib.synthetic.ground import route_through
from planet_lib.synthetic.priors import confuse_tags, draw_tags, load_label_sets


def read_all(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    write_dataset(folder, chips=10, unlabelled=6, seed=4, workers=1)
    return folder


def test_layout_is_kaggles(small):
    rows = read_rows(small / "train_v2.csv")
    assert [row["image_name"] for row in rows] == [f"train_{i}" for i in range(10)]
    assert encode_tags(row["tags"] for row in rows)[:, :4].sum(axis=1).tolist() == [1] * 10
    unlabelled = read_rows(small / "sample_submission_v2.csv")
    assert unlabelled[5] == {"image_name": "test_5", "tags": "primary clear"}
    assert len(list((small / "train-jpg").iterdir())) == 10
    assert len(list((small / "test-jpg").iterdir())) == 6
    assert cv2.imread(str(small / "test-jpg" / "test_5.jpg")).shape == (256, 256, 3)


def test_bytes_do_not_depend_on_workers(small, tmp_path):
    write_dataset(tmp_path, chips=10, unlabelled=6, seed=4, workers=3)
    assert read_all(tmp_path) == read_all(small)


def test_killed_run_ends_with_same_bytes(small, tmp_path, monkeypatch):
    replace, calls = Path.replace, []

    def kill_at_sixth(path, target):
        calls.append(target)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return replace(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", kill_at_sixth)
        with pytest.raises(KeyboardInterrupt):
            write_dataset(tmp_path, chips=10, unlabelled=6, seed=4, workers=1)
    assert not (tmp_path / "train_v2.csv").exists()
    assert list((tmp_path / "train-jpg").glob("*.part"))
    write_dataset(tmp_path, chips=10, unlabelled=6, seed=4, workers=1)
    assert read_all(tmp_path) == read_all(small)


def test_other_arguments_are_refused_in_same_folder(small):
    with pytest.raises(DataError, match="another folder"):
        write_dataset(small, chips=10, unlabelled=6, seed=5)


def test_real_chips_are_not_overwritten(tmp_path):
    (tmp_path / "train-jpg").mkdir()
    with pytest.raises(DataError, match="not synthetic"):
        write_dataset(tmp_path, chips=1, unlabelled=0, seed=0)


def test_first_chips_do_not_depend_on_how_many_follow(small, tmp_path):
    write_dataset(tmp_path, chips=12, unlabelled=0, seed=4, workers=1)
    for path in (small / "train-jpg").iterdir():
        assert (tmp_path / "train-jpg" / path.name).read_bytes() == path.read_bytes()


def test_written_chip_is_synthesized_chip(small):
    written = cv2.imread(str(small / "train-jpg" / "train_7.jpg"))[..., ::-1]
    chip = synthesize_chip(4, 7)
    assert read_rows(small / "train_v2.csv")[7]["tags"] == chip.tags
    assert np.abs(written.astype(float) - chip.image).mean() < 3


def test_chip_is_deterministic():
    first, second = synthesize_chip(3, 5), synthesize_chip(3, 5)
    assert np.array_equal(first.image, second.image)
    assert not np.array_equal(first.image, synthesize_chip(4, 5).image)


@pytest.mark.parametrize("weather", ["clear", "partly_cloudy", "haze"])
def test_image_obeys_scattering_equation(weather):
    chip = synthesize_chip(1, 2, f"{weather} primary water")
    through = chip.transmission[..., None]
    light = chip.radiance * through + chip.airlight * (1 - through)
    error = chip.image / 255 - light
    assert np.abs(error.mean()) < 0.5 / 255
    assert error.std() < 3 / 255


def test_haze_is_thicker_and_smoother_than_cloud():
    clear, cloud, haze = (
        synthesize_chip(2, 1, f"{weather} primary").transmission
        for weather in ("clear", "partly_cloudy", "haze")
    )
    assert haze.mean() < clear.mean()
    assert np.abs(np.diff(haze)).max() < 0.02
    assert np.ptp(cloud) > 0.2


@pytest.mark.parametrize("index", range(0, 40, 4))
def test_cloudy_chip_is_covered(index):
    chip = synthesize_chip(0, index, "cloudy")
    assert chip.tags == "cloudy"
    assert (chip.transmission < 0.5).mean() >= 0.9


@pytest.mark.parametrize("index", range(8))
def test_partly_cloudy_chip_shows_cloud_and_ground(index):
    chip = synthesize_chip(5, index, "partly_cloudy primary")
    opacity = 1 - chip.transmission
    assert (opacity > opacity.min() + 0.1).mean() > 0.004
    assert (chip.transmission > 0.25).mean() > 0.1


@pytest.mark.parametrize("label", LABELS)
def test_every_label_can_be_drawn(label):
    known = load_label_sets()
    tags = next(tags for tags in known.tags if label in tags.split())
    assert set(synthesize_chip(0, INDEX[label], tags).tags.split()) == set(tags.split())


def test_neighbours_join():
    for number in range(6):
        chips = synthesize_scene(8, number)
        left, right, below = (chips[k].radiance for k in (0, 1, 2))
        across = np.abs(left[:, -1] - right[:, 0]).mean()
        within = np.abs(left[:, -1] - left[:, -2]).mean()
        assert across < 2 * within + 0.01
        assert np.abs(left[-1] - below[0]).mean() < 2 * np.abs(left[-1] - left[-2]).mean() + 0.01
        assert np.abs(left[:, -1] - np.roll(right[:, 0], 128, axis=0)).mean() >= across


def test_label_sets_follow_real_distribution():
    known = load_label_sets()
    rng = np.random.default_rng(0)
    drawn = encode_tags([tags for _ in range(5000) for tags in draw_tags(rng)])
    assert np.abs(drawn.mean(axis=0) - known.share @ known.encoded).max() < 0.02


def test_enriched_label_sets_are_rich_in_rare_labels():
    known = load_label_sets()
    rng = np.random.default_rng(0)
    drawn = encode_tags([tags for _ in range(2000) for tags in draw_tags(rng, enrich=1.0)])
    real = known.share @ known.encoded
    rare = real < 0.01
    assert (drawn.mean(axis=0)[rare] > 5 * real[rare]).all()


def test_theme_is_shared_within_scene():
    rng = np.random.default_rng(1)
    for _ in range(50):
        rows = encode_tags(draw_tags(rng))
        for label in ("clear", "haze", "primary", "water", "agriculture"):
            assert len(set(rows[:, INDEX[label]])) == 1


def test_confused_tags_differ_in_one_decision():
    rng = np.random.default_rng(2)
    for tags in ("clear primary", "haze primary water road", "cloudy"):
        wrong = encode_tags([tags, confuse_tags(rng, tags)])
        assert (wrong[0, 4:] != wrong[1, 4:]).sum() <= 1
        assert wrong[:, :4].sum(axis=1).tolist() == [1, 1]


def test_label_noise_changes_share_of_rows(tmp_path):
    write_dataset(tmp_path / "right", chips=24, unlabelled=0, seed=6)
    write_dataset(tmp_path / "wrong", chips=24, unlabelled=0, seed=6, label_noise=1.0)
    right, wrong = (
        [row["tags"] for row in read_rows(tmp_path / name / "train_v2.csv")]
        for name in ("right", "wrong")
    )
    assert all(a != b for a, b in zip(right, wrong, strict=True))


@pytest.mark.parametrize("seed", range(12))
def test_blob_ends_within_its_square(seed):
    blob = draw_blob(np.random.default_rng(seed), 30, roughness=0.5)
    border = np.concatenate([blob[0], blob[-1], blob[:, 0], blob[:, -1]])
    assert border.max() < 0.5
    assert blob.max() == 1


@pytest.mark.parametrize("slots", [[0], [3], [0, 1], [0, 3], [1, 2, 3], [0, 1, 2, 3]])
def test_route_visits_wanted_chips_only(slots):
    for seed in range(5):
        rng = np.random.default_rng(seed)
        lines = route_through(rng, slots, meander_px=20, bends=3, inset_px=12)
        points = np.concatenate(lines)
        deep = (np.minimum(points % 256, 256 - points % 256) > 11).all(axis=1)
        inside = ((points > 0) & (points < 512)).all(axis=1)
        x, y = points[deep & inside].T // 256
        assert set((x + 2 * y).astype(int)) == set(slots)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"chips": -1}, "chips must be at least 0, got -1"),
        ({"unlabelled": -1}, "unlabelled must be at least 0"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"enrich": 1.5}, "enrich must be from 0 to 1, got 1.5"),
        ({"label_noise": -0.1}, "label_noise must be from 0 to 1"),
        ({"workers": 0}, "workers must be at least 1"),
    ],
)
def test_bad_argument_is_named(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        write_dataset(tmp_path, **{"chips": 4, "unlabelled": 0, "seed": 0} | arguments)


def test_file_instead_of_folder_is_named(tmp_path):
    path = tmp_path / "taken"
    path.write_text("")
    with pytest.raises(DataError, match="taken is a file"):
        write_dataset(path, chips=1, unlabelled=0, seed=0)


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
def test_impossible_tags_are_explained(tags, message):
    with pytest.raises(DataError, match=message):
        synthesize_chip(0, 0, tags)


def test_negative_index_is_refused():
    with pytest.raises(ValueError, match="at least 0"):
        synthesize_chip(0, -1)
