"""Scenes that cannot be searched: each is one clear line, and leaves nothing half done."""

import json

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from made_scenes import paint_scene
from rasterio.crs import CRS
from rasterio.transform import Affine, from_origin
from shapely.geometry import Polygon

from planet_lib.cli import main
from planet_lib.errors import DataError
from planet_lib.scenes.find import find_mines


@pytest.fixture
def refuse(tmp_path, network, capsys):
    """Give a function that searches a file and returns the one line of its error."""

    def search(path, *options):
        out = tmp_path / "out"
        code = main(["find-mines", str(path), "--model", str(network), "--out", str(out), *options])
        err = capsys.readouterr().err
        errors = [line for line in err.splitlines() if line.startswith("error: ")]
        assert code == 1
        assert len(errors) == 1
        assert "Traceback" not in err
        assert not list(out.glob("*/scene.json"))
        return errors[0]

    return search


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"crs": None}, "no coordinate reference system"),
        ({"transform": Affine.identity()}, "no geotransform"),
        ({"crs": CRS.from_wkt('LOCAL_CS["somewhere",UNIT["metre",1]]')}, "no place on Earth"),
        ({"transform": from_origin(700_000, 9_000_000, 300, 300)}, "300 m a pixel"),
        ({"nodata": 9}, "no pixel holds data"),
        ({"crs": CRS.from_epsg(4326)}, "not on Earth in its coordinate reference system"),
    ],
)
@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_scene_without_place_or_data(write_scene, refuse, options, words):
    values = np.full((60, 60, 3), 9, np.uint8)
    line = refuse(write_scene(values, "bad.tif", **options))
    assert words in line
    assert "bad.tif" in line


def test_missing_empty_and_foreign_files(tmp_path, refuse):
    assert "no such file" in refuse(tmp_path / "missing.tif")
    (tmp_path / "empty.tif").touch()
    assert "empty" in refuse(tmp_path / "empty.tif")
    (tmp_path / "text.tif").write_text("no picture")
    assert "text.tif: cannot be read" in refuse(tmp_path / "text.tif")


def test_name_that_is_not_utf_8(write_scene, refuse):
    path = write_scene(paint_scene(60, 60))
    assert "not UTF-8; rename it" in refuse(path.rename(path.with_name("S\udce3o.tif")))


def test_one_band(write_scene, refuse):
    line = refuse(write_scene(paint_scene(60, 60)[..., :1], "gray.tif", colours="gray"))
    assert "red, green and blue are needed" in line


def test_truncated_file(write_scene, refuse):
    path = write_scene(paint_scene(600, 600), "cut.tif", tiled=True, blockxsize=64, blockysize=64)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    assert "cut.tif" in refuse(path)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--stride", "5"), "stride is 5; allowed: 12, 24, 48"),
        (("--stride", "0"), "stride is 0; allowed: 12, 24, 48"),
        (("--threshold", "1.5"), "threshold is 1.5"),
        (("--isolated-threshold", "0.1"), "0.1; allowed: at least the threshold, 0.4"),
        (("--scaling", "bright"), "scaling is 'bright'; allowed: tci"),
        (("--scaling", "9,9"), "no extent"),
        (("--bands", "1,2,9"), "not three of 1 to 3"),
        (("--bands", "3,2,1,1"), "not three of 1 to 3"),
        (("--boundaries", "missing.geojson"), "missing.geojson: no such file"),
    ],
)
def test_wrong_option(write_scene, refuse, options, words):
    assert words in refuse(write_scene(paint_scene(60, 60)), *options)


def test_unknown_model(write_scene, tmp_path, capsys):
    path = write_scene(paint_scene(60, 60))
    assert main(["find-mines", str(path), "--model", "synthetik", "--out", str(tmp_path)]) == 1
    assert "did you mean 'synthetic'?" in capsys.readouterr().err


def test_network_without_mines(write_scene, network, tmp_path, capsys):
    folder = tmp_path / "network"
    folder.mkdir()
    card = json.loads((network / "card.json").read_text()) | {"labels": ["water"]}
    (folder / "card.json").write_text(json.dumps(card))
    path = write_scene(paint_scene(60, 60))
    assert main(["find-mines", str(path), "--model", str(folder), "--out", str(tmp_path)]) == 1
    assert "was not trained on artisinal_mine" in capsys.readouterr().err


