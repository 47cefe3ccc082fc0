"""Argument checks that the haze removal methods share."""

import numpy as np


def check_image(image: np.ndarray) -> np.ndarray:
    """Return the image as a contiguous array.

    Raises
    ------
    TypeError
        `image` is not an ndarray of uint8.
    ValueError
        `image` does not have the shape (H, W, 3), or has no pixel.
    """
    if not isinstance(image, np.ndarray):
        raise TypeError(
            f"image is a {type(image).__name__}; allowed: an ndarray; call np.asarray(image) first"
        )
    if image.dtype != np.uint8:
        raise TypeError(
            f"image has dtype {image.dtype}; allowed: uint8 from 0 to 255; scale, round and "
            "convert with .astype(np.uint8) first"
        )
    if image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(
            f"image has shape {image.shape}; allowed: (H, W, 3) in RGB with at least one pixel; "
            "repeat a gray image with np.dstack([image] * 3), drop further bands with "
            "image[..., :3]"
        )
    return np.ascontiguousarray(image)


def check_share(name: str, share: float) -> None:
    """Raise a ValueError unless the share is above 0 and at most 1."""
    if not 0 < share <= 1:
        raise ValueError(f"{name} is {share}; allowed: above 0, up to 1")
