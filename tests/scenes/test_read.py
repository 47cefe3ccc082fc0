"""Reading: the right bands at the right places, no data as a mask, one scale for the scene."""

import numpy as np
import pytest
from rasterio.transform import Affine, from_origin

from planet_lib.errors import ConfigError, DataError
from planet_lib.scenes.grid import WGS84, lay_grid
from planet_lib.scenes.read import Scene
from planet_lib.scenes.source import describe_source


def open_scene(path, *, bands=None, scaling=None, ground_distance_m=10.0):
    source = describe_source(str(path), bands=bands)
    grid, native = lay_grid(
        source.placement, ground_distance_m=ground_distance_m, chip_px=48, stride_px=24
    )
    return Scene(source, grid, native=native, scaling=scaling)


def read_all(scene):
    grid = scene.grid
    with scene.open() as reader:
        return reader.read(grid.rows, grid.columns)


@pytest.fixture
def picture():
    return np.random.default_rng(0).integers(1, 256, (150, 130, 3), dtype=np.uint8)


def test_levels_of_a_file_at_the_right_ground_distance_are_unchanged(write_scene, picture):
    scene = open_scene(write_scene(picture))
    levels, valid = read_all(scene)
    assert valid.all()
    np.testing.assert_array_equal(levels, picture)


@pytest.mark.parametrize("options", [{"tiled": True, "blockxsize": 64, "blockysize": 64},
                                     {"compress": "deflate", "blockysize": 1},
                                     {"compress": "lzw", "predictor": 2}])  # fmt: skip
def test_layout_of_the_file_changes_nothing(write_scene, picture, options):
    levels, _ = read_all(open_scene(write_scene(picture, **options)))
    np.testing.assert_array_equal(levels, picture)


def test_beyond_the_scene_there_is_no_data(write_scene, picture):
    scene = open_scene(write_scene(picture))
    rows, columns = scene.grid.canvas
    with scene.open() as reader:
        levels, valid = reader.read(rows)
    assert valid.sum() == picture.shape[0] * picture.shape[1]
    assert not levels[~valid].any()
    assert valid.shape == (len(rows), len(columns))


def with_nodata(picture, hole):
    return np.where(hole[..., None], 7, picture), {"nodata": 7}


def with_zeros(picture, hole):
    return np.where(hole[..., None], 0, picture), {}


def with_alpha(picture, hole):
    return np.dstack([picture, np.where(hole, 0, 255)]).astype(np.uint8), {}


def with_mask(picture, hole):
    return picture, {"mask": ~hole}


def with_nan(picture, hole):
    values = picture.astype(np.float32)
    values[hole] = np.nan
    return values, {}


def with_nan_and_nodata(picture, hole):
    values = picture.astype(np.float32)
    values[hole] = np.nan
    values[0, 0] = -1
    return values, {"nodata": -1}


