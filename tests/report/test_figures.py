"""Figures: each draws without a warning, shows the numbers it is given and leaves chips as is."""

import base64
import io
from functools import partial
from itertools import combinations, pairwise
from typing import get_args
from xml.etree import ElementTree

import cv2
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from planet_lib.config import INPUTS, Profile
from planet_lib.data.labels import INDEX, LABELS, LAND, MINE, WEATHER, encode_tags
from planet_lib.evaluation.detection import MEASURES, score_detectors
from planet_lib.evaluation.detector_errors import score_kinds
from planet_lib.evaluation.metrics import score_labels
from planet_lib.evaluation.mines import measure_effort
from planet_lib.report.contents import INPUT_NAMES, NETWORK_NAMES, name_label
from planet_lib.report.figures import (
    detection,
    ensemble,
    evaluation,
    explore,
    gallery,
    haze,
    mines,
    style,
    training,
)
from planet_lib.report.figures.gallery import Card

RUNS = [f"{network}-{kind}" for network in ("cnn", "densenet") for kind in INPUT_NAMES]


def draw(figure: Figure) -> Figure:
    """Lay out and draw a figure, all but its pixels; return it."""
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()
    return figure


def make_truth(chips: int) -> np.ndarray:
    """Make labels with one weather each, some land, and no blow_down."""
    rng = np.random.default_rng(0)
    truth = (rng.random((chips, 17)) < 0.3).astype(np.uint8)
    truth[:, :4] = np.eye(4)[rng.integers(0, 4, chips)]
    truth[:, INDEX["blow_down"]] = 0
    return truth


def make_tables(truth: np.ndarray, runs=RUNS, threshold: float = 0.5) -> dict[str, pd.DataFrame]:
    rng = np.random.default_rng(1)
    return {run: score_labels(truth, rng.random(truth.shape), threshold) for run in runs}


def list_texts(figure: Figure) -> list[str]:
    """List all texts of a figure, including labels of axes and ticks."""
    artists = draw(figure).findobj(lambda artist: hasattr(artist, "get_text"))
    return [artist.get_text() for artist in artists]


def list_pictures(figure: Figure) -> list[np.ndarray]:
    return [image.get_array() for axes in figure.axes for image in axes.images]


def count_panels(figure: Figure) -> int:
    return sum(axes.get_visible() for axes in draw(figure).axes)


RNG = np.random.default_rng(2)
CHIP = RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)
TRUTH = make_truth(60)
PROBABILITIES = {run: RNG.random(TRUTH.shape) for run in RUNS}
TABLES = make_tables(TRUTH)
COUNTS = pd.Series(TRUTH.sum(axis=0), LABELS)
COLUMNS = ("haziness", "airlight", "value_mean", "value_std", "laplacian_std")
STATISTICS = pd.DataFrame(RNG.random((30, len(COLUMNS))) * 100 + 1, columns=COLUMNS)
ALL_CLEAR = np.zeros(30, int)
LOSSES = [f"{split}{head}_loss" for split in ("", "val_") for head in ("weather", "land")]
ONE_EPOCH = pd.DataFrame({"epoch": [1]} | dict.fromkeys(LOSSES, 1.0))
LADDER = pd.DataFrame(
    {"f2": [0.8, 0.9], "low": 0.7, "high": 0.95, "gain": [np.nan, 0.1], "gain_low": [np.nan, -0.01],
     "gain_high": [np.nan, 0.2]}, ["trees", "a step whose name does not fit into one line"],
)  # fmt: skip
STAGES = pd.DataFrame(
    {"layers": [0, 1], "side_px": [64, 1], "maps": [3, 17], "parameters": [0, 1234]},
    ["chips", "land"],
)
MINES = TRUTH[:, 0] == 1
MAP = pd.DataFrame(
    {"longitude": [-70.1, -60.2, np.nan, -55.0], "latitude": [1.5, -8.0, np.nan, -3.0],
     "split": ["train", "test", "test", "validation"]},
)  # fmt: skip

