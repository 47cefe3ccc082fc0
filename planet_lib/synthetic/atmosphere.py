"""Haze, clouds, cloud shadows and the sensor."""

import cv2
import numpy as np

from planet_lib.synthetic.fields import blur, draw_noise, ramp
from planet_lib.synthetic.ground import CHIP_PX, CORNERS, SCENE_PX

LEAST_CUMULUS = 0.004
LEAST_OVERCAST = 0.9
NOISE_LEVELS = 9.0


def draw_transmission(
    rng: np.random.Generator, weather: str, sun: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the transmission of the air and the sunlight on the ground.

    Parameters
    ----------
    rng : numpy.random.Generator
        Random generator.
    weather : {"clear", "partly_cloudy", "haze", "cloudy"}
        One of `planet_lib.data.labels.WEATHER`.
    sun : tuple of float
        Unit vector (x, y) on the ground towards the sun; shadows fall in the opposite direction.

    Returns
    -------
    transmission : ndarray of shape (512, 512), float32, 0 to 1
        Share of the ground's light that reaches the sensor.
    sunlight : ndarray of shape (512, 512), float32, 0 to 1
        Share of the sun's light that reaches the ground; 1 outside the shadows.
    """
    wisps = draw_noise(rng, SCENE_PX, cell_px=rng.uniform(150, 500), octaves=3, gain=0.4)
    lit = np.ones((SCENE_PX, SCENE_PX), np.float32)
    if weather == "haze":
        base = rng.uniform(0.28, 0.58)
        return np.clip(base + np.float32(rng.uniform(0.005, 0.035)) * wisps, 0.15, 0.85), lit
    if weather == "cloudy":
        return _draw_overcast(rng), lit
    base = 1 - rng.beta(1.6, 7.0)
    clear = np.clip(base + np.float32(0.008) * wisps, 0.3, 1)
    if weather == "clear":
        return clear, lit
    cloud = _draw_cumulus(rng)
    shift = rng.uniform(15, 90)
    move = np.float32([[1, 0, -shift * sun[0]], [0, 1, -shift * sun[1]]])
    shadow = cv2.warpAffine(cloud, move, (SCENE_PX, SCENE_PX), borderMode=cv2.BORDER_REFLECT_101)
    lit -= np.float32(rng.uniform(0.3, 0.6)) * blur(shadow, 2.5)
    return clear * (1 - cloud), lit


def _draw_cumulus(rng: np.random.Generator) -> np.ndarray:
    """Draw the opacity, 0 to 1, of clouds that cover a part of every chip of the scene."""
    puffs = draw_noise(rng, SCENE_PX, cell_px=rng.uniform(80, 260), octaves=7, gain=0.5)
    cover = 0.012 + 0.6 * rng.beta(0.7, 4.0, 4)
    levels = [
        np.quantile(puffs[top : top + CHIP_PX : 4, left : left + CHIP_PX : 4], 1 - part)
        for part, (left, top) in zip(cover, CORNERS, strict=True)
    ]
    corners = np.float32(levels).reshape(2, 2)
    threshold = cv2.resize(corners, (SCENE_PX, SCENE_PX), interpolation=cv2.INTER_LINEAR)
    cloud = ramp(puffs - threshold, -0.05, rng.uniform(0.4, 2.4))
    if _least_share(cloud > 0.3) < LEAST_CUMULUS:
        return _draw_cumulus(rng)
    return np.sqrt(blur(cloud, 0.8)) * np.float32(rng.uniform(0.75, 1.0))


def _draw_overcast(rng: np.random.Generator) -> np.ndarray:
    """Draw the transmission of a cloud that covers at least 90 % of every chip."""
    billow = draw_noise(rng, SCENE_PX, cell_px=rng.uniform(80, 250), octaves=7, gain=0.6)
    if rng.random() < 0.55:
        base, contrast = rng.uniform(0.02, 0.12), np.exp(rng.uniform(np.log(0.002), np.log(0.03)))
    else:
        base, contrast = rng.uniform(0.1, 0.25), rng.uniform(0.05, 0.25)
    through = np.clip(np.float32(base) + np.float32(contrast) * billow, 0.0, 0.6)
    return through if _least_share(through < 0.5) >= LEAST_OVERCAST else _draw_overcast(rng)


def _least_share(mask: np.ndarray) -> float:
    """Measure the share of a mask in the chip where it is smallest."""
    return min(mask[y : y + CHIP_PX, x : x + CHIP_PX].mean() for x, y in CORNERS)


def draw_airlight(rng: np.random.Generator, weather: str) -> np.ndarray:
    """Draw the airlight, grey for haze and white for clouds; RGB, shape (3,), float32, 0 to 1."""
    level = {
        "clear": rng.uniform(0.58, 0.72),
        "haze": rng.uniform(0.55, 0.7),
        "partly_cloudy": rng.uniform(0.75, 0.97),
        "cloudy": rng.choice([rng.uniform(0.45, 0.72), rng.uniform(0.72, 0.97)], p=[0.65, 0.35]),
    }[weather]
    mean = {"haze": [-0.03, 0.03, -0.01], "cloudy": [0.015, 0.02, -0.035]}.get(weather, 0.0)
    tint = rng.normal(mean, 0.01 + 0.05 * (1 - level), 3)
    return np.clip(level * np.exp(tint), 0, 1).astype(np.float32)


def add_sensor_noise(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Quantise an image as the sensor does, with noise and saturation.

    Green saturates first, which makes the brightest clouds pink.

    Parameters
    ----------
    rng : numpy.random.Generator
        Random generator.
    image : ndarray of shape (H, W, 3), float32, 0 to 1
        RGB.

    Returns
    -------
    ndarray of shape (H, W, 3), uint8
        RGB, 0 to 255.
    """
    noise = rng.random(image.shape, dtype=np.float32)
    noise -= np.float32(0.5)
    noise *= np.float32(NOISE_LEVELS)
    noise = blur(noise, 0.7)
    saturation = rng.uniform([0.94, 0.84, 0.9], [1.0, 0.96, 1.0]).astype(np.float32)
    noise += np.minimum(image, saturation) * np.float32(255)
    return cv2.convertScaleAbs(np.maximum(noise, 0, out=noise))
