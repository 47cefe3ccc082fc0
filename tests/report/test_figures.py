"""Figures: each draws without a warning, also at its edges, and leaves pictures as they are."""

import io
from functools import partial

import cv2
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from planet_lib.config import INPUTS
from planet_lib.data.labels import INDEX, LABELS, LAND, MINE, WEATHER
from planet_lib.evaluation.metrics import score_labels
from planet_lib.report.figures import evaluation, explore, haze, mines, style, training

RUNS = [f"{network}-{kind}" for network in ("cnn", "densenet") for kind in INPUTS]
NO_CHIPS = np.zeros((0, 17), np.uint8)


def draw(figure: Figure) -> Figure:
    """Lay out and draw a figure, all but its pixels; return it."""
    assert isinstance(figure, Figure)
    figure.draw_without_rendering()
    return figure


def make_chip(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8)


def make_truth(chips: int = 60) -> np.ndarray:
    """Make labels that hold one weather each, some land, and no blow_down."""
    rng = np.random.default_rng(0)
    truth = (rng.random((chips, 17)) < 0.3).astype(np.uint8)
    truth[:, :4] = np.eye(4)[rng.integers(0, 4, chips)]
    truth[:, INDEX["blow_down"]] = 0
    return truth


def make_answers(chips: int = 60, runs=RUNS) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    return {run: rng.random((chips, 17)) for run in runs}


def make_tables(truth: np.ndarray, runs=RUNS, threshold: float = 0.5) -> dict[str, pd.DataFrame]:
    answers = make_answers(len(truth), runs)
    return {run: score_labels(truth, answer, threshold) for run, answer in answers.items()}


def make_statistics(chips: int = 30) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    columns = ("haziness", "airlight", "value_mean", "value_std", "laplacian_std")
    return pd.DataFrame(rng.random((chips, len(columns))) * 100 + 1, columns=columns)


