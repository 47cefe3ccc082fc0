"""The grid: the right ground distance, every pixel under a tile, the same for parts of a scene."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rasterio.crs import CRS
from rasterio.transform import Affine, from_origin

from planet_lib.errors import ConfigError
from planet_lib.scenes.grid import WGS84, Grid, Placement, lay_grid

UTM = CRS.from_epsg(32721)


def lay(placement, **options):
    settings = {"ground_distance_m": 10.0, "chip_px": 48, "stride_px": 24} | options
    return lay_grid(placement, **settings)


@given(
    start=st.integers(-500, 500),
    size=st.integers(1, 300),
    chip_px=st.sampled_from([16, 48, 256]),
    strides=st.sampled_from([1, 2, 4]),
)
def test_tiles_cover_every_pixel_and_start_at_multiples_of_the_stride(
    start, size, chip_px, strides
):
    pixels = range(start, start + size)
    grid = Grid(UTM, 10.0, (0, 0), pixels, pixels, chip_px, chip_px // strides)
    tiles = grid.tile_columns
    assert len(tiles) > 0
    assert all(tile % grid.stride_px == 0 for tile in tiles)
    assert tiles[0] <= start
    assert tiles[-1] + chip_px >= pixels.stop
    assert all(tile < pixels.stop and tile + chip_px > start for tile in tiles)


def test_pixels_of_the_file_are_kept_at_the_detectors_ground_distance():
    grid, native = lay(Placement(UTM, from_origin(700_003, 9_000_007, 10, 10), 200, 100))
    assert native
    assert (len(grid.rows), len(grid.columns)) == (100, 200)
    transform = grid.transform(grid.rows.start, grid.columns.start)
    assert transform.almost_equals(from_origin(700_003, 9_000_007, 10, 10), 1e-3)


@pytest.mark.parametrize(("down", "right"), [(0, 0), (1, 5), (37, 64)])
def test_part_of_a_scene_has_the_tiles_of_the_whole(down, right):
    whole = from_origin(700_003, 9_000_007, 10, 10)
    part = whole @ Affine.translation(right, down)
    big, _ = lay(Placement(UTM, whole, 400, 300))
    small, _ = lay(Placement(UTM, part, 200, 150))
    assert small.columns.start - big.columns.start == right
    assert small.rows.start - big.rows.start == down
    assert set(list(small.tile_columns)[1:-1]) <= set(big.tile_columns)
    assert big.transform(0, 0).almost_equals(small.transform(0, 0), 1e-3)


@pytest.mark.parametrize(
    ("crs", "transform"),
    [
        (WGS84, from_origin(-56, -6, 9e-5, 9e-5)),
        (CRS.from_epsg(3857), from_origin(-6_233_000, -1_118_000, 10, 10)),
        (UTM, from_origin(700_000, 9_000_000, 10, 20)),
        (UTM, from_origin(700_000, 9_000_000, 10, 10) @ Affine.rotation(30)),
        (UTM, from_origin(700_000, 9_000_000, 3.3, 3.3)),
        (CRS.from_epsg(2264), from_origin(600_000, 500_000, 30, 30)),
    ],
    ids=["degrees", "web mercator", "oblong pixels", "rotated", "finer", "feet"],
)
def test_grid_has_the_detectors_ground_distance_and_covers_the_scene(crs, transform):
    placement = Placement(crs, transform, 300, 200)
    grid, native = lay(placement)
    shape = (len(grid.rows), len(grid.columns))
    laid = Placement(grid.crs, grid.transform(grid.rows.start, grid.columns.start), *shape[::-1])
    assert not native
    np.testing.assert_allclose(laid.measure_sides(), 10, rtol=0.02)
    across, down = placement.measure_sides()
    assert np.prod(shape) * 100 >= 0.99 * 300 * 200 * across * down


def test_unknown_stride_is_refused():
    with pytest.raises(ConfigError, match="allowed: 12, 24, 48 pixels"):
        lay(Placement(UTM, from_origin(700_000, 9_000_000, 10, 10), 200, 100), stride_px=20)