EDGES = {
    "label without chips": (explore.plot_label_counts, COUNTS),
    "co-occurrence of no chips": (explore.plot_cooccurrence, TRUTH[:0]),
    "no label and all labels": (explore.plot_label_sets, pd.Series(["", " ".join(LABELS)])),
    "land on no chip": (explore.plot_weather_by_land, TRUTH[:4] * (np.arange(17) < 4)),
    "land without weather": (explore.plot_weather_by_land, TRUTH * (np.arange(17) >= 4)),
    "label without samples": (
        partial(explore.plot_label_samples, columns=1), {"clear": [("a", CHIP)], MINE: []}
    ),
    "haziness of one weather": (explore.plot_haziness, STATISTICS, ALL_CLEAR),
    "colours of one weather": (explore.plot_colours, STATISTICS, ALL_CLEAR),
    "one picture": (haze.plot_before_after, [("x", {"a": CHIP})]),
    "one weather changed": (
        haze.plot_haziness_change, STATISTICS, STATISTICS, pd.Series(["haze"] * 30)
    ),
    "one epoch": (partial(training.plot_learning_curves, best_epoch=1), ONE_EPOCH),
    "one run": (evaluation.plot_comparison, {"cnn-raw": TABLES["cnn-raw"]}, ["f2"]),
    "nothing predicted": (
        evaluation.plot_comparison, make_tables(TRUTH, threshold=2), ["precision"]
    ),
    "one chip scored": (evaluation.plot_comparison, make_tables(TRUTH[:1]), ["f2"]),
    "weather of one chip": (evaluation.plot_weather_confusion, np.array([2]), {"a": np.array([0])}),
    "land of one chip": (evaluation.plot_land_confusion, TRUTH[:1], TRUTH[:1]),
    "label on every chip": (
        evaluation.plot_precision_recall, TRUTH | 1, {"cnn-raw": PROBABILITIES["cnn-raw"]}, [MINE]
    ),
    "no chip flagged": (mines.plot_probabilities, np.linspace(0.01, 0.1, 9), 0.2),
    "only one chip, flagged": (mines.plot_probabilities, np.array([0.4]), 0.2),
    "probabilities of zero": (mines.plot_probabilities, np.array([0.0, 0.0, 0.5]), 0.2),
    "one view": (training.plot_inputs, [CHIP], "a"),
    "two pictures": (training.plot_inputs, [np.dstack([CHIP, CHIP])] * 8, "a"),
    "effort of one mine": (
        mines.plot_effort, {"test": measure_effort(np.array([True]), np.ones(1))}
    ),
    "chip with all labels": (gallery.plot_gallery, [Card("a", " ".join(LABELS), (CHIP,))] * 5),
    "card without text": (gallery.plot_gallery, [Card("a", "", (CHIP, CHIP))]),
    "chips without coordinates": (detection.plot_places, MAP[2:3]),
    "every mine missed": (detection.plot_misses, MAP, np.zeros(4, bool)),
    "one mine": (detection.plot_operating_curves, np.arange(9) == 0, {"cnn-raw": np.ones(9)}),
    "no look-alike taken for a mine": (
        detection.plot_kinds, score_kinds(np.array(["pond"]), np.array([False]), np.zeros(1)), 0.0
    ),
    "size without mines": (
        detection.plot_sizes, np.array([0.1]), np.array([True]), np.array([0, 1, 2])
    ),
    "composite of one kind": (
        detection.plot_haziness_by_composite,
        pd.DataFrame({"clear": [1], "before": 0.2, "after": 0.0}),
    ),
    "network of one stage": (training.plot_network, STAGES[:1]),
    "chip without any label": (
        partial(training.plot_watched, threshold=0.2, best_epoch=1),
        [CHIP], ["a"], TRUTH[:1] * 0, np.zeros((1, 1, 17)),
    ),
    "map without any detail": (
        partial(ensemble.plot_maps, cells=4), CHIP, {"a": np.zeros((64, 64), np.uint8)}
    ),
}  # fmt: skip


