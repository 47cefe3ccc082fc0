"""Haze removal: the origin's pixel method and He's dark channel prior, behind one function.

Both invert the haze model I = J t + A (1 - t): the camera sees I, the scene radiance J weakened
by the transmission t, and the airlight A that the haze scatters in its place.
"""

import numpy as np

from planet_lib.haze.contrast import equalize_contrast
from planet_lib.haze.dark_channel import (
    compute_dark_channel,
    dehaze_dark_channel,
    estimate_airlight,
    estimate_transmission,
    recover_radiance,
    refine_transmission,
)
from planet_lib.haze.origin import (
    dehaze_origin,
    estimate_airlight_origin,
    estimate_transmission_origin,
    measure_haziness,
)

METHODS = {"origin": dehaze_origin, "dark_channel": dehaze_dark_channel}

__all__ = [
    "METHODS",
    "compute_dark_channel",
    "dehaze_dark_channel",
    "dehaze_origin",
    "equalize_contrast",
    "estimate_airlight",
    "estimate_airlight_origin",
    "estimate_transmission",
    "estimate_transmission_origin",
    "measure_haziness",
    "recover_radiance",
    "refine_transmission",
    "remove_haze",
]


def remove_haze(
    image: np.ndarray, *, method: str = "dark_channel", clahe: bool = False
) -> np.ndarray:
    """Remove the haze of one chip.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255. It is not changed.
    method : str
        A name in `METHODS`: ``"dark_channel"`` for `dehaze_dark_channel` or ``"origin"`` for
        `dehaze_origin`.
    clahe : bool
        Whether `equalize_contrast` follows.

    Returns
    -------
    ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255.

    Raises
    ------
    TypeError
        `image` is no array of uint8.
    ValueError
        `image` has another shape, or `method` is unknown.
    """
    if method not in METHODS:
        raise ValueError(f"method is {method!r}; allowed: {', '.join(sorted(METHODS))}")
    radiance = METHODS[method](image)
    return equalize_contrast(radiance) if clahe else radiance
