"""Sites of many scenes in one table: a mine that two scenes show is one site, and none is lost."""

import geopandas as gpd
import pandas as pd
import pytest
from shapely.geometry import box

from planet_lib.scenes.gather import dissolve_sites, gather_missing
from planet_lib.scenes.grid import WGS84
from planet_lib.scenes.outputs import write_missing
from planet_lib.scenes.sites import EQUAL_AREA

SIDE_M = 400


def make_site(scene, number, east_m, probability=0.9, **values):
    """Make a site of 16 ha, so many metres east of a place in the Amazon."""
    square = box(-6_000_000 + east_m, -900_000, -6_000_000 + east_m + SIDE_M, -900_000 + SIDE_M)
    geometry = gpd.GeoSeries([square], crs=EQUAL_AREA).to_crs(WGS84)[0]
    return {
        "id": f"{scene}-{number:05d}", "scene": scene, "date": "2020-07-15",
        "latitude": geometry.centroid.y, "longitude": geometry.centroid.x,
        "area_ha": 16.0, "area_low_ha": 8.0, "area_high_ha": 24.0,
        "probability_mean": probability - 0.1, "probability_max": probability,
        "provisional": False, "labels": "", "geometry": geometry,
    } | values  # fmt: skip


def dissolve(*rows):
    return dissolve_sites(gpd.GeoDataFrame(rows, geometry="geometry", crs=WGS84))


def test_sites_of_different_ground_stay_as_they_are():
    rows = [make_site("a", 1, 0), make_site("b", 1, 2 * SIDE_M), make_site("b", 2, 5 * SIDE_M)]
    sites = dissolve(*rows)
    pd.testing.assert_frame_equal(
        sites.drop(columns="scenes"), gpd.GeoDataFrame(rows, crs=WGS84), check_like=True
    )
    assert list(sites.scenes) == ["a", "b", "b"]


def test_mine_that_two_scenes_show_is_one_site():
    first = make_site("a", 1, 0, 0.8, provisional=True, labels="water; road")
    second = make_site("b", 7, SIDE_M // 2, 0.95, labels="road; bare_ground")
    sites = dissolve(first, second)
    assert len(sites) == 1
    site = sites.iloc[0]
    assert (site.id, site.scene, site.scenes) == ("b-00007", "b", "a; b")
    assert site.area_ha == pytest.approx(24, rel=1e-3)
    assert site.area_low_ha == 8
    assert site.area_high_ha == pytest.approx(24 + 2 * 8, rel=1e-3)
    assert site.probability_max == 0.95
    assert not site.provisional
    assert set(site.labels.split("; ")) == {"water", "road", "bare_ground"}


def test_mine_that_is_cut_by_scenes_is_joined_along_the_chain():
    rows = [make_site(scene, 1, i * 300) for i, scene in enumerate("abc")]
    sites = dissolve(*rows)
    assert list(sites.scenes) == ["a; b; c"]
    assert sites.to_crs(EQUAL_AREA).area.iloc[0] / 1e4 == pytest.approx(40, rel=1e-3)


def test_sliver_in_common_and_sites_of_one_scene_are_not_joined():
    assert len(dissolve(make_site("a", 1, 0), make_site("b", 1, SIDE_M - 10))) == 2
    assert len(dissolve(make_site("a", 1, 0), make_site("a", 2, SIDE_M // 2))) == 2


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("new", "known", "known"),
        ("known", "grown", "grown"),
        ("new", "new", "new"),
        (None, "new", "new"),
        (None, None, None),
    ],
)
def test_change_is_what_the_scene_says_that_sees_most(one, other, together):
    sites = dissolve(make_site("a", 1, 0, change=one), make_site("b", 1, 50, change=other))
    assert list(sites.change) == [together]


@pytest.fixture
def miss(tmp_path):
    """Give a function that gathers what scenes miss: of each, metres to the east and change."""

    def miss(scenes, *sites):
        for scene, places in scenes.items():
            rows = [
                {"name": f"{east_m} m", "change": change, "geometry": site["geometry"]}
                for east_m, change in places.items()
                for site in [make_site(scene, 1, east_m)]
            ]
            nothing = {"name": [], "change": [], "geometry": []}
            table = gpd.GeoDataFrame(rows or nothing, geometry="geometry", crs=WGS84)
            write_missing(table, tmp_path / scene / "missing.geojson")
        found = gpd.GeoDataFrame([*sites, make_site("a", 1, 90_000)], crs=WGS84)
        gathered = gather_missing([tmp_path / scene for scene in (*scenes, "without")], found)
        return gathered if gathered is None else gathered.set_index("name").change.to_dict()

    return miss


def test_earlier_site_is_gone_where_any_scene_saw_its_place(miss):
    hidden, seen = {0: "not assessed", 800: "not assessed"}, {0: "gone", 1600: "gone"}
    expected = {"0 m": "gone", "800 m": "not assessed", "1600 m": "gone"}
    assert miss({"a": hidden, "b": seen}) == expected


def test_earlier_site_that_another_scene_shows_is_not_missing(miss):
    assert miss({"a": {0: "gone", 800: "gone"}}, make_site("b", 1, 850)) == {"0 m": "gone"}


def test_scenes_without_comparison_miss_nothing(miss):
    assert miss({}) is None
    assert miss({"a": {}}) == {}


def test_missing_sites_have_an_area_and_a_place(tmp_path):
    site = make_site("a", 1, 0)
    table = gpd.GeoDataFrame([site | {"name": "x", "change": "gone"}], crs=WGS84)
    write_missing(table, tmp_path / "missing.geojson")
    missing = gather_missing([tmp_path], table.head(0))
    assert missing.area_ha[0] == pytest.approx(site["area_ha"], rel=1e-3)
    assert missing.latitude[0] == pytest.approx(site["latitude"], abs=1e-5)
    assert missing.longitude[0] == pytest.approx(site["longitude"], abs=1e-5)


def test_no_sites_are_no_sites():
    nothing = gpd.GeoDataFrame([make_site("a", 1, 0)], geometry="geometry", crs=WGS84).head(0)
    assert len(dissolve_sites(nothing)) == 0