@pytest.mark.parametrize("edge", EDGES)
def test_figure_draws_at_its_edge(edge):
    function, *arguments = EDGES[edge]
    figure = draw(function(*arguments))
    legends = [legend.get_window_extent() for legend in figure.legends]
    for axes in figure.axes:
        for label in (axes.xaxis.label, axes.yaxis.label):
            if axes.axison and label.get_text():
                box = label.get_window_extent()
                assert figure.bbox.padded(1).count_contains(box.corners()) == 4, label
                assert not any(box.overlaps(legend) for legend in legends), label


def test_every_network_and_input_has_a_name_and_a_look_of_its_own():
    networks, _ = get_args(Profile.model_fields["networks"].annotation)
    assert (
        {*get_args(networks), "ensemble"} == set(NETWORK_NAMES) == set(evaluation.NETWORK_COLOURS)
    )
    assert len(set(evaluation.NETWORK_COLOURS.values())) == len(NETWORK_NAMES)
    assert (
        set(INPUTS)
        == set(INPUT_NAMES)
        == set(evaluation.INPUT_LINES)
        == set(evaluation.INPUT_MARKERS)
    )


def test_label_counts_name_every_label_and_its_chips():
    texts = list_texts(explore.plot_label_counts(COUNTS))
    assert {name_label(label) for label in LABELS} <= set(texts)
    assert {f"{count:,}" for count in COUNTS} <= set(texts)


def test_cooccurrence_draws_the_shares():
    (share,) = list_pictures(explore.plot_cooccurrence(TRUTH))
    mine, road = INDEX[MINE], INDEX["road"]
    assert share[mine, road] == pytest.approx(TRUTH[TRUTH[:, mine] == 1, road].mean())
    assert (np.diag(share)[COUNTS > 0] == 1).all()


def test_label_sets_count_those_not_shown():
    sets = ["clear"] * 5 + ["haze"] * 3 + ["cloudy"] * 2 + ["clear road"]
    texts = list_texts(explore.plot_label_sets(pd.Series(sets), most=2))
    assert "chips; the other 2 sets have 3" in texts
    assert "cloudy" not in texts


def test_weather_shares_of_each_land_label_sum_to_one():
    figure = explore.plot_weather_by_land(TRUTH)
    widths = [[bar.get_width() for bar in bars] for bars in figure.axes[0].containers]
    np.testing.assert_allclose(np.sum(widths, axis=0), [1] * sum(COUNTS[list(LAND)] > 0))


def test_comparison_draws_the_scores_of_labels_that_have_chips():
    figure = evaluation.plot_comparison(TABLES, ["precision", "f2"])
    texts = list_texts(figure)
    assert "blow down" not in "".join(texts)
    assert {f"artisanal mine ({COUNTS[MINE]})", "Plain CNN, as taken"} <= set(texts)
    order = COUNTS[COUNTS > 0].index
    drawn = [np.sort(points.get_offsets()[:, 0]) for points in figure.axes[1].collections]
    for table in TABLES.values():
        expected = np.sort(table.loc[order, "f2"])
        assert any(len(x) == len(expected) and np.allclose(x, expected) for x in drawn)


def test_truth_draws_a_row_per_strength_and_a_mark_per_method():
    rows = [
        {"strength": strength, "method": method, "psnr_db": 20.0, "ssim": 0.5, "ciede2000": 9.0}
        for strength in ("no haze", "dense")
        for method in haze.METHOD_COLOURS
    ]
    figure = haze.plot_truth(pd.DataFrame(rows))
    texts = list_texts(figure)
    assert "no haze (1)" in texts
    assert "medium" not in "".join(texts)
    assert {len(axes.collections) for axes in figure.axes} == {len(haze.METHOD_COLOURS)}