@pytest.mark.parametrize("ground_distance_m", [10.0, 20.0], ids=["native", "averaged"])
@pytest.mark.parametrize(
    "mark", [with_nodata, with_zeros, with_alpha, with_mask, with_nan, with_nan_and_nodata]
)
def test_no_data_is_a_mask(write_scene, picture, mark, ground_distance_m):
    hole = np.zeros(picture.shape[:2], bool)
    hole[20:60, 40:100] = True
    picture = np.maximum(picture, 100)
    values, options = mark(picture, hole)
    path = write_scene(values, colours="red green blue alpha", **options)
    scaling = "0,255" if values.dtype == np.float32 else None
    scene = open_scene(path, scaling=scaling, ground_distance_m=ground_distance_m)
    levels, valid = read_all(scene)
    factor = int(ground_distance_m // 10)
    np.testing.assert_array_equal(valid[1:-1, 1:-1], ~hole[::factor, ::factor][1:-1, 1:-1])
    assert levels[valid].min() >= 99


def test_zero_in_one_band_is_a_value(write_scene, picture):
    picture[..., 2] = 0
    levels, valid = read_all(open_scene(write_scene(picture, nodata=0)))
    assert valid.all()
    np.testing.assert_array_equal(levels, picture)


@pytest.mark.parametrize(
    ("named", "reason"),
    [
        ({"descriptions": ["Blue", "Green", "Red", "Near infrared"], "colours": ""}, "description"),
        ({"descriptions": ["B2", "B3", "B4", "B8"], "colours": ""}, "description"),
        ({"descriptions": ["B02 blue", "B03 green", "B04 red", "B05 red edge"], "colours": ""},
         "description"),
        ({"colours": "blue green red undefined"}, "colour interpretation"),
    ],
)  # fmt: skip
def test_bands_are_found_whatever_their_order(write_scene, picture, named, reason):
    values = np.dstack([picture[..., ::-1], picture[..., :1]])
    scene = open_scene(write_scene(values, photometric="minisblack", **named))
    assert scene.source.bands == (3, 2, 1)
    assert scene.source.bands_by == reason
    np.testing.assert_array_equal(read_all(scene)[0], picture)


def test_bands_by_option(write_scene, picture):
    values = np.dstack([picture[..., ::-1], picture[..., :1]])
    path = write_scene(values, colours="", photometric="minisblack")
    with pytest.raises(DataError, match=r"none of its 4 bands .* --bands 3,2,1"):
        open_scene(path)
    np.testing.assert_array_equal(read_all(open_scene(path, bands=(3, 2, 1)))[0], picture)
    with pytest.raises(DataError, match="not three of 1 to 4"):
        open_scene(path, bands=(5, 2, 1))


def test_three_files_are_one_scene(write_scene, picture):
    paths = [
        str(write_scene(picture[..., [channel]], f"{channel}.tif", colours=""))
        for channel in range(3)
    ]
    np.testing.assert_array_equal(read_all(open_scene(",".join(paths)))[0], picture)
    shifted = write_scene(picture[:50, :, [0]], "other.tif", colours="")
    with pytest.raises(DataError, match=r"other\.tif has another grid"):
        open_scene(",".join([*paths[:2], str(shifted)]))


@pytest.mark.parametrize(
    ("dtype", "factor", "scaling"),
    [
        ("uint16", 3000, "reflectance"),
        ("float32", 0.3, "reflectance"),
        ("int16", 500, "0,500"),
        ("uint16", 60000, "0,60000"),
    ],
)
def test_scaling_is_linear_and_explicit(write_scene, picture, dtype, factor, scaling):
    values = np.maximum(picture / 255 * factor, 1e-6).astype(dtype)
    path = write_scene(values, nodata=-1 if dtype == "int16" else None)
    with pytest.raises(ConfigError, match="--scaling reflectance, percentile, or LOW,HIGH"):
        open_scene(path)
    levels, _ = read_all(open_scene(path, scaling=scaling))
    assert np.abs(levels.astype(int) - picture).max() <= 1


def test_percentiles_are_of_the_whole_scene(write_scene, picture):
    values = picture.astype(np.uint16) * 100
    values[:75] //= 10
    scene = open_scene(write_scene(values), scaling="percentile")
    levels, _ = read_all(scene)
    assert levels[:75].mean() < 0.2 * levels[75:].mean()
    assert scene.scaling.low == pytest.approx(np.percentile(values, 2), rel=0.05)


def test_finer_scene_is_averaged(write_scene):
    picture = np.zeros((96, 96, 3), np.uint8) + 50
    picture[::2, ::2] = 250
    path = write_scene(picture, transform=from_origin(700_000, 9_000_000, 5, 5))
    levels, valid = read_all(open_scene(path))
    assert levels.shape == (48, 48, 3)
    assert valid.all()
    assert np.abs(levels.astype(int) - 100).max() <= 1


@pytest.mark.parametrize("turn", [0, 25, 180])
@pytest.mark.parametrize("crs", ["degrees", "metres"])
def test_place_is_kept_by_the_warp(write_scene, crs, turn):
    picture = np.full((200, 200, 3), 40, np.uint8)
    picture[120:124, 60:64] = 240
    step = 5 / 111_000 if crs == "degrees" else 5
    origin = (-55.2, -9.0) if crs == "degrees" else (700_000, 9_000_000)
    transform = Affine.translation(*origin) @ Affine.rotation(turn) @ Affine.scale(step, -step)
    options = {"crs": WGS84} if crs == "degrees" else {}
    scene = open_scene(write_scene(picture, transform=transform, **options))
    levels, valid = read_all(scene)
    row, column = np.argwhere(valid & (levels[..., 0] > 150)).mean(axis=0) + 0.5
    grid = scene.grid
    found = grid.transform(grid.rows.start, grid.columns.start) @ (column, row)
    expected = scene.source.placement.locate([62], [122], grid.crs)[:, 0]
    assert np.hypot(*(found - expected)) < 5


def test_overview_shows_the_scene(write_scene, picture):
    scene = open_scene(write_scene(picture))
    np.testing.assert_array_equal(scene.overview, picture)
    assert scene.overview_valid.all()


@pytest.mark.parametrize(
    ("name", "date"),
    [("T21LTC_20200715T140051_TCI.tif", "2020-07-15"), ("mosaic_2021-08-03.tif", "2021-08-03"),
     ("tile_20209999.tif", None)],
)  # fmt: skip
def test_date_is_found_in_the_name(write_scene, picture, name, date):
    assert describe_source(str(write_scene(picture, name))).date == date
