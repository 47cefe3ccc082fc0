"""From a scene's values to 8 bits: one linear scale for the whole scene, never one per tile."""

from dataclasses import dataclass

import numpy as np

from planet_lib.errors import ConfigError
from planet_lib.scenes.source import Source

WHITE_REFLECTANCE = 0.3  # as in the chips of Amazon Mining Watch
REFLECTANCE_UNIT = 1e-4  # of integers, unless the file names its own scale
PERCENTILES = (2, 98)
NAMES = ("tci", "reflectance", "percentile")


@dataclass(frozen=True)
class Scaling:
    """A linear scale, the same for all three bands.

    Attributes
    ----------
    name : str
        ``tci``, ``reflectance``, ``percentile`` or ``numbers``.
    low, high : float
        Values that become 0 and 255.
    """

    name: str
    low: float
    high: float

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Scale values of any shape to uint8."""
        if values.dtype == np.uint8 and (self.low, self.high) == (0, 255):
            return values
        factor = np.float32(255 / (self.high - self.low))
        levels = (values.astype(np.float32) - np.float32(self.low)) * factor
        return np.rint(np.nan_to_num(levels).clip(0, 255)).astype(np.uint8)

    def __str__(self) -> str:
        return f"{self.name}, {self.low:g} to 0 and {self.high:g} to 255"


def choose_scaling(text: str | None, source: Source, sample: np.ndarray) -> Scaling:
    """Choose a scale by its name.

    Parameters
    ----------
    text : str or None
        - ``tci``: the values are levels from 0 to 255, the default of 8-bit files;
        - ``reflectance``: 0 to 0.3 becomes 0 to 255; files of integers hold 10,000 times the
          reflectance unless they name a scale;
        - ``percentile``: from the 2nd to the 98th percentile of the scene;
        - ``LOW,HIGH``: two numbers.
    source : Source
    sample : ndarray of shape (3, N)
        Values from all over the scene.

    Raises
    ------
    ConfigError
        The scale is unknown, must be given, or has no extent.
    """
    integer = np.issubdtype(source.dtype, np.integer)
    if text is None:
        if source.dtype != "uint8":
            raise ConfigError(
                f"values of type {source.dtype}, from {sample.min():g} to {sample.max():g}; say "
                "how to scale them: --scaling reflectance, percentile, or LOW,HIGH"
            )
        text = "tci"
    if text == "tci":
        low, high = 0.0, 255.0
    elif text == "reflectance":
        named = (source.scale, source.offset) != (1, 0)
        unit = source.scale if named else REFLECTANCE_UNIT if integer else 1.0
        low = -source.offset / unit if named else 0.0
        high = low + WHITE_REFLECTANCE / unit
    elif text == "percentile":
        low, high = np.percentile(sample, PERCENTILES).tolist()
    else:
        low, high = _read_numbers(text)
    if not low < high:
        raise ConfigError(f"scaling from {low:g} to {high:g} has no extent; give LOW,HIGH")
    return Scaling(text if text in NAMES else "numbers", low, high)


def _read_numbers(text: str) -> tuple[float, float]:
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        raise ConfigError(
            f"scaling is {text!r}; allowed: {', '.join(NAMES)}, or two numbers LOW,HIGH"
        ) from None
    return low, high
