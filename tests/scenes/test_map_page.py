"""The map page: it opens offline, shows and moves, keeps marks, and escapes what others wrote."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from browser import FIND_FAINT_TEXT, FIND_FAULTS, FIND_OVERFLOW, open_browser
from made_scenes import GROUND_DISTANCE_M, ORIGIN, UTM, paint_scene, write_geotiff
from playwright.sync_api import Browser, Page
from shapely.geometry import Point, box

import planet_lib.scenes.map_page
from planet_lib.scenes.find import find_mines, merge_scenes
from planet_lib.scenes.map_page import write_map
from planet_lib.scenes.outputs import read_sites

pytestmark = pytest.mark.usefixtures("chromium")
MINES = [(70, 60), (72, 300), (220, 72), (216, 216)]
HOSTILE = "</script><img src=x onerror=alert(1)> & Río"
MANY = 12_000
MIDDLE = "() => [toX(xs[chosen]) / size.width, toY(ys[chosen]) / size.height]"


@pytest.fixture(scope="module")
def results(network, tmp_path_factory) -> Path:
    """Give the folder of a searched scene with clouds, no data and areas of hostile names.

    Two earlier sites are not found again: one is gone, and over the other one lies a cloud.
    """
    folder = tmp_path_factory.mktemp("map")
    values = paint_scene(320, 400, MINES)
    values[:, 360:] = 0
    values[250:, :120] = 230
    areas = gpd.GeoDataFrame(
        {"name": [HOSTILE]}, geometry=[Point(ORIGIN[0] + 600, ORIGIN[1] - 700).buffer(900)], crs=UTM
    )
    areas.to_file(folder / "areas.gpkg")
    scene = write_geotiff(folder / "scene_20200715.tif", values)
    places = [place(150, 190), place(285, 60), place(*MINES[0])]
    earlier = gpd.GeoDataFrame(
        {"name": ["not the id"] * 3, "id": [f"gone {HOSTILE}", f"hidden {HOSTILE}", "known"]},
        geometry=[point.buffer(150) for point in places],
        crs=UTM,
    )
    earlier.to_file(folder / "earlier.gpkg")
    find_mines(
        [str(scene)], folder / "out", model=str(network),
        boundaries=folder / "areas.gpkg", compare=folder / "earlier.gpkg",
    )  # fmt: skip
    return folder / "out"


def place(row, column):
    return Point(ORIGIN[0] + GROUND_DISTANCE_M * column, ORIGIN[1] - GROUND_DISTANCE_M * row)


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@pytest.fixture
def open_map(results, chrome) -> Callable[..., Page]:
    """Give a function that opens a page without a network; a message of it fails the test."""
    contexts, faults = [], []

    def opening(file: Path = results / "map.html", **options) -> Page:
        context = chrome.new_context(offline=True, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("dialog", lambda dialog: faults.append(dialog.message))
        page.goto(file.as_uri())
        return page

    yield opening
    for context in contexts:
        context.close()
    assert faults == []


@contextmanager
def watch_map(page: Page) -> Iterator[None]:
    """Demand that the picture on the canvas changes."""
    shot = "() => new Promise((done) => { draw(); done(canvas.toDataURL()); })"
    before = page.evaluate(shot)
    yield
    assert page.evaluate(shot) != before


def click_site(page: Page, number: int) -> None:
    x, y = page.evaluate(f"[toX(xs[{number}]), toY(ys[{number}])]")
    page.locator("#map").click(position={"x": x, "y": y})


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_page_is_readable(open_map, scheme, width):
    page = open_map(color_scheme=scheme, viewport={"width": width, "height": 800})
    page.get_by_role("button", name="scene_20200715-00001").click()
    faults = page.evaluate(FIND_FAINT_TEXT) + page.evaluate(FIND_OVERFLOW)
    faults += [fault for fault in page.evaluate(FIND_FAULTS) if "no CSV" not in fault]
    assert [fault for fault in faults if "not numbered" not in fault] == []


def test_page_asks_for_nothing(results):
    html = (results / "map.html").read_text()
    assert set(re.findall(r'src="(\w+:)', html)) == {"data:"}
    assert not re.findall(r'<link[^>]+href="(?!data:)', html)
    assert len(html) < 600_000


def test_click_on_the_map_shows_the_site(open_map):
    page = open_map()
    click_site(page, 2)
    assert page.locator("#name").inner_text() == "scene_20200715-00003"
    for name in ("taken", "clear"):
        assert page.locator(f"#{name}").evaluate("(img) => img.decode().then(() => img.width)") > 50
    latitude, longitude = map(float, page.locator("#coordinates").input_value().split(", "))
    assert -10 < latitude < -8
    assert -56 < longitude < -55
    links = page.locator("#links a").evaluate_all("(all) => all.map((link) => link.href)")
    assert all(f"{latitude}" in link and f"{longitude}" in link for link in links)
    assert len(links) >= 2


def test_coordinates_are_copied(open_map):
    page = open_map(permissions=["clipboard-read", "clipboard-write"])
    click_site(page, 0)
    page.get_by_role("button", name="Copy").click()
    page.get_by_text("Copied").wait_for()
    text = page.evaluate("navigator.clipboard.readText()")
    assert text == page.locator("#coordinates").input_value()


@pytest.mark.parametrize("column", ["Latitude", "Area, ha", "Site"])
def test_sorting_orders_the_table_and_moves_the_map(open_map, results, column):
    page = open_map()
    page.locator("thead").get_by_role("button", name=column).click()
    sites = read_sites(results / "sites.geojson").sort_values("probability_max", ascending=False)
    by = {"Latitude": "latitude", "Area, ha": "area_ha", "Site": "id"}[column]
    expected = sites.sort_values(by, ascending=by == "id", kind="stable").id.tolist()
    assert page.locator("#sites tbody button").all_inner_texts() == expected
    assert page.locator("#name").inner_text() == expected[0]
    np.testing.assert_allclose(page.evaluate(MIDDLE), 0.5, atol=0.05)
    page.locator("thead").get_by_role("button", name=column).click()
    assert (
        page.locator("#name").inner_text() == page.locator("#sites tbody button").first.inner_text()
    )


def test_row_moves_the_map(open_map):
    page = open_map()
    page.locator("#sites tbody tr").nth(3).click()
    np.testing.assert_allclose(page.evaluate(MIDDLE), 0.5, atol=0.05)


def test_map_pans_and_zooms(open_map):
    page = open_map(has_touch=True)
    x, y, width, height = page.locator("#map").bounding_box().values()
    scale = page.evaluate("view.scale")
    with watch_map(page):
        page.mouse.move(x + width / 2, y + height / 2)
        page.mouse.down()
        page.mouse.move(x + width / 2 + 90, y + height / 2 + 40)
        page.mouse.up()
    with watch_map(page):
        page.mouse.wheel(0, -200)
        page.wait_for_function(f"view.scale > {scale * 1.5}")
    with watch_map(page):
        page.locator("#opacity").fill("0")
    scale = page.evaluate("view.scale")
    page.evaluate(
        """() => {
          const {left, top} = canvas.getBoundingClientRect();
          const send = (type, id, x) => canvas.dispatchEvent(new PointerEvent(type,
            {pointerId: id, clientX: left + x, clientY: top + 100, pointerType: "touch"}));
          send("pointerdown", 11, 100); send("pointerdown", 12, 200);
          send("pointermove", 12, 300); send("pointerup", 11, 100); send("pointerup", 12, 300);
        }"""
    )
    assert page.evaluate("view.scale") == pytest.approx(2 * scale)
    page.locator("#map").press("ArrowLeft")
    page.get_by_role("button", name="Show everything").click()
    bounds = page.evaluate(
        "scenes[0].bounds.map((at, i) => i % 2 ? toY(at) / size.height : toX(at) / size.width)"
    )
    assert min(bounds) >= 0
    assert max(bounds) <= 1


def test_not_assessed_is_hatched(open_map):
    page = open_map()
    alphas = page.evaluate(
        """() => {
          draw();
          const {width, height} = hatching.canvas;
          const data = hatching.getImageData(0, 0, width, height).data;
          const drawn = data.filter((level, i) => i % 4 === 3 && level > 200).length;
          return drawn / width / height;
        }"""
    )
    assert 0.01 < alphas < 0.2


def test_marks_survive_a_reload_and_are_downloaded(open_map, tmp_path):
    page = open_map()
    for number, word in enumerate(("Right", "Wrong", "Unsure")):
        click_site(page, number)
        page.get_by_role("button", name=word, exact=True).click()
    click_site(page, 3)
    page.keyboard.press("w")
    page.keyboard.press("w")  # takes it back
    page.reload()
    assert "3 of 4 reviewed: 1 right, 1 wrong, 1 unsure" in page.locator("#progress").inner_text()
    with page.expect_download() as saved:
        page.get_by_role("button", name="GeoJSON").click()
    features = json.loads(saved.value.path().read_text())["features"]
    marks = [feature["properties"]["mark"] for feature in features]
    assert marks == ["right", "wrong", "unsure"]
    with page.expect_download() as saved:
        page.get_by_role("button", name="CSV").click()
    lines = saved.value.path().read_text().splitlines()
    assert [line.split(",")[1] for line in lines] == ["mark", *marks]


def test_marks_of_another_model_are_not_shown(open_map, results, tmp_path):
    page = open_map()
    click_site(page, 0)
    page.keyboard.press("r")
    other = (results / "map.html").read_text()
    version = re.search(r'"version":"(\w+)"', other)[1]
    (tmp_path / "map.html").write_text(other.replace(version, "0" * 12))
    page.goto((tmp_path / "map.html").as_uri())
    assert "0 of 4 reviewed" in page.locator("#progress").inner_text()


def test_hostile_names_are_text(open_map, results):
    page = open_map()
    nearest = page.locator("#sites tbody tr", has_text="onerror")
    assert HOSTILE in nearest.first.inner_text()
    nearest.first.click()
    assert HOSTILE in page.locator("#facts").inner_text()
    assert page.locator("img[src=x]").count() == 0
    assert HOSTILE not in (results / "map.html").read_text()


def read_missing_rows(page: Page) -> list[list[str]]:
    rows = page.locator("#missing tbody tr")
    return [row.locator("th, td").all_inner_texts()[:3] for row in rows.all()]


@pytest.mark.parametrize("javascript", [True, False])
def test_earlier_sites_that_were_not_found_again_are_listed(open_map, javascript):
    page = open_map(java_script_enabled=javascript)
    assert sorted(read_missing_rows(page)) == [
        [f"gone {HOSTILE}", "gone", "7.1"],
        [f"hidden {HOSTILE}", "not assessed", "7.1"],
    ]
    assert "could not be looked at" in page.locator("section:has(#missing)").inner_text()
    assert page.locator("img[src=x]").count() == 0


def test_earlier_site_is_outlined_and_its_row_moves_the_map(open_map):
    page = open_map(viewport={"width": 1280, "height": 800})
    assert page.locator(".legend").get_by_text("not found again").is_visible()
    click_site(page, 0)
    with watch_map(page):
        page.locator("#missing tbody tr", has_text="hidden").click()
    hint = page.locator("#hint")
    assert "7.1 ha at -9.0" in hint.inner_text()
    assert f"hidden {HOSTILE}" in hint.inner_text()
    assert "(not assessed)" in hint.inner_text()
    assert not page.locator("#details").is_visible()
    middle = "[0, 1].map((i) => (losses[lost].box[i] + losses[lost].box[i + 2]) / 2)"
    x, y = page.evaluate(f"(([x, y]) => [toX(x) / size.width, toY(y) / size.height])({middle})")
    assert (x, y) == pytest.approx((0.5, 0.5), abs=0.05)
    with watch_map(page):
        page.evaluate("losses.splice(0)")
    assert page.locator("[aria-current]").count() == 1
    page.locator("#sites tbody tr").first.click()
    assert page.locator("[aria-current]").count() == 1


def test_click_on_the_outline_of_an_earlier_site_tells_what_became_of_it(open_map):
    page = open_map()
    number = page.evaluate("losses.findIndex((site) => site.change === 'gone')")
    x, y = page.evaluate(
        f"(({{box}}) => [toX((box[0] + box[2]) / 2), toY((box[1] + box[3]) / 2)])(losses[{number}])"
    )
    page.locator("#map").click(position={"x": x, "y": y})
    assert "that was not found again (gone)" in page.locator("#hint").inner_text()
    assert "gone" in page.locator("#missing [aria-current]").inner_text()


def test_without_javascript_there_are_table_and_pictures(open_map):
    page = open_map(java_script_enabled=False)
    assert page.locator("#sites tbody tr").count() == len(MINES)
    assert page.locator("#sites tbody img").count() == 2 * len(MINES)
    assert page.locator(".stack img").count() == 3
    assert page.locator(".overview").is_visible()
    assert not page.locator("#map").is_visible()
    assert not page.get_by_role("button").count()


@pytest.mark.slow
def test_thousands_of_sites_do_not_freeze_it(open_map, results, tmp_path, monkeypatch):
    monkeypatch.setattr(planet_lib.scenes.map_page, "THUMBNAIL_BYTES", 100_000)
    sites = read_sites(results / "sites.geojson")
    rng = np.random.default_rng(0)
    x = ORIGIN[0] + rng.uniform(0, 4000, MANY)
    y = ORIGIN[1] - rng.uniform(0, 3200, MANY)
    squares = gpd.GeoSeries([box(a, b, a + 20, b + 20) for a, b in zip(x, y, strict=True)], crs=UTM)
    many = sites.iloc[np.zeros(MANY, int)].set_geometry(squares.to_crs(4326).to_numpy())
    many["id"] = [f"site-{number:05d}" for number in range(MANY)]
    many["probability_max"] = np.linspace(0.99, 0.4, MANY)
    centres = squares.centroid.to_crs(4326)
    many["longitude"], many["latitude"] = centres.x.to_numpy(), centres.y.to_numpy()
    shutil.copytree(results / "scene_20200715", tmp_path / "out" / "scene_20200715")
    folders = [tmp_path / "out" / "scene_20200715"]
    file = write_map(tmp_path / "out", folders, many.reset_index(drop=True))
    assert file.stat().st_size < 5_000_000
    page = open_map(file, java_script_enabled=False)
    assert "12,000 are in sites.csv" in page.locator("#more").inner_text()
    page = open_map(file)
    rows = page.locator("#sites tbody tr")
    assert rows.count() == 50
    page.get_by_role("button", name="Next", exact=True).click()
    assert "51 to 100 of 12,000" in page.locator("#shown").inner_text()
    page.locator("thead").get_by_role("button", name="Site").click()
    page.locator("thead").get_by_role("button", name="Site").click()
    assert page.locator("#name").inner_text() == f"site-{MANY - 1:05d}"
    assert (
        page.locator("#taken")
        .evaluate("(img) => img.decode().then(() => img.src)")
        .startswith("file:")
    )
    page.get_by_role("button", name="Show everything").click()
    click_site(page, 6000)
    page.keyboard.press("r")
    assert "1 of 12,000 reviewed" in page.locator("#progress").inner_text()


@pytest.mark.slow
def test_scenes_of_a_folder_come_together_on_one_map(open_map, network, tmp_path):
    for name, top in (("north", 0), ("south", 320 * GROUND_DISTANCE_M)):
        values = paint_scene(200, 200, [(100, 100)])
        path = write_geotiff(tmp_path / f"{name}.tif", values, north=ORIGIN[1] - top)
        find_mines([str(path)], tmp_path / "out", model=str(network))
    assert len(merge_scenes(tmp_path / "out")) == 2
    page = open_map(tmp_path / "out" / "map.html")
    assert page.locator(".stack").count() == 2
    assert page.get_by_text("not found again").count() == 0
    for number, name in enumerate(("north", "south")):
        page.locator("#scenes").get_by_role("button", name=name).click()
        left, top, right, bottom = page.evaluate(f"scenes[{number}].bounds")
        x, y = page.evaluate("[view.x, view.y]")
        assert (x, y) == pytest.approx(((left + right) / 2, (top + bottom) / 2))
    with watch_map(page):
        page.evaluate("view.scale /= 1000")
    with watch_map(page):  # without the frames of what is too small to be seen
        page.evaluate("scenes.forEach((scene) => { scene.bounds = [9, 9, 9, 9]; })")
    with watch_map(page):
        page.locator("#sites tbody tr").nth(1).click()


def test_sites_that_were_searched_without_areas_are_shown_beside_others(
    open_map, network, tmp_path
):
    path = write_geotiff(tmp_path / "mine.tif", paint_scene(100, 100, [(50, 50)]))
    find_mines([str(path)], tmp_path / "out", model=str(network))
    path = write_geotiff(tmp_path / "none.tif", paint_scene(100, 100))
    area = gpd.GeoDataFrame({"name": ["far away"]}, geometry=[box(0, 0, 1, 1)], crs=4326)
    area.to_file(tmp_path / "areas.gpkg")
    find_mines(
        [str(path)], tmp_path / "out", model=str(network), boundaries=tmp_path / "areas.gpkg"
    )
    page = open_map(tmp_path / "out" / "map.html")
    assert page.locator("#sites tbody tr").count() == 1
    page.locator("#sites tbody tr").click()


def test_scene_without_sites_has_a_map(open_map, network, tmp_path):
    path = write_geotiff(tmp_path / "empty.tif", paint_scene(100, 100))
    find_mines([str(path)], tmp_path / "out", model=str(network))
    page = open_map(tmp_path / "out" / "map.html")
    assert "0 sites" in page.locator("h1").inner_text()
    page.locator("thead").get_by_role("button", name="Site").click()
