"""The methods by name, and the one function that applies them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from planet_lib.haze import boundary_constraint, dark_channel, pixelwise_dark_channel
from planet_lib.haze.contrast import equalize_contrast


@dataclass(frozen=True)
class Method:
    """How one method removes haze, in the two steps that a scene takes apart.

    Attributes
    ----------
    estimate_airlight : callable
        From an image to its airlight, which is one for the whole scene.
    estimate_transmission : callable
        From an image and its airlight to the transmission, (H, W), 0 to 1.
    dehaze : callable
        From an image and the keyword ``airlight`` to the image without haze.
    reach_px : int
        How far a pixel's result depends on others, once the airlight is known.
    """

    estimate_airlight: Callable[[np.ndarray], np.ndarray | float]
    estimate_transmission: Callable[[np.ndarray, np.ndarray | float], np.ndarray]
    dehaze: Callable[..., np.ndarray]
    reach_px: int


METHODS = {
    "boundary_constraint": Method(
        boundary_constraint.estimate_airlight_boundary_constraint,
        boundary_constraint.estimate_transmission_boundary_constraint,
        boundary_constraint.dehaze_boundary_constraint,
        boundary_constraint.REACH_PX,
    ),
    "dark_channel": Method(
        dark_channel.estimate_airlight_dark_channel,
        dark_channel.estimate_transmission_dark_channel,
        dark_channel.dehaze_dark_channel,
        dark_channel.REACH_PX,
    ),
    "pixelwise_dark_channel": Method(
        pixelwise_dark_channel.estimate_airlight_pixelwise,
        pixelwise_dark_channel.estimate_transmission_pixelwise,
        pixelwise_dark_channel.dehaze_pixelwise,
        pixelwise_dark_channel.REACH_PX,
    ),
}


def find_method(name: str) -> Method:
    """Find a method by its name; a ValueError lists the allowed ones."""
    if name not in METHODS:
        raise ValueError(f"method is {name!r}; allowed: {', '.join(sorted(METHODS))}")
    return METHODS[name]


def remove_haze(
    image: np.ndarray,
    *,
    method: str = "boundary_constraint",
    clahe: bool = False,
    airlight: np.ndarray | float | None = None,
) -> np.ndarray:
    """Remove the haze of one image of any size.

    Parameters
    ----------
    image : ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255. It is not changed.
    method : str
        A key of `METHODS`: ``"boundary_constraint"`` (`dehaze_boundary_constraint`),
        ``"dark_channel"`` (`dehaze_dark_channel`) or ``"pixelwise_dark_channel"``
        (`dehaze_pixelwise`).
    clahe : bool
        Whether `equalize_contrast` follows.
    airlight : ndarray of shape (3,) or float, optional
        As the method's ``estimate_airlight`` returns it for the whole scene; the image's own by
        default.

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
    radiance = find_method(method).dehaze(image, airlight=airlight)
    return equalize_contrast(radiance) if clahe else radiance
