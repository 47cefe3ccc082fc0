"""Haze removal of whole batches by Keras operations, on whatever device and backend Keras uses.

Only pools, element-wise operations and sums are used: matrix products and convolutions may be
rounded to ten bits on a GPU.
"""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import cv2
import keras
import numpy as np
from keras import KerasTensor, ops

from planet_lib.haze import boundary, dark_channel, origin
from planet_lib.haze.methods import find_method

ORIGIN_PIXELS = 2**16  # whose keys float32 holds exactly
LUMA = (9798, 19235, 3735)  # of red, green and blue in 2**-15, as OpenCV rounds them
FAR = np.float32(1e9)


def remove_haze_from_batch(images: KerasTensor, *, method: str = "boundary") -> KerasTensor:
    """Remove the haze of a batch of chips on the device, equal to `remove_haze` within one level.

    Parameters
    ----------
    images : tensor of shape (N, H, W, 3), uint8
        RGB, 0 to 255; N may be 0. At most 65,536 pixels for ``"origin"``, sides of at least 20
        pixels for ``"dark_channel"``.
    method : str
        A name in `planet_lib.haze.METHODS`.

    Returns
    -------
    tensor of shape (N, H, W, 3), uint8
        RGB, 0 to 255.

    Raises
    ------
    TypeError
        `images` is not of uint8.
    ValueError
        `images` has another shape or size, or `method` is unknown.
    """
    find_method(method)
    images = ops.convert_to_tensor(images)
    if (dtype := keras.backend.standardize_dtype(images.dtype)) != "uint8":
        raise TypeError(f"images has dtype {dtype}; allowed: uint8 from 0 to 255")
    shape = tuple(images.shape)
    if len(shape) != 4 or shape[3] != 3 or 0 in shape[1:]:
        raise ValueError(f"images has shape {shape}; allowed: (N, H, W, 3) in RGB")
    if method == "origin" and shape[1] * shape[2] > ORIGIN_PIXELS:
        raise ValueError(f"images has shape {shape}; allowed for origin: {ORIGIN_PIXELS} pixels")
    if method == "dark_channel" and min(shape[1:3]) < dark_channel.RADIUS_PX:
        raise ValueError(
            f"images has shape {shape}; allowed for dark_channel: sides from "
            f"{dark_channel.RADIUS_PX} pixels"
        )
    return images if shape[0] == 0 else BATCH_METHODS[method](ops.cast(images, "float32"))


def _dehaze_boundary(images: KerasTensor) -> KerasTensor:
    airlight = _estimate_airlight_boundary(images)
    darkest = _reduce_blocks(images, boundary.BLOCK_PX, ops.min, FAR)
    room = airlight - np.float32(boundary.DARK_LEVELS)
    bound = ops.clip(ops.max((airlight - darkest) / room, axis=-1), 0, 1)
    side = boundary.CLOSING_BLOCKS
    closed = _take_minimum(-_take_minimum(-bound, side), side)
    weight = (closed - boundary.OPAQUE) / (boundary.SEEN_THROUGH - boundary.OPAQUE)
    weight = ops.clip(weight, 0, 1)
    rest = boundary.NO_WEIGHT
    smooth = (_smooth(weight * closed) + rest) / (_smooth(weight) + rest)
    size = tuple(boundary.BLOCK_PX * blocks for blocks in smooth.shape[1:])
    transmission = ops.image.resize(smooth[..., None], size, interpolation="bilinear")
    transmission = transmission[:, : images.shape[1], : images.shape[2]]
    return _recover_radiance(images, transmission, airlight, boundary.T0)


