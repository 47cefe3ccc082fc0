"""Scenes in tiles give the result of the whole scene."""

import numpy as np
import pytest
from haze_examples import make_radiance

from planet_lib import haze


@pytest.mark.parametrize("method", sorted(haze.METHODS))
@pytest.mark.parametrize("tile_px", [64, 200, 1024])
def test_scene_in_tiles_has_no_seams(synthetic_chips, method, tile_px):
    chips = [chip.image for chip in synthetic_chips[:6]]
    scene = np.vstack([np.hstack(chips[:3]), np.hstack(chips[3:])])[:501, :707]
    before = scene.copy()
    whole = haze.remove_haze(scene, method=method)
    tiled = haze.remove_haze_in_tiles(scene, method=method, tile_px=tile_px)
    np.testing.assert_allclose(tiled.astype(int), whole, atol=1)
    np.testing.assert_array_equal(scene, before)


def test_clahe_follows_on_the_whole_scene(synthetic_chips):
    scene = np.hstack([chip.image for chip in synthetic_chips[:2]])
    tiled = haze.remove_haze_in_tiles(scene, tile_px=64)
    equalized = haze.remove_haze_in_tiles(scene, tile_px=64, clahe=True)
    np.testing.assert_array_equal(equalized, haze.equalize_contrast(tiled))


def test_scene_may_be_a_memory_map(tmp_path):
    scene = np.lib.format.open_memmap(tmp_path / "a.npy", "w+", np.uint8, (90, 40, 3))
    scene[...] = make_radiance()[:90, :40]
    tiled = haze.remove_haze_in_tiles(scene, tile_px=16)
    np.testing.assert_allclose(tiled.astype(int), haze.remove_haze(np.array(scene)), atol=1)


@pytest.mark.parametrize("tile_px", [0, -8, 100])
def test_tile_that_divides_a_block_is_an_error(tile_px):
    with pytest.raises(ValueError, match=f"tile_px is {tile_px}; allowed: multiples of 8"):
        haze.remove_haze_in_tiles(make_radiance(), tile_px=tile_px)
