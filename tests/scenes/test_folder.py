"""All scenes of a folder: one job a scene, failures named at the end, the rest merged."""

import json
import shutil

import geopandas as gpd
import pytest
from made_scenes import paint_scene

import planet_lib.report.scenes
from planet_lib.cli import main
from planet_lib.errors import ConfigError, DataError
from planet_lib.report.graph import ROOT
from planet_lib.scenes.folder import list_scenes, plan_searches, search_folder
from planet_lib.scenes.options import SearchOptions

HOSTILE = "a b; $(touch x) 'q' {scene} <b>&#"


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


def test_missing_boundaries_are_noticed_before_any_search(folder, write, tmp_path):
    write("a.tif")
    with pytest.raises(DataError, match=r"areas\.geojson: no such file"):
        plan_searches(folder, SearchOptions(boundaries=tmp_path / "areas.geojson"))


def test_failure_of_one_scene_does_not_stop_the_others(folder, write, network, tmp_path):
    write("good.tif")
    (folder / "bad.tif").write_text("no picture")
    options = SearchOptions(model=str(network))
    sites, failures = search_folder(folder, tmp_path / "out", options)
    assert list(sites.scenes) == ["good"]
    assert list(failures) == ["bad"]
    assert "bad.tif: cannot be read" in failures["bad"]
    (folder / "good.tif").unlink()
    with pytest.raises(DataError, match=r"no scene could be searched: .*bad\.tif"):
        search_folder(folder, tmp_path / "out", options)


@pytest.fixture
def make(folder, network, tmp_path, monkeypatch, capfd):
    """Give a function that calls `planet scenes` and returns its exit code, output and errors."""
    (tmp_path / "root").mkdir()
    for name in ("planet_lib", "scenes.smk"):
        (tmp_path / "root" / name).symlink_to(ROOT / name)
    monkeypatch.setattr(planet_lib.report.scenes, "ROOT", tmp_path / "root")

    def call(*options):
        code = main(["scenes", str(folder), "--name", "x", "--model", str(network), "--cores", "2",
                     *options])  # fmt: skip
        return code, *capfd.readouterr()

    return call


@pytest.mark.slow
def test_folder_is_searched_repaired_and_kept(folder, write, make, tmp_path):
    for name in ("first.tif", f"{HOSTILE}.tif"):
        write(name)
    (folder / "bad.tif").write_text("no picture")
    code, _, err = make()
    assert code == 1
    *_, why, summary = err.strip().splitlines()
    assert "bad.tif: cannot be read" in why
    assert summary.startswith("error: 1 of 3 scenes failed: bad;")
    assert "Traceback" not in err
    results = tmp_path / "root" / "runs" / "x" / "scenes"
    (site,) = gpd.read_file(results / "sites.geojson").itertuples()
    assert site.scenes == f"{HOSTILE}; first"
    times = {path: path.stat().st_mtime_ns for path in results.glob("*/scene.json")}
    assert len(times) == 2

    write("bad.tif")
    code, out, err = make()
    assert code == 0, err
    assert "sites: 1 in" in out
    assert (
        gpd.read_file(results / "sites.geojson").scenes[0].count(";") == 1 + HOSTILE.count(";") + 1
    )
    assert {path: path.stat().st_mtime_ns for path in times} == times

    code, out, err = make()
    assert code == 0, err
    assert "nothing to do" in out
    shutil.rmtree(results / "first")
    assert make()[0] == 0
    assert (results / "first" / "scene.json").exists()


@pytest.mark.slow
def test_scenes_that_all_fail_leave_no_table(folder, make, tmp_path):
    (folder / "bad.tif").touch()
    code, _, err = make()
    assert code == 1
    assert "empty, as after an interrupted copy" in err
    assert "1 of 1 scenes failed: bad" in err
    assert not list((tmp_path / "root").rglob("sites.*"))


def test_cluster_without_profile_is_one_line(write, make, tmp_path):
    write("a.tif")
    code, _, err = make("--cluster", str(tmp_path / "scenes"))
    assert code == 1
    assert "no Snakemake profile (it has no config.yaml)" in err