@pytest.mark.parametrize("methods", [1, 3])
def test_weather_confusion_draws_a_panel_per_method(methods):
    weather = np.array([0, 0, 1, 2])
    predicted = {f"method {i}": np.array([0, 3, 1, 2]) for i in range(methods)}
    figure = evaluation.plot_weather_confusion(weather, predicted)
    assert set(predicted) <= set(list_texts(figure))
    assert count_panels(figure) == methods
    np.testing.assert_allclose(list_pictures(figure)[0][0], [0.5, 0, 0, 0.5])


def test_land_confusion_counts_every_chip_once_per_label():
    figure = evaluation.plot_land_confusion(TRUTH, PROBABILITIES["cnn-raw"] > 0.5)
    assert count_panels(figure) == len(LAND)
    for axes, label in zip(figure.axes, LAND, strict=False):
        counts = [int(text.get_text()) for text in axes.texts]
        assert sum(counts) == len(TRUTH)
        assert sum(counts[:2]) == COUNTS[label]


def test_precision_recall_has_a_panel_per_label_and_a_curve_per_run():
    labels = [MINE, "road", "water", "haze"]
    figure = evaluation.plot_precision_recall(TRUTH, PROBABILITIES, labels)
    assert count_panels(figure) == len(labels)
    texts = list_texts(figure)
    assert {f"artisanal mine ({COUNTS[MINE]})", "DenseNet, haze removed"} <= set(texts)


def test_ladder_writes_each_score_and_gain():
    texts = list_texts(ensemble.plot_ladder(LADDER))
    assert {"0.800", "0.900", "+0.100 (−0.010 to +0.200)"} <= set(texts)


def test_gallery_keeps_the_order_of_the_chips():
    cards = [Card(f"{i}. test_{i}", "clear, primary\nroad", (CHIP,)) for i in range(5)]
    texts = list_texts(gallery.plot_gallery(cards))
    titles = [text for text in texts if ". test_" in text]
    assert titles == [card.title for card in cards]
    assert texts.count("clear, primary\nroad") == 5


@pytest.mark.parametrize("columns", [2, 4, 6])
def test_texts_of_a_gallery_keep_to_their_cards(columns):
    title, text = "earlier false positive: 0.97", "v4.10_Q125_cloud_REMNANT_negatives-2025_08, 2024"
    cards = [Card(title, text, (CHIP,))] * (columns + 1)
    figure = draw(gallery.plot_gallery(cards, columns=columns))
    boxes = [
        artist.get_window_extent().padded(-1)
        for axes in figure.axes
        for artist in axes.get_children()
        if artist is axes.patch or (isinstance(artist, Text) and artist.get_text())
    ]
    assert len(boxes) == 3 * len(cards)
    assert all(figure.bbox.count_contains(box.corners()) == 4 for box in boxes)
    assert not any(box.overlaps(other) for box, other in combinations(boxes, 2))


def test_card_shows_its_pictures_side_by_side():
    (picture,) = list_pictures(
        gallery.plot_gallery([Card("a", "b", (CHIP, 255 - CHIP))], columns=1)
    )
    np.testing.assert_array_equal(picture[:, :64], CHIP)
    np.testing.assert_array_equal(picture[:, -64:], 255 - CHIP)


def test_operating_curve_shows_the_shares_at_every_threshold():
    scores = {"cnn-raw": RNG.random(60), "extra trees": RNG.random(60).round(1)}
    figure = draw(detection.plot_operating_curves(MINES, scores))
    for line, each in zip(figure.axes[0].lines, scores.values(), strict=False):
        x, y = line.get_data()
        for threshold in each:
            false = max((each[~MINES] >= threshold).mean(), detection.LOWEST_SHARE)
            assert (each[MINES] >= threshold).mean() in y[np.isclose(x, false)]
    assert {"Plain CNN, as taken", "extra trees", "0.994"} <= set(list_texts(figure))


