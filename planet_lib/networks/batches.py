"""Read batches of chips from a store: resized, augmented, in a reproducible order."""

from collections.abc import Iterator
from itertools import count

import cv2
import numpy as np

from planet_lib.data.labels import WEATHER

VIEWS = 8  # flips and rotations of a square


def view_chips(chips: np.ndarray, view: int) -> np.ndarray:
    """Flip or rotate chips: one of the eight symmetries of a square.

    Parameters
    ----------
    chips : ndarray of shape (..., S, S, C)
    view : int
        0-7; 0 is the identity, 4-7 are mirrored.

    Returns
    -------
    ndarray of shape (..., S, S, C)
        A view of `chips`, not a copy.

    Raises
    ------
    ValueError
        `view` is out of range.
    """
    if not 0 <= view < VIEWS:
        raise ValueError(f"view is {view}; allowed: 0 to {VIEWS - 1}")
    if view >= VIEWS // 2:
        chips = np.flip(chips, axis=-2)
    return np.rot90(chips, view % 4, axes=(-3, -2))


def read_batch(store: np.ndarray, rows: np.ndarray, image_px: int) -> np.ndarray:
    """Read chips from a store and downscale them by area averaging.

    Parameters
    ----------
    store : ndarray or ChannelStack of shape (N, H, W, C), uint8
    rows : ndarray of shape (B,), int
    image_px : int
        Side of the result, in pixels.

    Returns
    -------
    ndarray of shape (B, image_px, image_px, C), uint8
    """
    return np.stack([_downscale(store[row], image_px) for row in rows])


def shift_colours(chips: np.ndarray, jitter: float, rng: np.random.Generator) -> np.ndarray:
    """Change the gain and offset of each chip's red, green and blue, as another sensor would.

    Parameters
    ----------
    chips : ndarray of shape (B, S, S, C), uint8
        C is 3, or 6 for two pictures of the same chip, which change in the same way.
    jitter : float
        Standard deviation of the gains around 1; that of the offsets is 64 * jitter levels.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (B, S, S, C), uint8
    """
    shape = (len(chips), 1, 1, 3)
    pictures = (1, 1, 1, chips.shape[-1] // 3)
    gains = np.tile(rng.normal(1, jitter, shape), pictures).astype(np.float32)
    offsets = np.tile(rng.normal(0, 64 * jitter, shape), pictures).astype(np.float32)
    return np.clip(chips * gains + offsets, 0, 255).astype(np.uint8)


def stream_batches(
    store: np.ndarray,
    rows: np.ndarray,
    encoded: np.ndarray,
    *,
    image_px: int,
    batch_size: int,
    seed: int,
    first_epoch: int = 0,
    colour_jitter: float = 0.0,
) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """Yield shuffled, augmented batches without end.

    The order and the views of an epoch depend only on the seed and the epoch's number, so
    training can resume at any epoch. Chips that do not fill a batch are left out of that epoch.

    Parameters
    ----------
    store : ndarray or ChannelStack of shape (N, H, W, C), uint8
    rows : ndarray of shape (M,), int
        The chips to train on.
    encoded : ndarray of shape (M, 17)
        Their labels as 0 and 1.
    image_px, batch_size, seed, first_epoch : int
    colour_jitter : float
        As for `shift_colours`; 0 changes nothing.

    Yields
    ------
    chips : ndarray of shape (batch_size, image_px, image_px, C), uint8
    targets : dict of ndarray, float32
        ``weather`` (batch_size, 4) and ``land`` (batch_size, 13).

    Raises
    ------
    ValueError
        `batch_size` is not between 1 and M.
    """
    if not 0 < batch_size <= len(rows):
        raise ValueError(
            f"batch_size is {batch_size}; allowed: 1 to {len(rows)}, the number of chips"
        )
    for epoch in count(first_epoch):
        rng = np.random.default_rng([seed, epoch])
        order = rng.permutation(len(rows))
        for start in range(0, len(rows) - batch_size + 1, batch_size):
            chosen = order[start : start + batch_size]
            chips = read_batch(store, rows[chosen], image_px)
            for chip, view in zip(chips, rng.integers(VIEWS, size=batch_size), strict=True):
                chip[...] = view_chips(chip, view).copy()
            if colour_jitter:
                chips = shift_colours(chips, colour_jitter, rng)
            yield chips, split_heads(encoded[chosen])


def repeat_batches(
    store: np.ndarray, rows: np.ndarray, encoded: np.ndarray, *, image_px: int, batch_size: int
) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """Yield all chips in order without augmentation, repeatedly; the last batch may be smaller.

    Parameters
    ----------
    store, rows, encoded, image_px, batch_size
        As for `stream_batches`.

    Yields
    ------
    chips, targets
        As for `stream_batches`.
    """
    while True:
        for start in range(0, len(rows), batch_size):
            chosen = slice(start, start + batch_size)
            yield read_batch(store, rows[chosen], image_px), split_heads(encoded[chosen])


def _downscale(chip: np.ndarray, image_px: int) -> np.ndarray:
    """Downscale at most three channels at once: OpenCV takes no more than four at some scales."""
    planes = [chip] if chip.shape[-1] == 3 else cv2.split(chip)
    size = (image_px, image_px)
    small = [cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in planes]
    return small[0] if len(small) == 1 else cv2.merge(small)


def split_heads(encoded: np.ndarray) -> dict[str, np.ndarray]:
    """Split labels (..., 17) into those of the weather (..., 4) and the land head (..., 13)."""
    encoded = encoded.astype(np.float32)
    return {"weather": encoded[..., : len(WEATHER)], "land": encoded[..., len(WEATHER) :]}
