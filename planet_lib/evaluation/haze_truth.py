"""Scores of haze removal on synthetic chips of known radiance, transmission and airlight."""

import itertools
from collections.abc import Collection, Iterable, Iterator

import numpy as np
import pandas as pd
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from planet_lib.files import map_over_cores
from planet_lib.haze import METHODS, equalize_contrast
from planet_lib.synthetic import SyntheticChip, synthesize_chip

OPAQUE = 0.25  # transmission below which too little of the ground is visible to compare
STRENGTHS = {"no haze": 0.9, "light": 0.75, "medium": 0.5, "dense": OPAQUE}
"""Haze strengths, each with its lowest mean transmission."""


def synthesize_hazy_chips(
    count: int, *, seed: int, weather: Collection[str] = ("clear", "haze")
) -> Iterator[SyntheticChip]:
    """Synthesize chips of the given weather on which most of the ground is visible.

    Parameters
    ----------
    count : int
    seed : int
        At least 0.
    weather : collection of str
        Elements of `planet_lib.data.labels.WEATHER`.

    Returns
    -------
    iterator of SyntheticChip
        At most one chip per scene.
    """
    chips = (
        synthesize_chip(seed, 4 * scene + scene % 4, enrich=0.3) for scene in itertools.count()
    )
    wanted = (
        chip
        for chip in chips
        if set(weather) & set(chip.tags.split()) and chip.transmission.mean() >= OPAQUE
    )
    return itertools.islice(wanted, count)


def name_strength(transmission: np.ndarray) -> str:
    """Name the haze strength, a key of `STRENGTHS`, of a transmission of shape (H, W), 0 to 1."""
    mean = transmission.mean()
    return next((name for name, lowest in STRENGTHS.items() if mean >= lowest), "dense")


def score_chips_by_strength(chips: Iterable[SyntheticChip]) -> pd.DataFrame:
    """Score every haze removal method on many chips, using all cores.

    Parameters
    ----------
    chips : iterable of SyntheticChip

    Returns
    -------
    DataFrame
        The rows of `score_methods` for each chip, with columns ``method`` and ``strength``.
    """

    def score(chip: SyntheticChip) -> pd.DataFrame:
        scored = score_methods(chip).reset_index()
        return scored.assign(strength=name_strength(chip.transmission))

    return pd.concat(list(map_over_cores(score, chips)), ignore_index=True)


def score_methods(chip: SyntheticChip) -> pd.DataFrame:
    """Score every method, with and without CLAHE, and the unchanged chip against the truth.

    Parameters
    ----------
    chip : SyntheticChip

    Returns
    -------
    DataFrame
        One row per method, ``as taken`` (unchanged) first. ``psnr_db``, ``ssim`` (0 to 1) and
        ``ciede2000`` (0 is the same colour, about 2 is just visible) compare the result with the
        radiance, ``psnr_db`` and ``ciede2000`` only where the transmission is above 0.25.
        ``transmission_error`` (0 to 1) and ``airlight_error`` (grey levels, 0 to 255) are mean
        absolute errors; ``change`` is the mean absolute difference from the unchanged chip, in
        grey levels.

    References
    ----------
    Z. Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity",
    IEEE TIP 13(4), 2004. G. Sharma, W. Wu, E. Dalal, "The CIEDE2000 Color-Difference Formula",
    Color Research and Application 30(1), 2005.
    """
    rows = {"as taken": _score_image(chip, chip.image) | _score_air(chip, np.nan, np.float32(1))}
    for name, method in METHODS.items():
        airlight = method.estimate_airlight(chip.image)
        transmission = method.estimate_transmission(chip.image, airlight)
        radiance = method.dehaze(chip.image, airlight=airlight)
        air = _score_air(chip, airlight, transmission)
        rows[name] = _score_image(chip, radiance) | air
        rows[f"{name} + CLAHE"] = _score_image(chip, equalize_contrast(radiance)) | air
    return pd.DataFrame(rows).T.rename_axis("method")


def _score_image(chip: SyntheticChip, image: np.ndarray) -> dict[str, float]:
    seen = chip.transmission > OPAQUE
    truth = chip.radiance * np.float32(255)
    colour = deltaE_ciede2000(rgb2lab(image), rgb2lab(chip.radiance))
    return {
        "psnr_db": peak_signal_noise_ratio(truth[seen], np.float32(image[seen]), data_range=255),
        "ssim": structural_similarity(truth, np.float32(image), channel_axis=2, data_range=255),
        "ciede2000": colour[seen].mean(),
        "change": np.abs(image.astype(np.float32) - chip.image).mean(),
    }


def _score_air(
    chip: SyntheticChip, airlight: np.ndarray | float, transmission: np.ndarray
) -> dict[str, float]:
    return {
        "transmission_error": np.abs(transmission - chip.transmission).mean(),
        "airlight_error": np.abs(airlight - 255 * chip.airlight).mean(),
    }