def _estimate_airlight_boundary(images: KerasTensor) -> KerasTensor:
    """Estimate one airlight an image, shape (N, 1, 1, 3)."""
    overcast, side = np.float32(boundary.OVERCAST_LEVELS), boundary.CLOUD_PX
    darkest = ops.min(_reduce_blocks(images, side, ops.min, FAR), axis=-1)
    blocks = darkest.shape[1] * darkest.shape[2]
    darkest = ops.reshape(darkest, (-1, blocks))
    sums = ops.reshape(_reduce_blocks(images, side, ops.sum, 0), (-1, blocks, 3))
    pixels = ops.reshape(_reduce_blocks(ops.ones_like(images), side, ops.sum, 0), (-1, blocks, 3))
    chosen = ops.one_hot(ops.argmax(darkest, axis=1), blocks, dtype="float32")[..., None]
    cloud = ops.sum(chosen * sums, axis=1) / ops.sum(chosen * pixels, axis=1)
    is_cloud = ops.max(darkest, axis=1, keepdims=True) > boundary.CLOUD_MARGIN * overcast.max()
    return ops.where(is_cloud, ops.maximum(cloud, overcast), overcast)[:, None, None]


def _smooth(planes: KerasTensor) -> KerasTensor:
    """Smooth planes (N, H, W) along both axes, by the matrix of OpenCV's filter."""
    side = 2 * boundary.SMOOTHING_REACH_BLOCKS + 1
    kernel = cv2.getGaussianKernel(side, boundary.SMOOTHING_BLOCKS, cv2.CV_32F)
    for _ in range(2):
        identity = np.eye(planes.shape[1], dtype=np.float32)
        matrix = cv2.sepFilter2D(
            identity, -1, np.ones((1, 1), np.float32), kernel, borderType=cv2.BORDER_REFLECT
        )
        planes = ops.sum(matrix[None, :, :, None] * planes[:, None], axis=2)
        planes = ops.transpose(planes, (0, 2, 1))
    return planes


def _dehaze_dark_channel(images: KerasTensor) -> KerasTensor:
    side = dark_channel.PATCH_PX
    dark = _take_minimum(ops.min(images, axis=-1), side)
    airlight = _estimate_airlight_dark_channel(images, dark)
    haze = _take_minimum(ops.min(images / airlight, axis=-1), side)
    coarse = 1 - np.float32(dark_channel.OMEGA) * ops.minimum(haze, 1)
    refined = _refine_transmission(coarse, images)[..., None]
    return _recover_radiance(images, refined, airlight, dark_channel.T0)


