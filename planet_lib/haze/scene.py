"""Haze removal of a whole scene, tile by tile, so that only tiles are held as floating point."""

from functools import partial
from itertools import product

import numpy as np

from planet_lib.files import map_over_cores
from planet_lib.haze.boundary_constraint import BLOCK_PX
from planet_lib.haze.checks import check_image
from planet_lib.haze.contrast import equalize_contrast
from planet_lib.haze.methods import Method, find_method

TILE_PX = 1024


def remove_haze_in_tiles(
    scene: np.ndarray,
    *,
    method: str = "boundary_constraint",
    clahe: bool = False,
    tile_px: int = TILE_PX,
) -> np.ndarray:
    """Remove the haze of a scene in tiles, on all cores, with the result of `remove_haze`.

    The airlight is estimated from the whole scene. Each tile is read with as much of its
    surroundings as the method looks at, so that there are no seams: the result differs from that
    of the undivided scene by rounding alone.

    Parameters
    ----------
    scene : ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255; a memory map is as good as an array.
    method : str
        A name in `METHODS`.
    clahe : bool
        Whether `equalize_contrast` follows, on the whole scene.
    tile_px : int
        Side of the tiles, a multiple of 8 pixels.

    Returns
    -------
    ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255.

    Raises
    ------
    TypeError
        `scene` is no array of uint8.
    ValueError
        `scene` has another shape, `method` is unknown, or `tile_px` is not allowed.
    """
    if tile_px < BLOCK_PX or tile_px % BLOCK_PX:
        raise ValueError(f"tile_px is {tile_px}; allowed: multiples of {BLOCK_PX}, such as 1024")
    scene, chosen = check_image(scene), find_method(method)
    airlight = chosen.estimate_airlight(scene)
    result = np.empty_like(scene)
    corners = product(*(range(0, size, tile_px) for size in scene.shape[:2]))
    for _ in map_over_cores(partial(_fill_tile, scene, result, chosen, airlight, tile_px), corners):
        pass
    return equalize_contrast(result) if clahe else result


def _fill_tile(
    scene: np.ndarray,
    result: np.ndarray,
    method: Method,
    airlight: np.ndarray | float,
    tile_px: int,
    corner: tuple[int, int],
) -> None:
    # Surroundings start at whole blocks, as the blocks of the undivided scene do.
    around_px = -(-method.reach_px // BLOCK_PX) * BLOCK_PX
    outer = tuple(slice(max(c - around_px, 0), c + tile_px + around_px) for c in corner)
    inner = tuple(
        slice(c - o.start, c - o.start + tile_px) for c, o in zip(corner, outer, strict=True)
    )
    target = tuple(slice(c, c + tile_px) for c in corner)
    result[target] = method.dehaze(scene[outer], airlight=airlight)[inner]
