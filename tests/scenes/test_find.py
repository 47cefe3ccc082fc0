"""Finding mines in whole scenes: known mines, once each, wherever they lie in whatever extent."""

import json
import shutil
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from made_scenes import (
    CHIP_PX,
    GROUND_DISTANCE_M,
    MINE_PX,
    ORIGIN,
    UTM,
    paint_scene,
    write_mosaic,
    write_network,
)
from rasterio.transform import from_origin
from shapely.geometry import Point, box

import planet_lib.scenes.scan
from planet_lib.errors import DataError, StageError
from planet_lib.networks.locate import SHIPPED, name_network
from planet_lib.scenes.areas import read_areas
from planet_lib.scenes.detector import Detector, choose_detector
from planet_lib.scenes.find import find_mines
from planet_lib.scenes.tiles import ASSESSED, DOMAIN, measure_cells
from planet_lib.training.ship_detector import measure_dark_channels

MINES = [(70, 60), (72, 300), (220, 72), (216, 216), (330, 330)]


def place(row, column, origin=ORIGIN):
    """Return the point of a pixel's centre in the scene's CRS."""
    return Point(origin[0] + GROUND_DISTANCE_M * column, origin[1] - GROUND_DISTANCE_M * row)


def find(path, out, network, **options):
    return find_mines([str(path)], out, model=str(network), **options)


@pytest.fixture
def scene(write_scene):
    return write_scene(paint_scene(400, 400, MINES), "scene_20200715.tif")


@pytest.fixture
def found(scene, network, tmp_path):
    out = tmp_path / "out"
    return find(scene, out, network), out


def test_each_mine_is_found_once_at_its_place(found):
    sites, _ = found
    assert len(sites) == len(MINES)
    metres = sites.to_crs(UTM).centroid
    errors = [min(metres.distance(place(*mine))) for mine in MINES]
    assert max(errors) < CHIP_PX * GROUND_DISTANCE_M / 4


@pytest.mark.parametrize("stride", [12, 24, 48])
@pytest.mark.parametrize("offset", [0, 7, 24])
def test_mine_on_a_border_of_tiles_is_found_once(write_scene, network, tmp_path, stride, offset):
    path = write_scene(paint_scene(200, 200, [(96 + offset, 96)], side=48))
    assert len(find(path, tmp_path / "out", network, stride=stride)) == 1


def test_part_of_a_scene_and_the_whole_agree(scene, network, tmp_path, write_scene):
    with rasterio.open(scene) as file:
        values = np.moveaxis(file.read(), 0, -1)
    top, left = 53, 101
    transform = from_origin(ORIGIN[0] + 10 * left, ORIGIN[1] - 10 * top, 10, 10)
    part = write_scene(values[top : top + 250, left : left + 250], "part.tif", transform=transform)
    find_mines([str(scene), str(part)], tmp_path / "out", model=str(network))
    with (
        rasterio.open(tmp_path / "out" / "part" / "probability.tif") as small,
        rasterio.open(tmp_path / "out" / scene.stem / "probability.tif") as big,
    ):
        window = big.window(*small.bounds)
        assert np.allclose(
            [window.col_off, window.row_off], np.rint([window.col_off, window.row_off])
        )
        whole, cut = big.read(1, window=window), small.read(1)
    inside = np.s_[4:-4, 4:-4]
    assert np.nanmax(cut[inside]) > 0.5
    np.testing.assert_allclose(cut[inside], whole[inside], atol=1e-5)


@pytest.mark.slow
def test_part_and_whole_agree_with_haze_removed(tmp_path, write_scene):
    network = write_network(tmp_path / "hazy", haze=True)
    values = paint_scene(500, 500, MINES)
    top = 21
    transform = from_origin(ORIGIN[0], ORIGIN[1] - 10 * top, 10, 10)
    paths = [write_scene(values), write_scene(values[top:], "part.tif", transform=transform)]
    find_mines([str(path) for path in paths], tmp_path / "out", model=str(network))
    big, small = (
        rasterio.open(tmp_path / "out" / path.stem / "probability.tif").read(1) for path in paths
    )
    rows = 20  # cells from the lower border that no haze at the upper one reaches
    np.testing.assert_allclose(big[-rows:-4], small[-rows:-4], atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 1), (10, 300), (48, 48), (30, 20), (49, 49)])
