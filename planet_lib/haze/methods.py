"""The haze removal methods by name, and the function that applies one of them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from planet_lib.haze import boundary_constraint, dark_channel, pixelwise_dark_channel
from planet_lib.haze.contrast import equalize_contrast


@dataclass(frozen=True)
class Method:
    """One haze removal method, with airlight and removal as separate steps for large scenes.

    Attributes
    ----------
    estimate_airlight : callable
        From an image to its airlight, one for the whole scene.
    estimate_transmission : callable
        From an image and its airlight to the transmission, shape (H, W), 0 to 1.
    dehaze : callable
        From an image and the keyword ``airlight`` to the haze-free image.
    reach_px : int
        Distance in pixels within which others affect a pixel's result, given the airlight.
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
    """Find a method by its name.

    Raises
    ------
    ValueError
        The name is not in `METHODS`; the message lists the allowed names.
    """
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
        RGB, 0 to 255. Not modified.
    method : str
        A key of `METHODS`: ``"boundary_constraint"`` (`dehaze_boundary_constraint`),
        ``"dark_channel"`` (`dehaze_dark_channel`) or ``"pixelwise_dark_channel"``
        (`dehaze_pixelwise`).
    clahe : bool
        Whether `equalize_contrast` follows.
    airlight : ndarray of shape (3,) or float, optional
        As returned by the method's ``estimate_airlight``, such as that of the whole scene. By
        default estimated from the image.

    Returns
    -------
    ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255.

    Raises
    ------
    TypeError
        `image` is not an ndarray of uint8.
    ValueError
        `image` has a wrong shape, or `method` is unknown.
    """
    radiance = find_method(method).dehaze(image, airlight=airlight)
    return equalize_contrast(radiance) if clahe else radiance
