"""Haze removal: three methods behind one function, for chips and for whole scenes.

All methods invert the haze model I = J t + A (1 - t), where I is the observed image, J the scene
radiance, t the transmission and A the airlight, the light scattered by the haze. They differ in
how they estimate A and t.
"""

from planet_lib.haze.boundary_constraint import (
    dehaze_boundary_constraint,
    estimate_airlight_boundary_constraint,
    estimate_transmission_boundary_constraint,
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
from planet_lib.haze.pixelwise_dark_channel import (
    dehaze_pixelwise,
    estimate_airlight_pixelwise,
    estimate_transmission_pixelwise,
    measure_haziness,
)
from planet_lib.haze.scene import remove_haze_in_tiles

__all__ = [
    "METHODS",
    "Method",
    "compute_dark_channel",
    "dehaze_boundary_constraint",
    "dehaze_dark_channel",
    "dehaze_pixelwise",
    "equalize_contrast",
    "estimate_airlight_boundary_constraint",
    "estimate_airlight_dark_channel",
    "estimate_airlight_pixelwise",
    "estimate_coarse_transmission",
    "estimate_transmission_boundary_constraint",
    "estimate_transmission_dark_channel",
    "estimate_transmission_pixelwise",
    "find_method",
    "measure_haziness",
    "recover_radiance",
    "refine_transmission",
    "remove_haze",
    "remove_haze_in_tiles",
]
