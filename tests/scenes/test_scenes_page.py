"""The page of the scenes in a report: it shows what was found, where, and what was not seen."""

import json
import shutil
from html import escape
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from browser import check_site
from made_scenes import GROUND_DISTANCE_M, MINE_PX, ORIGIN, UTM, paint_scene, write_geotiff
from shapely.geometry import Point

from planet_lib.errors import DataError, StageError
from planet_lib.files import read_json
from planet_lib.report.contents import Page
from planet_lib.report.execute import execute_notebook
from planet_lib.report.findings.scenes import (
    conclude_assessed,
    conclude_missing,
    conclude_outcomes,
    list_files,
)
from planet_lib.report.graph import ROOT
from planet_lib.report.pages import render_page
from planet_lib.report.publish import publish_scenes
from planet_lib.report.stage import run_stage
from planet_lib.scenes.folder import plan_searches
from planet_lib.scenes.job import merge_searches
from planet_lib.scenes.options import SearchOptions
from planet_lib.scenes.outputs import SITES, read_sites
from planet_lib.scenes.results import load_missing, read_maps, read_outcomes

MINE = (100, 60)  # row and column
SIZE = (200, 240)
NAME = "a_b $x$ *y* <i>"
LOST = "<b onclick=alert(1)> </script> *z*"


@pytest.fixture(scope="module")
def run(network, tmp_path_factory) -> Path:
    """Give the folder of a run whose scenes are searched: one with a mine, one that is none."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "scenes").mkdir()
    values = paint_scene(*SIZE, [MINE])
    values[:, 200:] = 0
    write_geotiff(folder / "scenes" / f"{NAME}.tif", values)
    (folder / "scenes" / "bad.tif").write_text("no picture")
    run_dir = folder / "runs" / "made"
    (run_dir / "data").mkdir(parents=True)
    (run_dir / "data" / "raw.json").write_text("{}")
    center = Point(ORIGIN[0] + 50 * GROUND_DISTANCE_M, ORIGIN[1] - 150 * GROUND_DISTANCE_M)
    earlier = gpd.GeoDataFrame({"name": [LOST]}, geometry=[center.buffer(200)], crs=UTM)
    earlier.to_file(folder / "earlier.gpkg")
    options = SearchOptions(model=str(network), compare=folder / "earlier.gpkg")
    searches = plan_searches(folder / "scenes", options)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(run_dir)
        for search in searches.values():
            run_stage("planet_lib.scenes.job:search_scene", json.dumps(search))
    merge_searches(run_dir, searches=searches, boundaries=None)
    return run_dir


def test_maps_lie_where_the_scene_does(run):
    (summary,), _ = (list(part.values()) for part in read_outcomes(run))
    sites = read_sites(run / "scenes" / NAME / SITES)
    maps = read_maps(run / "scenes" / NAME, summary, sites)
    km = GROUND_DISTANCE_M / 1000
    assert maps.overview_km == pytest.approx((0, SIZE[1] * km, 0, SIZE[0] * km))
    mine = np.array([MINE[1], SIZE[0] - MINE[0]]) * km
    (outline,) = maps.outlines
    np.testing.assert_allclose((outline.min(0) + outline.max(0)) / 2, mine, atol=MINE_PX * km / 2)
    left, right, bottom, top = maps.cells_km
    row, column = np.unravel_index(np.nanargmax(maps.probability), maps.probability.shape)
    rows, columns = maps.probability.shape
    peak = (
        left + (column + 0.5) * (right - left) / columns,
        top - (row + 0.5) * (top - bottom) / rows,
    )
    np.testing.assert_allclose(peak, mine, atol=MINE_PX * km / 2)


def test_large_maps_keep_the_highest_probability(run, monkeypatch):
    (summary,), _ = (list(part.values()) for part in read_outcomes(run))
    sites = read_sites(run / "scenes" / NAME / SITES)
    whole = read_maps(run / "scenes" / NAME, summary, sites)
    monkeypatch.setattr("planet_lib.scenes.results.MAP_PX", 7)
    small = read_maps(run / "scenes" / NAME, summary, sites)
    assert max(small.probability.shape) <= 7
    assert np.nanmax(small.probability) == np.nanmax(whole.probability)
    assert set(np.unique(small.classes)) <= set(np.unique(whole.classes))
    assert small.cells_km[0] == whole.cells_km[0]
    assert small.cells_km[1] >= whole.cells_km[1]


def test_findings_say_what_was_not_seen(run):
    summaries, failed = read_outcomes(run)
    assert conclude_outcomes(1, failed).startswith("1 of 2 scenes were searched.")
    assert "% is without data" in conclude_assessed(summaries)
    assert "<i>" not in list_files(summaries, "scenes")
    assert "missing" not in list_files(summaries, "scenes")
    missing = load_missing(run)
    assert "are gone: 1." in conclude_missing(missing)
    assert "still be there: 1." in conclude_missing(missing.assign(change="not assessed"))
    assert conclude_missing(missing.head(0)) == "No earlier site within the scenes is missing."


def test_run_without_scenes_names_the_command(tmp_path):
    with pytest.raises(StageError, match=r"run 'make report NAME=x SCENES=path' first"):
        read_outcomes(tmp_path / "x")


def test_scenes_that_all_fail_are_an_error(tmp_path):
    searches = {"a": {"record": "searched/a.json", "scene": "/x/a.tif"}}
    with pytest.raises(DataError, match=r"no scene could be searched: /x/a\.tif"):
        merge_searches(tmp_path, searches=searches, boundaries=None)


def test_published_files_do_not_name_folders_of_the_machine(run, tmp_path):
    publish_scenes(run / "scenes", tmp_path / "scenes")
    files = [path for path in (tmp_path / "scenes").rglob("*") if path.is_file()]
    assert {".gpkg", ".kml", ".csv", ".html", ".json", ".tif"} <= {path.suffix for path in files}
    for path in files:
        assert str(run.parents[1]).encode() not in path.read_bytes(), path
        assert str(ROOT).encode() not in path.read_bytes(), path
    plan = read_json(tmp_path / "scenes" / NAME / "scene.json")["plan"]
    assert plan["files"] == [f"{NAME}.tif"]
    outcomes = (run / "scenes" / "outcomes.json").read_text()  # read by the page
    assert "bad.tif: cannot be read" in outcomes
    assert str(run.parents[1]) not in outcomes
    (original,) = read_json(run / "scenes" / NAME / "scene.json")["plan"]["files"]
    assert Path(original).is_file()


@pytest.mark.slow
@pytest.mark.usefixtures("chromium")
def test_page_shows_the_search_and_links_to_its_files(run, tmp_path):
    executed, report = run / "notebooks" / "06_scenes.ipynb", tmp_path / "report"
    notebook = ROOT / "notebooks" / executed.name
    execute_notebook(notebook, executed, {"run_dir": str(run)})
    assert read_json(run / "results" / "scenes.json")["sites"] == 1
    site = [Page("06_scenes", "Scenes", "")]
    page = report / "06_scenes.html"
    render_page(executed, page, site=site, report="made", data_note="made", synthetic=True)
    publish_scenes(run / "scenes", report / "scenes")
    shutil.copy(page, report / "index.html")
    assert check_site(report) == 2
    text = page.read_text()
    assert "bad: cannot be read" in text
    assert str(run.parents[1]) not in text.replace(str(run), "")
    assert "<i>" not in text
    assert "<b onclick" not in text
    assert escape(LOST, quote=False) in text
    assert 'href="scenes/missing.geojson"' in text
    assert not list(report.rglob("outcomes.json"))