def test_small_scene_is_assessed_as_a_whole(write_scene, network, tmp_path, shape):
    find(write_scene(paint_scene(*shape)), tmp_path / "out", network)
    summary = json.loads((tmp_path / "out" / "scene" / "scene.json").read_text())
    assert summary["shares"]["assessed"] == 1


def test_small_scene_of_a_mine_is_a_site(write_scene, network, tmp_path):
    path = write_scene(paint_scene(20, 20, [(10, 10)]))
    assert len(find(path, tmp_path / "out", network)) == 1


def test_area_is_that_of_the_cells(found):
    sites, out = found
    with rasterio.open(out / "scene_20200715" / "probability.tif") as file:
        above = file.read(1) >= 0.4
    cell_ha = (CHIP_PX / 4 * GROUND_DISTANCE_M) ** 2 / 1e4
    assert sites.area_ha.sum() == pytest.approx(above.sum() * cell_ha, rel=0.01)
    assert (sites.area_low_ha <= sites.area_ha).all()
    assert (sites.area_ha <= sites.area_high_ha).all()
    mine_ha = (MINE_PX * GROUND_DISTANCE_M) ** 2 / 1e4
    assert (sites.area_high_ha >= mine_ha).all()


def test_no_data_and_clouds_are_classes_and_never_no_mine(write_scene, network, tmp_path):
    values = paint_scene(400, 400, MINES)
    values[:, 240:] = 0
    values[288:, :192] = 230
    find(write_scene(values, nodata=0), tmp_path / "out", network)
    folder = tmp_path / "out" / "scene"
    shares = json.loads((folder / "scene.json").read_text())["shares"]
    assert sum(shares.values()) == pytest.approx(1, abs=1e-4)
    assert shares["no_data"] == pytest.approx(0.4, abs=0.02)
    assert shares["cloud"] == pytest.approx(112 * 192 / 400**2, abs=0.03)
    with (
        rasterio.open(folder / "probability.tif") as probability,
        rasterio.open(folder / "assessed.tif") as classes,
    ):
        np.testing.assert_array_equal(np.isnan(probability.read(1)), classes.read(1) != 4)
        assert np.isnan(next(iter(probability.sample([place(350, 100).coords[0]]))))