def test_look_alikes_are_drawn_with_their_counts_and_shares():
    kinds = np.repeat(["pond", "river bank"], [1500, 20])
    table = score_kinds(kinds, np.arange(1520) % 4 == 0, np.zeros(1520))
    figure = detection.plot_kinds(table, 0.25)
    assert {"pond (1,500)", "river bank (20)", "all: 25.0%"} <= set(list_texts(figure))
    (marks,) = (drawn for drawn in figure.axes[0].collections if len(drawn.get_offsets()) == 2)
    np.testing.assert_allclose(marks.get_offsets()[:, 0], table["share"])


def test_maps_count_the_located_chips():
    assert {"train (1)", "validation (1)", "test (1)"} <= set(
        list_texts(detection.plot_places(MAP))
    )
    texts = list_texts(detection.plot_misses(MAP, np.array([True, False, True, True])))
    assert {"found (2)", "missed (1)"} <= set(texts)


def test_sizes_count_every_mine_in_its_bin():
    figure = detection.plot_sizes(
        np.array([0.5, 1.5, 1.7, 9]), np.array([True, True, False, False]), np.array([0, 1, 2, 4])
    )
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    assert heights == [1, 0, 1, 1, 0, 1]
    assert {"0 to 1", "100%", "50%", "0%"} <= set(list_texts(figure))


def test_measures_are_written_with_their_intervals():
    scores = {"cnn-raw": MINES + RNG.random(60), "none": np.zeros(60)}
    table = score_detectors(MINES, scores, np.arange(60), seed=0)
    value, low, high = table.loc["cnn-raw", "recall at specificity 0.95"]
    written = detection.format_measures(table, signed=True)
    assert written.loc["cnn-raw", "recall at specificity 0.95"] == (
        f"{value:+.3f} ({low:+.3f}\N{NO-BREAK SPACE}to\N{NO-BREAK SPACE}{high:+.3f})"
    )
    assert list(written.columns) == list(MEASURES)


def test_network_writes_the_size_and_the_weights_of_each_stage():
    texts = list_texts(training.plot_network(STAGES))
    assert {"chips", "64 × 64 × 3", "land", "17", "1 layer, 1,234 weights"} <= set(texts)


def test_watched_chip_shows_its_labels_before_those_that_are_predicted_falsely():
    truth = encode_tags(["clear road"])
    watched = np.zeros((3, 1, 17))
    watched[-1, 0, INDEX["water"]] = 0.4
    watched[:, 0, INDEX["road"]] = [0.1, 0.5, 0.8]
    figure = training.plot_watched([CHIP], ["a"], truth, watched, threshold=0.2, best_epoch=2)
    panel = figure.axes[1]
    assert [tick.get_text() for tick in panel.get_yticklabels()] == ["clear", "road", "water"]
    np.testing.assert_allclose(panel.images[0].get_array()[1], [0.1, 0.5, 0.8])


def test_watched_chip_shows_no_label_that_is_not_known():
    truth = np.full((1, 17), -1)
    truth[0, INDEX[MINE]] = 0
    watched = np.full((3, 1, 17), 0.3)
    watched[:, 0, INDEX[MINE]] = [0.1, 0.01, 0.0]
    figure = training.plot_watched([CHIP], ["a"], truth, watched, threshold=0.2, best_epoch=2)
    names = [tick.get_text() for tick in figure.axes[1].get_yticklabels()]
    assert names == ["artisanal mine"]


def test_maps_are_stretched_and_averaged_over_cells():
    plane = np.zeros((64, 64), np.float32)
    plane[:, 32:] = 7
    figure = ensemble.plot_maps(CHIP, {"a map": plane}, cells=2)
    upper, lower = figure.axes[1].images[0].get_array(), figure.axes[3].images[0].get_array()
    np.testing.assert_allclose(upper, plane / 7)
    np.testing.assert_allclose(lower, [[0, 1], [0, 1]])