def test_folder_is_not_a_scene(refuse, tmp_path):
    assert "a folder; name its files, or search all of them with make scenes" in refuse(tmp_path)


def test_table_of_sites_has_no_outlines(write_scene, refuse, tmp_path):
    (tmp_path / "sites.csv").write_text("id,latitude,longitude\na,1,2\n")
    line = refuse(write_scene(paint_scene(60, 60)), "--compare", str(tmp_path / "sites.csv"))
    assert "sites.csv: a table without outlines; give GeoJSON" in line


@pytest.mark.parametrize("content", ["", "{", '{"type": "FeatureCollection", "features": []}'])
def test_boundaries_that_are_none(write_scene, refuse, tmp_path, content):
    (tmp_path / "areas.geojson").write_text(content)
    line = refuse(write_scene(paint_scene(60, 60)), "--boundaries", str(tmp_path / "areas.geojson"))
    assert "areas.geojson" in line


@pytest.mark.parametrize(
    ("corners", "words"),
    [
        ([(700_000, 9e6), (700_100, 9e6), (700_100, 9.1e6)], "coordinates up to 9.1e+06"),
        ([(0, 0), (1, 95), (1, 0)], "coordinates up to 95, not degrees"),
        ([(0, 0), (1, 1), (0, 0)], "no areas in it"),
    ],
)
@pytest.mark.parametrize("option", ["--boundaries", "--compare"])
def test_areas_that_are_not_on_earth(write_scene, refuse, tmp_path, corners, words, option):
    areas = gpd.GeoSeries([Polygon(corners)])
    (tmp_path / "areas.geojson").write_text(areas.to_json())
    path = write_scene(paint_scene(60, 60))
    assert words in refuse(path, option, str(tmp_path / "areas.geojson"))


def test_two_scenes_of_one_name(write_scene, network, tmp_path, capsys):
    path = str(write_scene(paint_scene(60, 60)))
    arguments = ["find-mines", path, path, "--model", str(network), "--out", str(tmp_path / "out")]
    assert main(arguments) == 1
    assert "two scenes of this name" in capsys.readouterr().err


def test_other_scene_of_the_same_name_does_not_replace_results(write_scene, network, tmp_path):
    path = write_scene(paint_scene(60, 60))
    out = tmp_path / "out"
    find_mines([str(path)], out, model=str(network))
    before = (out / "scene" / "scene.json").read_bytes()
    (tmp_path / "2024").mkdir()
    other = write_scene(paint_scene(80, 60), "2024/scene.tif")
    with pytest.raises(DataError, match=r"holds the results of another scene of this name"):
        find_mines([str(other)], out, model=str(network))
    assert (out / "scene" / "scene.json").read_bytes() == before
    moved = path.rename(tmp_path / "2024" / "scene.tif")
    find_mines([str(moved)], out, model=str(network))


def test_full_disk_leaves_no_result_and_a_rerun_goes_on(
    write_scene, refuse, network, tmp_path, monkeypatch
):
    path = write_scene(paint_scene(100, 100, [(48, 48)]))

    def fill(*_, **__):
        raise OSError(28, "No space left on device", "band.npz")

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", fill)
        assert "No space left on device" in refuse(path)
    assert len(find_mines([str(path)], tmp_path / "out", model=str(network))) == 1


PUBLIC = {
    "cog_gcps.tif": "red, green and blue are needed",
    "cog_nodata_nan.tif": "red, green and blue are needed",
    "test_rpcs.tif": "red, green and blue are needed",
    "rgb16.tif": "60 m a pixel",
    "rgb_byte.tif": "300 m a pixel",
    "sentinel2_tci.tif": "100 m a pixel",
}


@pytest.mark.parametrize(("name", "words"), PUBLIC.items())
def test_public_files_are_refused_in_one_line(real_scenes, refuse, name, words):
    assert words in refuse(real_scenes / "public" / name)


def test_public_file_of_5_m_is_searched(real_scenes, network, tmp_path):
    path = real_scenes / "public" / "planet_visual_5m.tif"
    find_mines([str(path)], tmp_path / "out", model=str(network))
    summary = json.loads((tmp_path / "out" / "planet_visual_5m" / "scene.json").read_text())
    with rasterio.open(path) as file:
        valid = (file.read(4) > 0).mean()
    assert summary["shares"]["no_data"] == pytest.approx(1 - valid, abs=0.05)