def list_texts(figure: Figure) -> str:
    """List all that a figure says, its axes' labels and ticks among it."""
    draw(figure)
    texts = [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text"))]
    return "\n".join(texts)


def list_pictures(figure: Figure) -> list[np.ndarray]:
    return [image.get_array() for axes in figure.axes for image in axes.images]


def count_shown(figure: Figure) -> int:
    return sum(axes.get_visible() for axes in figure.axes)


CHIP, TRUTH, STATISTICS, ANSWERS = make_chip(), make_truth(), make_statistics(), make_answers()
TABLES = make_tables(TRUTH)
COUNTS = pd.Series(TRUTH.sum(axis=0), LABELS)
IDENTITY = np.eye(17, dtype=int)
LOSSES = [f"{split}{head}_loss" for split in ("", "val_") for head in ("weather", "land")]
HISTORY = pd.DataFrame({"epoch": [1, 2], **{name: [1.0, 0.5] for name in LOSSES}})
LONGEST_SET = (
    f"clear primary agriculture road water cultivation habitation conventional_mine {MINE}"
)
UNKNOWN = np.full(30, -1)
plot_one_column = partial(explore.plot_label_samples, columns=1)
plot_two_columns = partial(explore.plot_label_samples, columns=2)

EDGES = {
    "label without chips": (explore.plot_label_counts, COUNTS),
    "one chip counted": (explore.plot_label_counts, COUNTS * 0 + 1),
    "company of no chips": (explore.plot_cooccurrence, NO_CHIPS),
    "company of one chip": (explore.plot_cooccurrence, TRUTH[:1]),
    "one label set": (explore.plot_label_sets, pd.Series(["clear primary"] * 3)),
    "chip without a label": (explore.plot_label_sets, pd.Series(["", "clear"])),
    "land on one chip": (explore.plot_weather_by_land, IDENTITY[[0]] + IDENTITY[[4]]),
    "land on no chip": (explore.plot_weather_by_land, IDENTITY[:4]),
    "land without weather": (explore.plot_weather_by_land, np.vstack([TRUTH, IDENTITY[-1]])),
    "label without samples": (plot_two_columns, {"clear": [("a", CHIP)], MINE: []}),
    "one sample": (plot_one_column, {"clear": [("a", CHIP)]}),
    "one weather": (explore.plot_haziness, STATISTICS, UNKNOWN * 0),
    "one chip of each weather": (explore.plot_haziness, STATISTICS[:4], np.arange(4)),
    "colours of one weather": (explore.plot_colours, STATISTICS, UNKNOWN * 0),
    "two steps": (haze.plot_steps, [("a", CHIP), ("b", np.zeros((256, 256)))]),
    "one row before and after": (haze.plot_before_after, [("x", {"a": CHIP, "b": CHIP})]),
    "one picture": (haze.plot_before_after, [("x", {"a": CHIP})]),
    "one weather changed": (
        haze.plot_haziness_change, STATISTICS, STATISTICS, pd.Series(["haze"] * 30)
    ),
    "one epoch": (partial(training.plot_learning_curves, best_epoch=1), HISTORY[:1]),
    "kept epoch is the last": (partial(training.plot_learning_curves, best_epoch=2), HISTORY),
    "one run": (evaluation.plot_comparison, {"cnn-raw": TABLES["cnn-raw"]}, ["f2"]),
    "only raw": (evaluation.plot_comparison, {r: TABLES[r] for r in RUNS[::2]}, ["f2"]),
    "nothing predicted": (
        evaluation.plot_comparison, make_tables(TRUTH, threshold=2), ["precision"]
    ),
    "one chip scored": (evaluation.plot_comparison, make_tables(TRUTH[:1]), ["f2"]),
    "one matrix": (evaluation.plot_weather_confusion, {"a": np.eye(4, dtype=int)}),
    "empty matrix": (evaluation.plot_weather_confusion, {"a": np.zeros((4, 4), int)}),
    "land of no chips": (evaluation.plot_land_confusion, NO_CHIPS, NO_CHIPS),
    "one curve": (evaluation.plot_precision_recall, TRUTH, {RUNS[0]: ANSWERS[RUNS[0]]}, [MINE]),
    "label on every chip": (
        evaluation.plot_precision_recall, np.ones_like(TRUTH), ANSWERS, ["road"]
    ),
    "no candidate": (mines.plot_probabilities, np.linspace(0.01, 0.1, 9), 0.2),
    "every chip a candidate": (mines.plot_probabilities, np.linspace(0.3, 0.9, 9), 0.2),
    "one probability": (mines.plot_probabilities, np.array([0.4]), 0.2),
    "probabilities of zero": (mines.plot_probabilities, np.array([0.0, 0.0, 0.5]), 0.2),
    "one chip in the gallery": (mines.plot_gallery, [("a", 1.0, "", CHIP)]),
    "one step": (haze.plot_steps, [("a", CHIP)]),
    "one view": (training.plot_inputs, [CHIP], "a"),
    "two pictures": (training.plot_inputs, [np.dstack([CHIP, CHIP])] * 8, "a"),
    "longest label set of the competition": (explore.plot_label_sets, pd.Series([LONGEST_SET])),
    "chip with all labels": (mines.plot_gallery, [("a", 0.0, " ".join(LABELS), CHIP)] * 5),
}  # fmt: skip


@pytest.mark.parametrize("edge", EDGES)
def test_figure_draws_at_its_edge(edge):
    function, *arguments = EDGES[edge]
    draw(function(*arguments))


def test_label_counts_name_every_label_and_its_chips():
    texts = list_texts(explore.plot_label_counts(COUNTS)).splitlines()
    for label, count in COUNTS.items():
        assert style.name_label(label) in texts
        assert f"{count:,}" in texts


def test_cooccurrence_draws_the_shares():
    (share,) = list_pictures(explore.plot_cooccurrence(TRUTH))
    mine, road = INDEX[MINE], INDEX["road"]
    expected = TRUTH[TRUTH[:, mine] == 1, road].mean()
    assert share[mine, road] == pytest.approx(expected)
    assert (np.diag(share)[COUNTS > 0] == 1).all()


def test_label_sets_count_what_is_not_shown():
    sets = ["clear"] * 5 + ["haze"] * 3 + ["cloudy"] * 2 + ["clear road"]
    texts = list_texts(explore.plot_label_sets(pd.Series(sets), most=2))
    assert "chips; the other 2 sets have 3" in texts
    assert "cloudy" not in texts


def test_weather_shares_of_each_land_label_sum_to_one():
    figure = draw(explore.plot_weather_by_land(TRUTH))
    widths = [[bar.get_width() for bar in bars] for bars in figure.axes[0].containers]
    shown = [label for label in LAND if COUNTS[label]]
    np.testing.assert_allclose(np.sum(widths, axis=0), np.ones(len(shown)))


def test_comparison_leaves_out_labels_without_chips_and_draws_the_scores():
    figure = evaluation.plot_comparison(TABLES, ["precision", "f2"])
    texts = list_texts(figure)
    assert "blow down" not in texts
    assert f"artisanal mine ({COUNTS[MINE]})" in texts
    order = COUNTS[COUNTS > 0].sort_values(ascending=False, kind="stable").index
    drawn = [points.get_offsets()[:, 0] for points in figure.axes[1].collections]
    expected = np.sort(TABLES["cnn-raw"].loc[order, "f2"])
    assert any(len(x) == len(order) and np.allclose(np.sort(x), expected) for x in drawn)


def test_truth_draws_a_row_a_strength_and_a_mark_a_method():
    rows = [
        {"strength": strength, "method": method, "psnr_db": 20.0, "ssim": 0.5, "ciede2000": 9.0}
        for strength in ("no haze", "dense")
        for method in haze.METHOD_COLOURS
    ]
    figure = haze.plot_truth(pd.DataFrame(rows))
    texts = list_texts(figure)
    assert "no haze (1)" in texts
    assert "medium" not in texts
    for axes in figure.axes:
        assert len(axes.collections) == len(haze.METHOD_COLOURS)


def test_networks_of_one_report_differ_in_colour():
    colours = evaluation.NETWORK_COLOURS
    assert len(set(colours.values())) == len(colours)


def test_comparison_draws_three_networks():
    runs = ["cnn-raw", "densenet-raw", "densenet121-raw", "densenet121-dehazed"]
    texts = list_texts(evaluation.plot_comparison(make_tables(TRUTH, runs), ["recall"]))
    assert "DenseNet-121, haze removed" in texts


@pytest.mark.parametrize("matrices", [1, 2, 3, 4])
def test_weather_confusion_draws_a_panel_a_method(matrices):
    matrix = np.arange(16).reshape(4, 4)
    methods = {f"method {i}": matrix for i in range(matrices)}
    figure = evaluation.plot_weather_confusion(methods)
    assert set(methods) <= set(list_texts(figure).splitlines())
    assert count_shown(figure) == matrices
    np.testing.assert_allclose(list_pictures(figure)[0], matrix / matrix.sum(axis=1)[:, None])


def test_land_confusion_counts_every_chip_once_a_label():
    figure = evaluation.plot_land_confusion(TRUTH, ANSWERS["cnn-raw"] > 0.5)
    draw(figure)
    assert count_shown(figure) == len(LAND)
    for axes in figure.axes[: len(LAND)]:
        assert sum(int(text.get_text()) for text in axes.texts) == len(TRUTH)


def test_precision_recall_has_a_panel_a_label():
    figure = evaluation.plot_precision_recall(
        TRUTH, make_answers(), [MINE, "road", "water", "haze"]
    )
    draw(figure)
    assert count_shown(figure) == 4
    assert f"artisanal mine ({COUNTS[MINE]})" in list_texts(figure)


def test_gallery_ranks_chips_as_given():
    chips = [(f"test_{i}", 0.9 - i / 10, "clear primary", CHIP) for i in range(5)]
    figure = mines.plot_gallery(chips)
    texts = list_texts(figure)
    for rank in range(5):
        assert f"{rank + 1}. test_{rank}: {90 - 10 * rank}%" in texts
    assert len(list_pictures(figure)) == 5


def test_probabilities_count_those_over_the_threshold():
    figure = draw(mines.plot_probabilities(np.array([0.1, 0.2, 0.9]), 0.2))
    over, below = (len(points.get_offsets()) for points in figure.axes[0].collections[:2])
    assert (over, below) == (2, 1)


def test_haziness_change_names_each_weather_with_its_chips():
    weather = pd.Series(np.array(WEATHER)[np.arange(30) % 4])
    texts = list_texts(haze.plot_haziness_change(STATISTICS, STATISTICS / 2, weather))
    assert {"clear (8)", "partly cloudy (8)", "haze (7)", "cloudy (7)"} <= set(texts.splitlines())


PICTURES = {
    "samples": lambda chip: explore.plot_label_samples({"clear": [("a", chip)]}, columns=2),
    "steps": lambda chip: haze.plot_steps([("a", chip), ("b", chip)]),
    "before and after": lambda chip: haze.plot_before_after([("x", {"a": chip, "b": chip})]),
    "gallery": lambda chip: mines.plot_gallery([("a", 0.5, "clear", chip)]),
    "inputs": lambda chip: training.plot_inputs([chip, chip], "a"),
}


@pytest.mark.parametrize("kind", PICTURES)
def test_chip_is_drawn_as_it_is(kind):
    chip = CHIP.copy()
    figure = draw(PICTURES[kind](chip))
    for picture in list_pictures(figure):
        np.testing.assert_array_equal(picture, CHIP)
    np.testing.assert_array_equal(chip, CHIP)


def test_sliders_dehaze_anew_as_they_move():
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


def test_shown_figure_carries_its_alternative_text(monkeypatch):
    shown = []
    monkeypatch.setattr(style, "display", lambda *args, **kwargs: shown.append((args, kwargs)))
    style.show_figure(mines.plot_probabilities(np.array([0.5]), 0.2), alt="one chip", caption="A.")
    (((bundle,), options), ((caption,), _)) = shown
    assert options["metadata"]["image/png"]["alt"] == "one chip"
    assert bundle["text/plain"] == "one chip"
    assert "A." in caption.data
    with Image.open(io.BytesIO(bundle["image/png"])) as picture:
        assert picture.width == 8 * 150


def test_table_for_the_reader_rounds_and_dashes_what_is_undefined():
    table = pd.DataFrame(
        {"average_precision": [0.12345, np.nan], "support": [1234, 0]}, [MINE, "road"]
    )
    written = style.format_table(table, digits=2)
    assert list(written.columns) == ["average precision", "support"]
    assert list(written.index) == ["artisanal mine", "road"]
    assert written.to_numpy().tolist() == [["0.12", "1,234"], ["–", "0"]]
