"""Haze removal of a whole scene, tile by tile, so that memory stays low."""

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
    airlight: np.ndarray | float | None = None,
    tile_px: int = TILE_PX,
) -> np.ndarray:
    """Remove the haze of a scene in tiles on all cores, with the same result as `remove_haze`.

    The airlight is that of the whole scene. Each tile is processed with a margin as wide as
    the method's reach, so that there are no seams: the result differs from that of the whole scene
    only by rounding.

    Parameters
    ----------
    scene : ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255; may be a memory map.
    method : str
        A key of `METHODS`.
    clahe : bool
        Whether `equalize_contrast` follows, on the whole scene.
    airlight : ndarray of shape (3,) or float, optional
        As for `remove_haze`, such as that of a larger scene of which this is a part.
    tile_px : int
        Side of the tiles in pixels, a multiple of 8.

    Returns
    -------
    ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255.

    Raises
    ------
    TypeError
        `scene` is not an ndarray of uint8.
    ValueError
        `scene` has a wrong shape, `method` is unknown, or `tile_px` is not a multiple of 8.
    """
    if tile_px < BLOCK_PX or tile_px % BLOCK_PX:
        raise ValueError(f"tile_px is {tile_px}; allowed: multiples of {BLOCK_PX}, such as 1024")
    scene, chosen = check_image(scene), find_method(method)
    if airlight is None:
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
    # The margin is a multiple of the block, so that tiles and the whole scene have the same blocks.
    margin_px = -(-method.reach_px // BLOCK_PX) * BLOCK_PX
    outer = tuple(slice(max(c - margin_px, 0), c + tile_px + margin_px) for c in corner)
    inner = tuple(
        slice(c - o.start, c - o.start + tile_px) for c, o in zip(corner, outer, strict=True)
    )
    target = tuple(slice(c, c + tile_px) for c in corner)
    result[target] = method.dehaze(scene[outer], airlight=airlight)[inner]
