"""Haze removal: three methods behind one function, for chips and for whole scenes.

All invert the haze model I = J t + A (1 - t): the camera sees I, the scene radiance J weakened
by the transmission t, and the airlight A that the haze scatters in its place. They differ in how
they guess A and t.
"""

from planet_lib.haze.boundary import (
    dehaze_boundary,
    estimate_airlight_boundary,
    estimate_transmission_boundary,
)
from planet_lib.haze.contrast import equalize_contrast
from planet_lib.haze.dark_channel import (
    compute_dark_channel,
    dehaze_dark_channel,
    estimate_airlight_dark_channel,
    estimate_coarse_transmission,
    estimate_transmission_dark_channel,
    recover_radiance,
    refine_transmission,
)
from planet_lib.haze.methods import METHODS, Method, find_method, remove_haze
from planet_lib.haze.origin import (
    dehaze_origin,
    estimate_airlight_origin,
    estimate_transmission_origin,
    measure_haziness,
)
from planet_lib.haze.scene import remove_haze_in_tiles

__all__ = [
    "METHODS",
    "Method",
    "compute_dark_channel",
    "dehaze_boundary",
    "dehaze_dark_channel",
    "dehaze_origin",
    "equalize_contrast",
    "estimate_airlight_boundary",
    "estimate_airlight_dark_channel",
    "estimate_airlight_origin",
    "estimate_coarse_transmission",
    "estimate_transmission_boundary",
    "estimate_transmission_dark_channel",
    "estimate_transmission_origin",
    "find_method",
    "measure_haziness",
    "recover_radiance",
    "refine_transmission",
    "remove_haze",
    "remove_haze_in_tiles",
]