def test_neighbours_stand_beside_their_chip():
    rows = [[(f"chip {i}", CHIP), (f"0.9  neighbour {i}", 255 - CHIP)] for i in range(2)]
    figure = ensemble.plot_neighbours(rows)
    texts = list_texts(figure)
    assert {"chip 1", "0.9  neighbour 1"} <= set(texts)
    np.testing.assert_array_equal(list_pictures(figure)[3], 255 - CHIP)


def test_effort_rises_by_a_mine_at_each_rank():
    effort = measure_effort(np.array([True, False, True, False]), np.array([0.9, 0.8, 0.7, 0.1]))
    figure = mines.plot_effort({"test chips": effort})
    line = figure.axes[0].lines[0]
    np.testing.assert_allclose(line.get_xdata(), [0, 0.25, 0.75, 1])
    np.testing.assert_allclose(line.get_ydata(), [0, 0.5, 1, 1])
    assert "test chips (2)" in list_texts(figure)


def count_overlaps(figure: Figure) -> int:
    """Count the labels of the vertical axis that run into the next one."""
    axes = draw(figure).axes[0]
    low, high = axes.get_ylim()
    ticks = zip(axes.get_yticklabels(), axes.get_yticks(), strict=True)
    boxes = [label.get_window_extent() for label, y in ticks if low <= y <= high]
    boxes.sort(key=lambda box: box.y0)
    return sum(below.y1 > above.y0 for below, above in pairwise(boxes))


@pytest.mark.parametrize("lowest", [1e-12, 1e-4, 0.01, 0.1])
def test_probabilities_have_an_axis_that_can_be_read(lowest):
    figure = mines.plot_probabilities(np.geomspace(lowest, 0.15, 40), 0.2)
    assert count_overlaps(figure) == 0
    assert figure.axes[0].get_ylim()[0] > 1e-5


def test_probabilities_count_those_over_the_threshold():
    figure = mines.plot_probabilities(np.array([0.1, 0.2, 0.9]), 0.2)
    over, below = (len(points.get_offsets()) for points in figure.axes[0].collections[:2])
    assert (over, below) == (2, 1)


def test_haziness_change_names_each_weather_with_its_chips():
    weather = pd.Series(np.array(WEATHER)[np.arange(30) % 4])
    texts = list_texts(haze.plot_haziness_change(STATISTICS, STATISTICS / 2, weather))
    assert {"clear (8)", "partly cloudy (8)", "haze (7)", "cloudy (7)"} <= set(texts)


PICTURES = {
    "samples": lambda chip: explore.plot_label_samples({"clear": [("a", chip)]}, columns=2),
    "steps": lambda chip: haze.plot_steps([("a", chip)]),
    "before and after": lambda chip: haze.plot_before_after([("x", {"a": chip, "b": chip})]),
    "gallery": lambda chip: gallery.plot_gallery([Card("a", "clear", (chip,))]),
    "neighbours": lambda chip: ensemble.plot_neighbours([[("a", chip)]]),
    "inputs": lambda chip: training.plot_inputs([chip, chip], "a"),
}


@pytest.mark.parametrize("kind", PICTURES)
def test_chip_is_drawn_as_it_is(kind):
    chip = CHIP.copy()
    pictures = list_pictures(draw(PICTURES[kind](chip)))
    assert pictures
    for picture in [*pictures, chip]:
        np.testing.assert_array_equal(picture, CHIP)


def test_airlight_is_marked_where_it_was_estimated():
    chosen = np.zeros((64, 64), bool)
    chosen[3, 5] = True
    figure = haze.plot_airlight(CHIP, chosen, np.array([10, 20, 30]))
    np.testing.assert_array_equal(figure.axes[1].collections[0].get_offsets(), [[5, 3]])
    assert (list_pictures(figure)[2] == [10, 20, 30]).all()