def test_levels_unlike_the_training_are_not_assessed(write_scene, network, tmp_path, capsys):
    find(write_scene(paint_scene(200, 200) // 8), tmp_path / "out", network)
    summary = json.loads((tmp_path / "out" / "scene" / "scene.json").read_text())
    assert summary["shares"]["out_of_domain"] == 1
    err = capsys.readouterr().err
    assert err.index("warning: scene: mean level") < err.index("tile")


def test_haze_denser_than_in_training_is_not_assessed(write_scene, network, tmp_path):
    card = shutil.copytree(network, tmp_path / "network") / "card.json"
    card.write_text(json.dumps(json.loads(card.read_text()) | {"dark_channel": 80}))
    values = paint_scene(400, 400)
    values[:, 192:] = np.rint(0.5 * values[:, 192:] + 0.5 * 170)
    find(write_scene(values), tmp_path / "out", card.parent)
    with rasterio.open(tmp_path / "out" / "scene" / "assessed.tif") as file:
        classes = file.read(1)
    hazy = classes.shape[1] * 192 // 400
    assert (classes[:, : hazy - 4] == ASSESSED).all()
    assert (classes[:, hazy + 4 :] == DOMAIN).all()


def test_dark_channel_of_a_tile_is_that_of_a_chip_in_training():
    chip = np.random.default_rng(0).integers(0, 256, (48, 48, 3), np.uint8)
    *_, darkest = measure_cells(chip, np.ones((48, 48), bool), 12)
    assert darkest.mean() == pytest.approx(measure_dark_channels(chip[None])[0])


def test_hole_in_a_tile_does_not_hide_a_mine(write_scene, network, tmp_path):
    values = paint_scene(200, 200, [(96, 96)])
    values[:, 104:] = 0
    assert len(find(write_scene(values, nodata=0), tmp_path / "out", network)) == 1


def test_isolated_site_needs_the_stricter_threshold(write_scene, network, tmp_path):
    faint = paint_scene(200, 200, [(96, 96)], side=14)
    sites = find(write_scene(faint), tmp_path / "out", network, threshold=0.1,
                 isolated_threshold=0.9)  # fmt: skip
    assert len(sites) == 0
    sites = find(write_scene(faint), tmp_path / "out", network, threshold=0.1,
                 isolated_threshold=0.1)  # fmt: skip
    assert len(sites) == 1


def test_files_can_be_opened_by_anyone(found):
    sites, out = found
    folder = out / "scene_20200715"
    geojson = json.loads((out / "sites.geojson").read_text())
    assert "crs" not in geojson
    for feature in geojson["features"]:
        (longitude, latitude), *_ = feature["geometry"]["coordinates"][0]
        assert -56 < longitude < -55
        assert -10 < latitude < -8
        assert feature["properties"]["stroke"].startswith("#")
    for ending in ("gpkg", "kml"):
        assert len(gpd.read_file(out / f"sites.{ending}")) == len(sites)
    table = pd.read_csv(out / "sites.csv")
    assert set(table.columns) >= {
        "id", "scene", "date", "latitude", "longitude", "area_ha", "area_low_ha", "area_high_ha",
        "probability_mean", "probability_max", "labels", "provisional", "model", "model_version",
    }  # fmt: skip
    assert set(table.date) == {"2020-07-15"}
    with rasterio.open(folder / "probability.tif") as file:
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    item = json.loads((folder / "stac-item.json").read_text())
    assert item["properties"]["datetime"] == "2020-07-15T00:00:00Z"
    assert all((folder / asset["href"]).exists() for asset in item["assets"].values())
    for column in ("thumbnail", "thumbnail_haze_free"):
        assert all((out / path).stat().st_size > 500 for path in sites[column])


def test_scene_without_mines_has_empty_tables(write_scene, network, tmp_path):
    assert len(find(write_scene(paint_scene(100, 100)), tmp_path / "out", network)) == 0
    assert json.loads((tmp_path / "out" / "sites.geojson").read_text())["features"] == []
    assert len(pd.read_csv(tmp_path / "out" / "sites.csv")) == 0


@pytest.mark.slow
def test_interrupted_search_goes_on(scene, network, tmp_path, monkeypatch):
    expected = find(scene, tmp_path / "whole", network)
    monkeypatch.setattr(planet_lib.scenes.grid, "BAND_PIXELS", 30_000)
    predicted = []

    def predict(self, chips, *, whole=Detector.predict):
        if len(predicted) == 3:
            raise KeyboardInterrupt
        predicted.append(len(chips))
        return whole(self, chips)

    monkeypatch.setattr(Detector, "predict", predict)
    with pytest.raises(KeyboardInterrupt):
        find(scene, tmp_path / "out", network)
    assert not (tmp_path / "out" / scene.stem).exists()
    before = sum(predicted)
    predicted.clear()
    predicted.append(0)
    monkeypatch.setattr(
        Detector, "predict", lambda self, chips, whole=predict.__kwdefaults__["whole"]: (
            predicted.append(len(chips)), whole(self, chips))[1],
    )  # fmt: skip
    sites = find(scene, tmp_path / "out", network)
    assert before > 0
    assert sum(predicted) + before == 17 * 17
    pd.testing.assert_frame_equal(sites.drop(columns="geometry"), expected.drop(columns="geometry"))
    assert [path.name for path in (tmp_path / "out").iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("left", [b"", b"PK\x03\x04 cut off"])
def test_damaged_band_of_an_interrupted_search_is_one_line(
    scene, network, tmp_path, monkeypatch, left
):
    monkeypatch.setattr(planet_lib.scenes.search, "load_scan", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        find(scene, tmp_path / "out", network)
    monkeypatch.undo()
    (band,) = (tmp_path / "out").glob(".*/bands/*.npz")
    band.write_bytes(left)
    with pytest.raises(StageError, match=r"npz: damaged .*; delete it and run again"):
        find(scene, tmp_path / "out", network)
    band.unlink()
    assert len(find(scene, tmp_path / "out", network)) == len(MINES)


@pytest.mark.slow
def test_result_does_not_depend_on_how_much_is_read_at_once(write_scene, tmp_path, monkeypatch):
    hazy = write_network(tmp_path / "hazy", haze=True)
    scene = write_scene(paint_scene(400, 500, MINES))
    maps = []
    for name, pixels, widest in (
        ("whole", 8e6, 12_288),
        ("rows", 40_000, 12_288),
        ("parts", 40_000, 150),
    ):
        monkeypatch.setattr(planet_lib.scenes.grid, "BAND_PIXELS", pixels)
        monkeypatch.setattr(planet_lib.scenes.grid, "WIDEST_PX", widest)
        find(scene, tmp_path / name, hazy)
        with rasterio.open(tmp_path / name / "scene" / "probability.tif") as file:
            maps.append(file.read(1))
    assert maps[0].max() > 0.8
    for other in maps[1:]:
        np.testing.assert_allclose(other, maps[0], atol=2e-3)


@pytest.mark.slow
def test_finished_search_is_kept_and_other_settings_renew_it(scene, network, tmp_path, monkeypatch):
    out = tmp_path / "out"
    find(scene, out, network)
    first = (out / scene.stem / "scene.json").stat().st_mtime_ns
    find(scene, out, network)
    assert (out / scene.stem / "scene.json").stat().st_mtime_ns == first
    assert len(find(scene, out, network, threshold=0.99, isolated_threshold=0.999)) < len(MINES)


def test_changed_card_searches_again(write_scene, tmp_path):
    folder = write_network(tmp_path / "model")
    scene = write_scene(paint_scene(100, 100, [(48, 48)]))
    assert len(find(scene, tmp_path / "out", folder)) == 1
    card = json.loads((folder / "card.json").read_text()) | {"brightness": [240, 250]}
    (folder / "card.json").write_text(json.dumps(card))
    assert len(find(scene, tmp_path / "out", folder)) == 0


def test_scene_whose_name_is_a_date_keeps_it(write_scene, network, tmp_path):
    scene = write_scene(paint_scene(100, 100, [(48, 48)]), "2024-05-01.tif")
    sites = find(scene, tmp_path / "out", network)
    assert list(sites.scene) == ["2024-05-01"]
    assert list(pd.read_csv(tmp_path / "out" / "sites.csv").scene) == ["2024-05-01"]
    assert '"2024-05-01"' in (tmp_path / "out" / "sites.geojson").read_text()


def test_sides_are_metres_in_a_system_of_feet(write_scene, network, tmp_path, capsys):
    step = 10 / 0.3048006
    feet = from_origin(2_000_000, 700_000, step, step)
    scene = write_scene(paint_scene(100, 100), crs="EPSG:2264", transform=feet)
    find(scene, tmp_path / "out", network)
    assert "of 10 m, by" in capsys.readouterr().out
    summary = json.loads((tmp_path / "out" / "scene" / "scene.json").read_text())
    assert summary["cells"]["side_m"] == pytest.approx(120)


def test_changed_file_is_noticed(scene, network, tmp_path, monkeypatch):
    def change(self, chips, *, whole=Detector.predict):
        scene.touch()
        return whole(self, chips)

    monkeypatch.setattr(planet_lib.scenes.grid, "BAND_PIXELS", 30_000)
    monkeypatch.setattr(Detector, "predict", change)
    with pytest.raises(DataError, match="changed while it was read"):
        find(scene, tmp_path / "out", network)
    assert not (tmp_path / "out" / scene.stem).exists()


@pytest.fixture
def mosaic(write_scene, tmp_path):
    """Give a virtual file of two scenes of forest."""
    parts = [write_scene(paint_scene(128, 128), f"{name}.tif") for name in ("west", "east")]
    return write_mosaic(tmp_path / "mosaic.vrt", parts)


def test_change_behind_a_virtual_file_searches_again(mosaic, network, tmp_path, write_scene):
    outer = write_mosaic(tmp_path / "outer.vrt", [mosaic])
    assert len(find(outer, tmp_path / "out", network)) == 0
    write_scene(paint_scene(128, 128, [(64, 64)]), "east.tif")
    (site,) = find(outer, tmp_path / "out", network).to_crs(UTM).centroid
    assert site.distance(place(64, 128 + 64)) < 150


def test_change_behind_a_virtual_file_is_noticed_while_it_is_read(
    mosaic, network, tmp_path, monkeypatch
):
    def change(self, chips, *, whole=Detector.predict):
        (tmp_path / "east.tif").touch()
        return whole(self, chips)

    monkeypatch.setattr(planet_lib.scenes.grid, "BAND_PIXELS", 1)  # the next band is read meanwhile
    monkeypatch.setattr(Detector, "predict", change)
    with pytest.raises(DataError, match="changed while it was read"):
        find(mosaic, tmp_path / "out", network)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_world_file_that_moves_a_scene_searches_again(network, tmp_path):
    scene = tmp_path / "scene.tif"
    profile = {"driver": "GTiff", "height": 128, "width": 128, "count": 3, "dtype": "uint8"}
    with rasterio.open(scene, "w", crs=UTM, **profile) as file:
        file.write(np.moveaxis(paint_scene(128, 128, [(64, 64)]), -1, 0))
    for east in (0, 500):
        lines = (10, 0, 0, -10, ORIGIN[0] + east + 5, ORIGIN[1] - 5)
        scene.with_suffix(".tfw").write_text("\n".join(map(str, lines)))
        (site,) = find(scene, tmp_path / "out", network).to_crs(UTM).centroid
        assert site.distance(place(64, 64 + east / 10)) < 150


@pytest.mark.parametrize(
    ("side_file", "again"),
    [
        ('<PAMRasterBand band="1"><Metadata><MDI key="STATISTICS_MEAN">4</MDI></Metadata>'
         "</PAMRasterBand>", False),
        ("<GeoTransform>700500,10,0,9000000,0,-10</GeoTransform>", True),
    ],
)  # fmt: skip
def test_side_file_of_a_viewer_searches_again_only_if_it_changes_what_is_read(
    write_scene, network, tmp_path, side_file, again
):
    scene = write_scene(paint_scene(100, 100))
    find(scene, tmp_path / "out", network)
    summary = tmp_path / "out" / "scene" / "scene.json"
    first = summary.stat().st_mtime_ns
    scene.with_name("scene.tif.aux.xml").write_text(f"<PAMDataset>{side_file}</PAMDataset>")
    scene.with_name("scene.tif.ovr").touch()
    find(scene, tmp_path / "out", network)
    assert (summary.stat().st_mtime_ns != first) == again


def test_sites_are_named_after_the_areas_they_touch(scene, network, tmp_path):
    row, column = MINES[0]
    areas = gpd.GeoDataFrame(
        {"name": ["<script>alert(1)</script>", "Río & Selva"]},
        geometry=[place(row, column).buffer(300), place(row, column).buffer(3000)],
        crs=UTM,
    )
    areas.to_file(tmp_path / "areas.gpkg")
    sites = find(scene, tmp_path / "out", network, boundaries=tmp_path / "areas.gpkg")
    metres = sites.to_crs(UTM)
    nearest = metres.distance(place(row, column)).idxmin()
    assert sites.areas[nearest] == "<script>alert(1)</script>; Río & Selva"
    farthest = metres.distance(place(row, column)).idxmax()
    assert not sites.areas[farthest]


def test_sites_are_compared_with_earlier_ones(scene, network, tmp_path, found):
    sites, _ = found
    metres = sites.to_crs(UTM)
    nearest = [metres.distance(place(*mine)).idxmin() for mine in MINES]
    small = metres.geometry[nearest[1]].centroid.buffer(150)
    left = place(350, 0).x
    away = [
        place(350, 80).buffer(200),
        box(left - 300, place(300, 0).y - 200, left + 100, place(300, 0).y),
        box(0, 0, 100, 100),
    ]
    earlier = gpd.GeoDataFrame(
        {"name": ["known", "small", "gone", "mostly outside", "elsewhere"]},
        geometry=[metres.geometry[nearest[0]], small, *away],
        crs=UTM,
    )
    earlier.to_crs(4326).to_file(tmp_path / "earlier.geojson")
    out = tmp_path / "later"
    later = find(scene, out, network, compare=tmp_path / "earlier.geojson")
    changes = [later.change[later.to_crs(UTM).distance(place(*mine)).idxmin()] for mine in MINES]
    assert changes == ["known", "grown", "new", "new", "new"]
    missing = gpd.read_file(out / scene.stem / "missing.geojson")
    assert list(missing.name) == ["gone", "mostly outside"]
    assert list(missing.change) == ["gone", "not assessed"]
    pd.testing.assert_frame_equal(
        gpd.read_file(out / "missing.geojson")[["name", "change"]], missing[["name", "change"]]
    )
    find(scene, out, network)
    assert not (out / "missing.geojson").exists()


def test_comparison_with_no_earlier_sites_makes_all_new(scene, network, tmp_path):
    empty = '{"type": "FeatureCollection", "features": []}'
    (tmp_path / "earlier.geojson").write_text(empty)
    sites = find(scene, tmp_path / "out", network, compare=tmp_path / "earlier.geojson")
    assert set(sites.change) == {"new"}
    assert json.loads((tmp_path / "out" / "missing.geojson").read_text())["features"] == []


def test_earlier_sites_far_away_are_left_out_and_huge_ones_not_assessed(
    write_scene, network, tmp_path
):
    places = [box(124, 9, 125, 10), box(-180, -90, 180, -80), box(-180, -89, 180, 89)]
    earlier = gpd.GeoDataFrame({"name": ["far", "pole", "world"]}, geometry=places, crs=4326)
    earlier.to_file(tmp_path / "earlier.gpkg")
    scene = write_scene(paint_scene(100, 100))
    find(scene, tmp_path / "out", network, compare=tmp_path / "earlier.gpkg")
    missing = gpd.read_file(tmp_path / "out" / "missing.geojson")
    assert list(zip(missing.name, missing.change, strict=True)) == [("world", "not assessed")]


def test_names_of_areas_are_one_line_without_signs_that_turn_writing(tmp_path):
    names = ["\u202ea\x1bb\nc ", None, " \n ", "Área 1"]
    areas = gpd.GeoDataFrame({"name": names}, geometry=[box(0, 0, 1, 1)] * 4, crs=4326)
    areas.to_file(tmp_path / "areas.gpkg")
    assert list(read_areas(tmp_path / "areas.gpkg").name) == ["a b c", "area 2", "area 3", "Área 1"]


def test_other_labels_are_listed(write_scene, tmp_path):
    network = write_network(tmp_path / "two", labels=("bare_ground", "artisinal_mine"))
    sites = find(write_scene(paint_scene(150, 150, [(70, 70)])), tmp_path / "out", network)
    assert list(sites.labels) == ["bare_ground"]
    card = json.loads((network / "card.json").read_text())
    (network / "card.json").write_text(json.dumps(card | {"known": ["artisinal_mine"]}))
    sites = find(tmp_path / "scene.tif", tmp_path / "known", network)
    assert list(sites.labels) == [""]
    (network / "card.json").write_text(json.dumps(card | {"known": ["bare_ground"]}))
    with pytest.raises(DataError, match="was not trained on artisinal_mine"):
        find(tmp_path / "scene.tif", tmp_path / "unknown", network)


def test_folder_of_chips_does_not_hide_the_detector_of_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "synthetic").mkdir()
    assert choose_detector("synthetic", 1.0) == SHIPPED / "synthetic"
    assert name_network("synthetic") == SHIPPED / "synthetic"
    network = write_network(tmp_path / "mining-watch")
    assert choose_detector("mining-watch", 10.0) == network.relative_to(tmp_path)
    assert name_network("elsewhere") == Path("elsewhere")


def test_mines_of_a_real_canvas_are_searched(real_scenes, network, tmp_path):
    path = real_scenes / "mines" / "mines_4.tif"
    find(path, tmp_path / "out", network)
    summary = json.loads((tmp_path / "out" / "mines_4" / "scene.json").read_text())
    assert summary["shares"]["no_data"] > 0.7
    assert summary["shares"]["assessed"] > 0.05


@pytest.mark.parametrize(
    ("ground_distance_m", "name"),
    [
        (0.1, "synthetic"),
        (3, "synthetic"),
        (4.9, "synthetic"),
        (5, "mining-watch"),
        (10, "mining-watch"),
        (20, "mining-watch"),
    ],
)
def test_shipped_detector_that_fits_is_chosen(ground_distance_m, name):
    assert choose_detector(None, ground_distance_m).name == name


def test_no_shipped_detector_fits_coarser_scenes():
    with pytest.raises(DataError, match=r"20\.1 m a pixel; too coarse"):
        choose_detector(None, 20.1)