def _estimate_airlight_dark_channel(images: KerasTensor, dark: KerasTensor) -> KerasTensor:
    """Estimate one airlight an image, shape (N, 1, 1, 3)."""
    pixels = dark.shape[1] * dark.shape[2]
    dark = ops.reshape(dark, (-1, pixels))
    colours = ops.reshape(images, (-1, pixels, 3))
    brightest, _ = ops.top_k(dark, max(1, pixels // 1000))
    lightness = ops.where(dark >= brightest[:, -1:], ops.sum(colours, axis=-1), -1)
    chosen = ops.cast(lightness == ops.max(lightness, axis=1, keepdims=True), "float32")[..., None]
    airlight = ops.sum(chosen * colours, axis=1) / ops.sum(chosen, axis=1)
    return ops.maximum(airlight, 1)[:, None, None]


def _refine_transmission(transmission: KerasTensor, images: KerasTensor) -> KerasTensor:
    guide = ops.cast(_compute_gray(images), "float32") / np.float32(255)
    mean_guide, mean_transmission = _take_mean(guide), _take_mean(transmission)
    variance = _take_mean(guide * guide) - mean_guide * mean_guide
    covariance = _take_mean(guide * transmission) - mean_guide * mean_transmission
    slope = covariance / (variance + np.float32(dark_channel.EPSILON))
    offset = mean_transmission - slope * mean_guide
    return ops.clip(_take_mean(slope) * guide + _take_mean(offset), 0, 1)


def _take_mean(planes: KerasTensor) -> KerasTensor:
    radius = dark_channel.RADIUS_PX
    padded = ops.pad(planes, ((0, 0), (radius, radius), (radius, radius)), mode="symmetric")
    rows = ops.average_pool(padded[..., None], (2 * radius + 1, 1), strides=1, padding="valid")
    return ops.average_pool(rows, (1, 2 * radius + 1), strides=1, padding="valid")[..., 0]


def _dehaze_origin(images: KerasTensor) -> KerasTensor:
    airlight = _estimate_airlight_origin(images)
    bgr = images[..., ::-1]
    smallest = ops.min(bgr, axis=-1)
    height, width = smallest.shape[1:]
    position = np.arange(height * width, dtype=np.float32).reshape(height, width)
    key = smallest * np.float32(height * width) + position
    first = ops.cast(_take_minimum(key, origin.ORIGIN_WINDOW_PX), "int32") % (height * width)
    channel = ops.reshape(ops.argmin(bgr, axis=-1), (-1, height * width))
    channel = ops.take_along_axis(channel, ops.reshape(first, (-1, height * width)), axis=1)
    channel = ops.reshape(channel, (-1, height, width))
    dark = ops.sum(bgr * ops.one_hot(channel, 3, dtype="float32"), axis=-1, keepdims=True)
    transmission = 1 - np.float32(origin.ORIGIN_OMEGA) * dark / ops.maximum(airlight, 1)
    transmission = ops.maximum(transmission, np.float32(origin.ORIGIN_T0))
    radiance = ops.clip((images - airlight) / transmission + airlight, 0, 255)
    return ops.cast(ops.floor(radiance), "uint8")


def _estimate_airlight_origin(images: KerasTensor) -> KerasTensor:
    """Estimate one airlight an image, shape (N, 1, 1, 1)."""
    pixels = images.shape[1] * images.shape[2]
    bgr = ops.reshape(images[..., ::-1], (-1, pixels, 3))
    darkest = ops.argmin(ops.reshape(bgr, (-1, 3 * pixels)), axis=1) % 3
    plane = ops.sum(bgr * ops.one_hot(darkest, 3, dtype="float32")[:, None], axis=-1)
    gray = ops.reshape(_compute_gray(images), (-1, pixels))
    brightest = plane == ops.max(plane, axis=1, keepdims=True)
    airlight = ops.max(ops.where(brightest, gray, 0), axis=1)
    return ops.cast(airlight, "float32")[:, None, None, None]


def _compute_gray(images: KerasTensor) -> KerasTensor:
    weighted = ops.cast(images, "int32") * np.int32(LUMA)
    return (ops.sum(weighted, axis=-1) + 2**14) // 2**15


def _take_minimum(planes: KerasTensor, side: int) -> KerasTensor:
    """Take the smallest value of the window around each pixel of planes (N, H, W)."""
    before, after = side // 2, side - 1 - side // 2
    padded = ops.pad(-planes, ((0, 0), (before, after), (before, after)), constant_values=-FAR)
    rows = ops.max_pool(padded[..., None], (side, 1), strides=1, padding="valid")
    return -ops.max_pool(rows, (1, side), strides=1, padding="valid")[..., 0]


def _reduce_blocks(images: KerasTensor, side: int, reduce, beyond: float) -> KerasTensor:
    """Reduce square blocks; what a cut block lacks counts as `beyond`."""
    _, height, width, channels = images.shape
    down, right = -height % side, -width % side
    padding = ((0, 0), (0, down), (0, right), (0, 0))
    padded = ops.pad(images, padding, constant_values=beyond)
    shape = (-1, (height + down) // side, side, (width + right) // side, side, channels)
    return reduce(ops.reshape(padded, shape), axis=(2, 4))


def _recover_radiance(
    images: KerasTensor, transmission: KerasTensor, airlight: KerasTensor, t0: float
) -> KerasTensor:
    radiance = (images - airlight) / ops.maximum(transmission, np.float32(t0)) + airlight
    return ops.cast(ops.clip(ops.round(radiance), 0, 255), "uint8")


BATCH_METHODS = {
    "boundary": _dehaze_boundary,
    "dark_channel": _dehaze_dark_channel,
    "origin": _dehaze_origin,
}
