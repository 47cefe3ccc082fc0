"""The review loop: marks become chips that the gallery's reader takes, and the score rises."""

import json
import re
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from browser import open_browser
from galleries import FOREST, MINE, paint_chips, write_gallery, write_sheet
from made_scenes import GROUND_DISTANCE_M, ORIGIN, UTM, paint_scene, write_geotiff, write_network
from shapely.geometry import Point
from sklearn.linear_model import LogisticRegression

from planet_lib.cli import main
from planet_lib.data.labels import MINE as MINE_LABEL
from planet_lib.data.mining_watch import load_gallery
from planet_lib.errors import ConfigError, DataError
from planet_lib.scenes.find import find_mines
from planet_lib.scenes.outputs import read_sites
from planet_lib.scenes.review import apply_reviews, read_review

MINES = [(70, 60), (72, 300), (220, 72), (216, 216)]
LOOK_ALIKE = (205, 190, 60)
SIDE_PX = 16
NO_MINES = paint_chips(2, FOREST, 1)


@pytest.fixture(scope="module")
def results(network, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("reviewed")
    scene = write_geotiff(folder / "scene_20200715.tif", paint_scene(320, 400, MINES))
    find_mines([str(scene)], folder / "out", model=str(network))
    return folder / "out"


@pytest.fixture
def sites(results) -> gpd.GeoDataFrame:
    return read_sites(results / "sites.geojson")


def write_review(path: Path, sites: gpd.GeoDataFrame, marks: list[str]) -> Path:
    columns = ["id", "scene", "latitude", "longitude"]
    table = sites.iloc[: len(marks)][columns].assign(mark=marks)
    if path.suffix == ".csv":
        table.to_csv(path, index=False)
    else:
        points = gpd.points_from_xy(table.longitude, table.latitude)
        gpd.GeoDataFrame(table, geometry=points, crs=4326).to_file(path)
    return path


@pytest.mark.parametrize("ending", ["csv", "geojson"])
def test_marks_become_chips_of_the_gallery(results, sites, tmp_path, ending):
    review = write_review(
        tmp_path / f"review.{ending}", sites, ["right", "wrong", "unsure", "right"]
    )
    applied = apply_reviews([review], tmp_path / "gallery", results=results)
    catalogue, chips = load_gallery(tmp_path / "gallery")
    assert (applied.mines, applied.look_alikes) == (2, 1)
    assert catalogue.kind.value_counts().to_dict() == {"mine": 2, "reviewed look-alike": 1}
    assert set(catalogue.start) == {"2020-07-15"}
    middles = chips[:, 20:28, 20:28].mean(axis=(1, 2))
    np.testing.assert_allclose(middles, np.tile([190, 150, 100], (3, 1)), atol=4)
    mines = catalogue[catalogue.tags == MINE_LABEL]
    metres = gpd.GeoSeries(gpd.points_from_xy(mines.longitude, mines.latitude), crs=4326).to_crs(
        UTM
    )
    marked = sites.iloc[[0, 3]].to_crs(UTM).centroid.reset_index(drop=True)
    assert metres.distance(marked).max() < 120
    assert [problem.problem for problem in applied.problems] == ["unsure"]
    tables = [pd.read_csv(path) for path in (tmp_path / "gallery/data/reviewed").glob("*.csv")]
    assert set(pd.concat(tables).chip) == set(catalogue.chip)


def test_duplicates_are_used_once_and_contradictions_not_at_all(results, sites, tmp_path):
    first = write_review(tmp_path / "a.csv", sites, ["right", "wrong", "right"])
    second = write_review(tmp_path / "b.geojson", sites, ["right", "right", "unsure"])
    applied = apply_reviews([first, second], tmp_path / "gallery", results=results)
    assert (applied.mines, applied.look_alikes) == (2, 0)
    ids = sites.id
    assert {(problem.file, problem.action) for problem in applied.problems} == {
        (f"a.csv: {ids[0]}, b.geojson: {ids[0]}", "used once"),
        (f"a.csv: {ids[1]}, b.geojson: {ids[1]}", "left out"),
        (f"b.geojson: {ids[2]}", "left out"),
    }


def test_second_application_replaces_the_first(results, sites, tmp_path):
    for marks in (["right", "right", "wrong"], ["right", "wrong"], ["right", "wrong"]):
        review = write_review(tmp_path / "review.csv", sites, marks)
        apply_reviews([review], tmp_path / "gallery", results=results)
    catalogue, _ = load_gallery(tmp_path / "gallery")
    assert len(catalogue) == 2


def test_application_that_fails_keeps_the_earlier_chips(results, sites, tmp_path):
    review = write_review(tmp_path / "review.csv", sites, ["right", "wrong"])
    apply_reviews([review], tmp_path / "gallery", results=results)
    changed = change_summary(results, tmp_path / "a", lambda s: s["plan"].update(stamp=[]))
    with pytest.raises(DataError, match="has changed since it was searched"):
        apply_reviews([review], tmp_path / "gallery", results=changed)
    assert len(load_gallery(tmp_path / "gallery")[0]) == 2


def test_site_that_two_scenes_show_is_cut_where_it_is_most_probable(network, tmp_path):
    ground = paint_scene(320, 500, [])
    ground[150:166, 180:420] = MINE  # reaches far into the second scene
    step = GROUND_DISTANCE_M
    first = write_geotiff(tmp_path / "first.tif", ground[:, :250])
    second = write_geotiff(tmp_path / "second.tif", ground[:, 200:], west=ORIGIN[0] + 200 * step)
    sites = find_mines([str(first), str(second)], tmp_path / "out", model=str(network))
    assert list(sites.scenes) == ["first; second"]
    review = write_review(tmp_path / "review.csv", sites, ["right"])
    assert apply_reviews([review], tmp_path / "gallery", results=tmp_path / "out").mines > 1
    catalogue, chips = load_gallery_of_mines(tmp_path / "gallery")
    points = gpd.GeoSeries(gpd.points_from_xy(catalogue.longitude, catalogue.latitude), crs=4326)
    for point, chip in zip(points.to_crs(UTM), chips, strict=True):
        row, column = round((ORIGIN[1] - point.y) / step), round((point.x - ORIGIN[0]) / step)
        shown = ground[row - 24 : row + 24, column - 24 : column + 24]
        np.testing.assert_allclose(chip.astype(int), shown, atol=1)


def test_site_at_a_border_and_unknown_to_the_results_is_cut_within_the_scene(
    results, sites, tmp_path
):
    corner = gpd.GeoSeries([Point(ORIGIN[0] + 20, ORIGIN[1] - 20)], crs=UTM).to_crs(4326)[0]
    moved = sites.assign(latitude=corner.y, longitude=corner.x)
    review = write_review(tmp_path / "review.csv", moved, ["wrong"])
    assert apply_reviews([review], tmp_path / "gallery", results=results).look_alikes == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read as a review"),
        ("id,mark\nx,right\n", "no column scene, latitude, longitude"),
        ("id,scene,latitude,longitude,mark\nx,s,1,2,maybe\n", "mark 'maybe'; allowed: right"),
        ("id,scene,latitude,longitude,mark\nx,s,north,2,right\n", "x has no latitude"),
        ("id,scene,latitude,longitude,mark\nx,s,1,999,right\n", "x has no longitude"),
        ("id,scene,latitude,longitude,mark\nx,../s,1,2,right\n", "x has no name of a scene"),
    ],
)
def test_bad_review_is_one_line(tmp_path, text, message):
    (tmp_path / "review.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_review(tmp_path / "review.csv")


def test_review_apart_from_its_results_is_one_line(sites, tmp_path, capsys):
    review = write_review(tmp_path / "review.csv", sites, ["right"])
    assert main(["review", "apply", str(review), "--out", str(tmp_path / "gallery")]) == 1
    assert "--results" in capsys.readouterr().err
    assert main(["review", "apply", str(tmp_path / "no.csv"), "--out", str(tmp_path)]) == 1
    assert "no such file" in capsys.readouterr().err


def load_gallery_of_mines(folder: Path) -> tuple[pd.DataFrame, np.ndarray]:
    """Load the mines of a gallery that has no other chips yet."""
    write_sheet(folder, "random_negatives_S2L1C_clear0.75_2019-01-01_2020-01-01", NO_MINES)
    catalogue, chips = load_gallery(folder)
    mines = catalogue["tags"].eq(MINE_LABEL)
    return catalogue[mines], chips[mines]


def change_summary(results: Path, folder: Path, change) -> Path:
    scene = folder / "scene_20200715"
    scene.mkdir(parents=True)
    for path in (results / scene.name).iterdir():
        if path.is_file():
            (scene / path.name).write_bytes(path.read_bytes())
    summary = json.loads((scene / "scene.json").read_text())
    change(summary)
    (scene / "scene.json").write_text(json.dumps(summary))
    return folder


def test_changed_scene_and_other_chips_are_refused(results, sites, tmp_path):
    review = write_review(tmp_path / "review.csv", sites, ["right"])
    stale = change_summary(results, tmp_path / "a", lambda s: s["plan"].update(stamp=[]))
    with pytest.raises(DataError, match="has changed since it was searched"):
        apply_reviews([review], tmp_path / "gallery", results=stale)
    large = change_summary(results, tmp_path / "b", lambda s: s["model"].update(chip_px=256))
    with pytest.raises(ConfigError, match="256 px of 10 m; the gallery holds 48 px of 10 m"):
        apply_reviews([review], tmp_path / "gallery", results=large)
    published = change_summary(results, tmp_path / "c", lambda s: s["plan"].update(files=["s.tif"]))
    with pytest.raises(DataError, match="published results do not say where"):
        apply_reviews([review], tmp_path / "gallery", results=published)
    assert not (tmp_path / "gallery").exists()


def train(gallery: Path, folder: Path) -> Path:
    """Train a network of one neuron on the mean colours of a gallery's chips."""
    catalogue, chips = load_gallery(gallery)
    colours = chips.mean(axis=(1, 2)) / 255
    mines = catalogue["tags"].eq(MINE_LABEL)
    model = LogisticRegression(C=1e5, class_weight="balanced", max_iter=10_000).fit(colours, mines)
    return write_network(folder, weights=model.coef_[0], bias=model.intercept_[0])


def plant(places: list[tuple[int, int]], colours: list[tuple[int, int, int]]) -> np.ndarray:
    rng = np.random.default_rng(7)
    scene = np.empty((400, 500, 3), int)
    scene[:] = FOREST
    for (row, column), colour in zip(places, colours, strict=True):
        scene[row : row + SIDE_PX, column : column + SIDE_PX] = colour
    return (scene + rng.integers(-6, 7, scene.shape)).clip(1, 255).astype(np.uint8)


def score(sites: gpd.GeoDataFrame, mines: list[tuple[int, int]]) -> float:
    """Score sites by F1: a site is right within a chip's side of a mine."""
    points = [
        Point(ORIGIN[0] + GROUND_DISTANCE_M * (column + SIDE_PX / 2),
              ORIGIN[1] - GROUND_DISTANCE_M * (row + SIDE_PX / 2))
        for row, column in mines
    ]  # fmt: skip
    centres = sites.to_crs(UTM).centroid
    reach = 48 * GROUND_DISTANCE_M
    right = sum(min(centre.distance(point) for point in points) < reach for centre in centres)
    found = sum(centres.distance(point).min() < reach for point in points) if len(sites) else 0
    return 2 * found / (found + len(points) + len(sites) - right)


@pytest.mark.slow
@pytest.mark.usefixtures("chromium")
def test_review_raises_the_score_on_a_scene_with_look_alikes(tmp_path):
    gallery = write_gallery(tmp_path / "gallery", mines=30, others=30)
    places = [(row, column) for row in (60, 200, 330) for column in (60, 180, 300, 420)]
    colours = [MINE if number % 2 else LOOK_ALIKE for number in range(len(places))]
    mines = places[1::2]
    scene = write_geotiff(tmp_path / "scene_20210701.tif", plant(places, colours))
    before = find_mines(
        [str(scene)], tmp_path / "before", model=str(train(gallery, tmp_path / "first"))
    )
    assert score(before, mines) < 0.9
    truth = {place: colour == MINE for place, colour in zip(places, colours, strict=True)}
    with open_browser() as chrome:
        page = chrome.new_context(offline=True).new_page()
        page.goto((tmp_path / "before" / "map.html").as_uri())
        for name, centre in zip(before.id, before.to_crs(UTM).centroid, strict=True):
            row = (ORIGIN[1] - centre.y) / GROUND_DISTANCE_M
            column = (centre.x - ORIGIN[0]) / GROUND_DISTANCE_M
            nearest = min(truth, key=lambda at: abs(at[0] - row) + abs(at[1] - column))
            page.get_by_role("button", name=re.compile(name)).click()
            page.keyboard.press("r" if truth[nearest] else "w")
        with page.expect_download() as saved:
            page.get_by_role("button", name="GeoJSON").click()
        saved.value.save_as(tmp_path / "before" / "review.geojson")
    review = str(tmp_path / "before" / "review.geojson")
    assert main(["review", "apply", review, "--out", str(gallery)]) == 0
    assert load_gallery(gallery)[0].kind.eq("reviewed look-alike").sum() >= len(places) // 2
    after = find_mines(
        [str(scene)], tmp_path / "after", model=str(train(gallery, tmp_path / "second"))
    )
    assert score(after, mines) > score(before, mines) + 0.05
    assert score(after, mines) > 0.95