def test_sliders_repeat_the_haze_removal_as_they_move():
    seen = []

    def dehaze(chip, *, omega, t0):
        seen.append((omega, t0))
        return np.full_like(chip, int(100 * omega))

    box = haze.make_sliders(CHIP, dehaze, omega=0.95, t0=0.1)
    sliders, picture = box.children[0].children, box.children[1]
    before = picture.value
    sliders[0].value = 0.5
    sliders[1].value = 0.3
    assert seen == [(0.95, 0.1), (0.5, 0.1), (0.5, 0.3)]
    assert picture.value != before
    shown = cv2.imdecode(np.frombuffer(picture.value, np.uint8), cv2.IMREAD_COLOR_RGB)
    np.testing.assert_array_equal(shown[:, : CHIP.shape[1]], CHIP)
    assert (shown[:, CHIP.shape[1] :] == 50).all()


def test_dark_plane_is_not_stretched():
    figure = haze.plot_steps([("a", np.full((9, 9), 0.1)), ("b", np.full((9, 9), 0.2))])
    assert [axes.images[0].get_clim() for axes in figure.axes] == [(0, 1)] * 2


@pytest.fixture
def show(monkeypatch):
    """Show a figure and return its media type, content, metadata and caption."""

    def show_figure(figure: Figure) -> tuple[str, str, dict, str]:
        shown = []
        monkeypatch.setattr(style, "display", lambda *args, **kwargs: shown.append((args, kwargs)))
        style.show_figure(figure, alt="one chip", caption="A.")
        (((bundle,), options), ((caption,), _)) = shown
        kind, content = next(iter(bundle.items()))
        assert bundle["text/plain"] == "one chip"
        return kind, content, options["metadata"][kind], caption

    return show_figure


@pytest.mark.parametrize("height_in", [2, 400])
def test_photograph_is_shown_as_webp(show, height_in):
    figure, axes = style.make_figure(height_in=height_in)
    style.draw_chip(axes, CHIP)
    kind, content, metadata, caption = show(figure)
    assert (kind, metadata["alt"], caption.metadata) == (
        "image/webp",
        "one chip",
        {"caption": "A."},
    )
    with Image.open(io.BytesIO(base64.b64decode(content))) as picture:
        assert picture.format == "WEBP"
        assert picture.width == (8 * 150 if height_in == 2 else 8 * 16_383 // 400)


@pytest.mark.parametrize(
    "plot", [lambda: explore.plot_label_counts(COUNTS), lambda: explore.plot_cooccurrence(TRUTH)]
)
def test_plot_is_shown_as_the_same_vectors_each_time(show, plot):
    kind, content, metadata, _ = show(plot())
    assert (kind, metadata["alt"]) == ("image/svg+xml", "one chip")
    assert ElementTree.fromstring(content).get("width").startswith("576")
    assert show(plot())[1] == content


@pytest.mark.slow
def test_plot_of_very_many_marks_is_shown_as_pixels(show):
    statistics = pd.DataFrame(RNG.random((20_000, len(COLUMNS))) + 1, columns=COLUMNS)
    figure = explore.plot_colours(statistics, np.zeros(20_000, int))
    kind, content, *_ = show(figure)
    assert kind == "image/webp"
    assert len(content) < style.VECTOR_BYTES


def test_table_is_rounded_and_has_dashes_for_undefined_values():
    table = pd.DataFrame({"f2_gain": [-0.12345, np.nan], "support": [1234, 0]}, [MINE, "road"])
    written = style.format_table(table, caption="A.", digits=2).written
    assert list(written.columns) == ["F2 gain", "support"]
    assert list(written.index) == ["artisanal mine", "road"]
    assert written.to_numpy().tolist() == [["−0.12", "1,234"], ["–", "0"]]


def test_table_has_a_caption_and_its_numbers_unrounded():
    table = pd.DataFrame({"x" * 60: [0.123456789], "y": ["z" * 60]}, [MINE])
    bundle = style.format_table(table, caption="A < B.")._repr_mimebundle_()
    assert "<caption>A &lt; B.</caption><thead>" in bundle["text/html"]
    assert "z" * 60 in bundle["text/html"]
    pd.testing.assert_frame_equal(pd.read_csv(io.StringIO(bundle["text/csv"]), index_col=0), table)
