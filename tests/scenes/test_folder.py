"""All scenes of a folder: one job a scene, failures named at the end, the rest merged."""

import json
import shutil
from pathlib import Path

import geopandas as gpd
import pytest
from made_scenes import paint_scene, write_mosaic

import planet_lib.report.scenes
from planet_lib.cli import main
from planet_lib.errors import ConfigError, DataError
from planet_lib.files import read_json
from planet_lib.report.graph import ROOT
from planet_lib.report.stage import run_stage
from planet_lib.scenes.folder import list_scenes, plan_searches
from planet_lib.scenes.options import SearchOptions

HOSTILE = "a b; $(touch stray) 'q' {scene} <b>&#"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "scenes").mkdir()
    return tmp_path / "scenes"


@pytest.fixture
def write(write_scene, folder):
    """Give a function that writes a small scene with one mine into the folder."""

    def write(name):
        values = paint_scene(128, 128, [(64, 64)])
        return shutil.move(write_scene(values, "made.tif"), folder / name)

    return write


def test_scenes_are_listed_by_name(folder, write):
    for name in ("b.tif", "a.TIF"):
        write(name)
    for name in (".hidden.tif", "._a.tif", "readme.txt", "a.tif.aux.xml"):
        (folder / name).touch()
    (folder / "folder.tif").mkdir()
    assert list(list_scenes(folder)) == ["a", "b"]
    assert list_scenes(folder / "b.tif") == {"b": folder / "b.tif"}


def test_folder_without_scenes_is_one_line(folder, tmp_path):
    with pytest.raises(DataError, match="no such folder; point SCENES"):
        list_scenes(tmp_path / "missing")
    with pytest.raises(DataError, match=r"no scenes in it \(files that end in \.tif"):
        list_scenes(folder)


def test_names_that_clash_are_refused(folder, write):
    write("a.tif")
    write("a.tiff")
    with pytest.raises(ConfigError, match=r"a\.tif has the same name but for its ending"):
        plan_searches(folder, SearchOptions())


def test_jobs_have_safe_keys_of_their_own(folder, write):
    names = [HOSTILE, HOSTILE.replace("$", "%"), "x" * 200, "plain-1.2", "Amazônia"]
    for name in names:
        write(f"{name}.tif")
    plan = plan_searches(folder, SearchOptions())
    assert len(plan) == len(names)
    assert "plain-1.2" in plan
    for key, search in plan.items():
        assert key.isascii()
        assert not set(key) & set(" /;$'{}<>&#")
        assert search["record"] == f"searched/{key}.json"
    assert {search["scene"] for search in plan.values()} == {
        str(folder / f"{name}.tif") for name in names
    }
    json.dumps(plan)


@pytest.mark.parametrize("file", ["model.keras", "card.json"])
def test_network_that_was_trained_again_searches_again(folder, write, network, tmp_path, file):
    write("a.tif")
    options = SearchOptions(model=str(shutil.copytree(network, tmp_path / "network")))
    before = plan_searches(folder, options)
    assert plan_searches(folder, options) == before
    path = tmp_path / "network" / file
    path.write_bytes(path.read_bytes() + b" ")
    assert plan_searches(folder, options) != before


def test_change_behind_a_virtual_file_searches_again(folder, write, tmp_path):
    part = shutil.move(write("part.tif"), tmp_path / "part.tif")
    write_mosaic(folder / "mosaic.vrt", [part])
    before = plan_searches(folder, SearchOptions())
    assert plan_searches(folder, SearchOptions()) == before
    part.touch()
    assert plan_searches(folder, SearchOptions()) != before


def test_missing_boundaries_are_noticed_before_any_search(folder, write, tmp_path):
    write("a.tif")
    with pytest.raises(DataError, match=r"areas\.geojson: no such file"):
        plan_searches(folder, SearchOptions(boundaries=tmp_path / "areas.geojson"))


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Give a folder that stands for the checkout, so that its runs are the test's own."""
    folder = tmp_path / "root"
    folder.mkdir()
    for name in ("planet_lib", "scenes.smk"):
        (folder / name).symlink_to(ROOT / name)
    monkeypatch.setattr(planet_lib.report.scenes, "ROOT", folder)
    return folder


@pytest.fixture
def make(folder, network, root, capfd):
    """Give a function that calls `planet scenes` and returns its exit code, output and errors."""

    def call(*options):
        code = main(["scenes", str(folder), "--name", "x", "--model", str(network), "--cores", "2",
                     *options])  # fmt: skip
        return code, *capfd.readouterr()

    return call


@pytest.fixture
def at_once(monkeypatch):
    """Search in this process, as the graph does in processes of their own; list what is searched.

    Loading TensorFlow takes longer than all else of a small scene.
    """
    searched = []

    def run(snakefile, settings, **_):
        monkeypatch.chdir(settings.parent)
        for key, search in read_json(settings)["searches"].items():
            if not Path(search["record"]).exists():
                searched.append(key)
                run_stage("planet_lib.scenes.job:search_scene", json.dumps(search))

    monkeypatch.setattr(planet_lib.report.scenes, "run_graph", run)
    return searched


@pytest.mark.slow
def test_each_scene_is_a_job_and_only_failed_ones_run_again(folder, write, make, root):
    write(f"{HOSTILE}.tif")
    (folder / "bad.tif").write_text("no picture")
    code, _, err = make()
    assert code == 1
    *_, why, summary = err.strip().splitlines()
    assert "bad.tif: cannot be read" in why
    assert summary.startswith("error: 1 of 2 scenes failed: bad;")
    assert "Traceback" not in err
    results = root / "runs" / "x" / "scenes"
    assert list(gpd.read_file(results / "sites.geojson").scenes) == [HOSTILE]
    summary = results / HOSTILE / "scene.json"
    finished = summary.stat().st_mtime_ns

    write("bad.tif")
    code, out, err = make()
    assert code == 0, err
    assert "sites: 1 in" in out
    (site,) = gpd.read_file(results / "sites.geojson").itertuples()
    assert site.scenes == f"{HOSTILE}; bad"
    assert summary.stat().st_mtime_ns == finished
    assert not list(root.glob("runs/**/stray"))


@pytest.mark.slow
def test_result_that_is_gone_is_made_again(write, make, root, at_once):
    write("first.tif")
    write("second.tif")
    assert make()[0] == 0
    shutil.rmtree(root / "runs" / "x" / "scenes" / "first")
    assert make()[0] == 0
    assert at_once == ["first", "second", "first"]
    assert make()[0] == 0
    assert len(at_once) == 3


def test_scenes_that_all_fail_leave_no_table(folder, make, root, at_once):
    (folder / "bad.tif").touch()
    code, _, err = make()
    assert code == 1
    assert "empty, as after an interrupted copy" in err
    assert "1 of 1 scenes failed: bad" in err
    assert not list(root.glob("runs/**/sites.*"))


def test_cluster_without_profile_is_one_line(write, make, tmp_path):
    write("a.tif")
    code, _, err = make("--cluster", str(tmp_path / "scenes"))
    assert code == 1
    assert "no Snakemake profile (it has no config.yaml)" in err
