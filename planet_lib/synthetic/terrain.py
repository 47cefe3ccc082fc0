"""Natural cover: forest canopy over relief, savanna and bare ground, rivers and lakes."""

import cv2
import numpy as np

from planet_lib.synthetic.fields import (
    around,
    blur,
    draw_blob,
    draw_noise,
    measure_distance,
    ramp,
    standardize,
)
from planet_lib.synthetic.ground import NO_LABEL, SCENE_PX, Ground, route_through

FOREST = np.float32([[20, 37, 30], [24, 39, 35], [27, 40, 26], [21, 41, 35], [31, 41, 31]]) / 255
SAVANNA = np.float32([[116, 100, 78], [132, 114, 94], [106, 94, 70], [112, 88, 68]]) / 255
SILT = np.float32([[136, 120, 96], [126, 104, 78], [134, 102, 78], [114, 108, 96]]) / 255
DARK_WATER = np.float32([[18, 26, 36], [14, 18, 24], [34, 52, 48], [30, 44, 52]]) / 255
SAND = np.float32([[170, 156, 136], [180, 172, 158], [156, 134, 108]]) / 255
GRASS = np.float32([[62, 78, 44], [88, 88, 56], [104, 96, 64]]) / 255


def pick(rng: np.random.Generator, palette: np.ndarray, spread: float = 0.1) -> np.ndarray:
    """Draw a mix of two colours of a palette with random brightness and tint; (3,), float32."""
    first, second = rng.integers(len(palette), size=2)
    mix = rng.random()
    colour = palette[first] * mix + palette[second] * (1 - mix)
    return (colour * np.exp(rng.normal(0, spread, 1) + rng.normal(0, spread / 3, 3))).astype(
        np.float32
    )


def paint_canopy(ground: Ground) -> None:
    """Paint the crowns of a closed forest over the whole scene, lit by the sun."""
    rng = ground.rng
    scale = rng.uniform(0.85, 1.35)
    height = _draw_crowns(rng, 1.1 * scale) + _draw_crowns(rng, 2.2 * scale)
    standardize(height)
    light = standardize(_slope(height, ground.sun))
    light *= np.float32(rng.uniform(0.5, 1.3))
    light += np.float32(0.8) * height
    light += np.float32(0.35) * _draw_crowns(rng, 0.9)
    light += np.float32(0.02) * light * light * light
    patchy = draw_noise(rng, SCENE_PX, cell_px=rng.uniform(20, 50), octaves=2)
    light *= np.exp(np.float32(0.22) * patchy)
    stands = draw_noise(rng, SCENE_PX, cell_px=rng.uniform(18, 45), octaves=3, gain=1.0)
    light += np.float32(rng.uniform(0.9, 1.6)) * np.exp(np.float32(0.4) * stands)
    relief = draw_noise(rng, SCENE_PX, cell_px=rng.uniform(60, 200), octaves=4, gain=0.55)
    light += np.float32(abs(rng.normal(0, 0.35))) * standardize(_slope(relief, ground.sun))
    standardize(light)
    light *= np.float32(np.exp(rng.normal(np.log(0.175), 0.22)))
    red = _draw_crowns(rng, 1.9 * scale)
    hue = np.float32(rng.uniform(0.08, 0.16))
    colour = pick(rng, FOREST, 0.12)
    emergent = ramp(height + red, 3.2, 6) * np.float32(rng.uniform(0, 1.2))
    ground.colour[0] = colour[0] * (1 + np.float32(1.9) * light + hue * red + emergent)
    ground.colour[1] = colour[1] * (1 + light + np.float32(0.6) * emergent)
    ground.colour[2] = colour[2] * (1 + np.float32(0.6) * light + np.float32(0.2) * emergent)
    np.maximum(ground.colour, 0.01, out=ground.colour)


def _draw_crowns(rng: np.random.Generator, radius_px: float) -> np.ndarray:
    """Draw bumps of one size; mean 0, standard deviation 1."""
    grains = rng.random((SCENE_PX, SCENE_PX), np.float32)
    return standardize(blur(grains, radius_px) - blur(grains, 2.2 * radius_px))


def paint_open_land(ground: Ground, label: str | None) -> None:
    """Paint savanna or bare soil over the whole scene, with or without a label."""
    rng = ground.rng
    cover = np.ones((SCENE_PX, SCENE_PX), np.float32)
    ground.paint(cover, _soil(ground, SAVANNA), label)
    if label is None:
        ground.owner[:] = NO_LABEL
    trees = _draw_crowns(rng, rng.uniform(1.2, 2.0))
    dense = draw_noise(rng, SCENE_PX, cell_px=120, octaves=3)
    shrubs = ramp(trees + dense * np.float32(0.6), *around(rng.uniform(2.2, 3.4), 0.6))
    ground.paint(shrubs * np.float32(0.8), pick(rng, FOREST) * 1.3)


def paint_bare_ground(ground: Ground) -> None:
    """Paint patches of savanna, bare soil or rock."""
    rng = ground.rng
    slots = ground.slots("bare_ground")
    if not slots:
        return
    texture = _soil(ground, SAVANNA)
    for slot in slots:
        _paint_bare_patch(ground, slot, rng.uniform(25, 80), texture)
        if rng.random() < 0.4:
            _paint_bare_patch(ground, slot, rng.uniform(10, 30), texture)


def _paint_bare_patch(ground: Ground, slot: int, radius_px: float, texture: np.ndarray) -> None:
    x, y = ground.place(slot, 1.3 * radius_px)
    cover = draw_blob(ground.rng, radius_px, roughness=0.5)
    size = len(cover)
    at = (int(x) - size // 2, int(y) - size // 2)
    ground.paint(cover, texture[:, :size, :size], "bare_ground", at=at)


def paint_water(ground: Ground) -> None:
    """Paint a river, a stream, a lake or open water in every chip that shows water."""
    slots = ground.slots("water")
    if not slots:
        return
    rng = ground.rng
    only_water = not any(labels - {"water"} for labels in ground.wanted)
    if only_water and not ground.slots("primary"):
        _paint_open_water(ground)
    elif len(slots) == 4 and not ground.slots("artisinal_mine") and rng.random() < 0.2:
        _paint_lake(ground)
    else:
        _paint_river(ground, slots)


def _paint_open_water(ground: Ground) -> None:
    rng = ground.rng
    cover = np.ones((SCENE_PX, SCENE_PX), np.float32)
    ground.paint(cover, _water_colour(ground), "water")
    if rng.random() < 0.4:
        bars = draw_noise(rng, SCENE_PX, cell_px=150, octaves=4)
        ground.paint(ramp(bars, 2.1, 2.2), pick(rng, SAND))


def _paint_lake(ground: Ground) -> None:
    rng = ground.rng
    axis = np.linspace(-1, 1, SCENE_PX, dtype=np.float32) - np.float32(rng.uniform(-0.1, 0.1))
    reach = rng.uniform(0.35, 0.9)
    centre = 1 - np.sqrt(axis[None] ** 2 + axis[:, None] ** 2) / np.float32(reach)
    shore = centre + np.float32(0.3) * draw_noise(rng, SCENE_PX, cell_px=150, octaves=5, gain=0.42)
    if rng.random() < 0.5:
        beach = np.float32(0.12) * ramp(draw_noise(rng, SCENE_PX, cell_px=90, octaves=2), 0, 2)
        ground.paint(ramp(shore + beach, 0, 0.03), pick(rng, SAND))
    ground.paint(ramp(shore, -0.01, 0.01), _water_colour(ground), "water")


def _paint_river(ground: Ground, slots: list[int]) -> None:
    rng = ground.rng
    widest = 12 if ground.slots("artisinal_mine") else 160
    width = float(np.exp(rng.uniform(np.log(2.5), np.log(widest))))
    wave = max(50.0, 9 * width) * rng.uniform(0.7, 1.6)
    lines = route_through(
        rng,
        slots,
        meander_px=min(wave * rng.uniform(0.04, 0.28), 70),
        bends=512 / wave,
        inset_px=min(width / 2 + 6, 100),
    )
    ground.streams.extend(lines)
    oxbow = len(slots) == 4 and 5 < width < 60 and rng.random() < 0.35
    away = measure_distance([*lines, _bend_oxbow(rng, width)] if oxbow else lines, SCENE_PX)
    swell = draw_noise(rng, SCENE_PX, cell_px=50, octaves=4)
    away += np.float32(min(width * 0.12, 5)) * swell
    half = np.float32(width / 2)
    if width > 6 and rng.random() < 0.5:
        side = draw_noise(rng, SCENE_PX, cell_px=max(60, 2 * width), octaves=2)
        bar = ramp(side, 0.3, 1.5) * half * np.float32(rng.uniform(0.2, 1.2))
        ground.paint(ramp(half + bar - away, 0, 2), pick(rng, SAND))
    if width > 8 and rng.random() < 0.4:
        ground.paint(ramp(half + 5 - away, -4, 4) * np.float32(0.6), pick(rng, GRASS))
    ground.paint(ramp(half - away, -1, 1), _water_colour(ground), "water")


def _bend_oxbow(rng: np.random.Generator, width_px: float) -> np.ndarray:
    """Draw an oxbow, a cut-off arm of a river, as points (x, y) of shape (K, 2)."""
    angle = np.linspace(0, rng.uniform(3.0, 5.0), 40) + rng.uniform(0, 2 * np.pi)
    radius = width_px * rng.uniform(1.2, 2.0) + 10
    shape = np.stack([np.cos(angle), rng.uniform(0.5, 1.0) * np.sin(angle)], -1)
    return rng.uniform(60, SCENE_PX - 60, 2) + radius * shape


def _water_colour(ground: Ground) -> np.ndarray:
    """Draw the colour of water with faint plumes of silt; shape (3, 512, 512)."""
    rng = ground.rng
    colour = pick(rng, SILT if rng.random() < 0.65 else DARK_WATER, 0.15)
    plumes = draw_noise(rng, SCENE_PX, cell_px=200, octaves=3) * np.float32(rng.uniform(0, 0.05))
    return colour[:, None, None] * (1 + plumes)


def _soil(ground: Ground, palette: np.ndarray) -> np.ndarray:
    """Draw soil mottled between two colours, with tufts of grass; shape (3, 512, 512)."""
    rng = ground.rng
    cell = rng.uniform(40, 150)
    mottle = ramp(draw_noise(rng, SCENE_PX, cell_px=cell, octaves=6, gain=0.65), -2, 2)
    first, second = pick(rng, palette, 0.15), pick(rng, palette, 0.15)
    soil = first[:, None, None] + (second - first)[:, None, None] * mottle
    soil *= 1 + np.float32(rng.uniform(0.02, 0.06)) * _draw_crowns(rng, rng.uniform(0.8, 1.6))
    return soil


def _slope(height: np.ndarray, sun: tuple[float, float]) -> np.ndarray:
    """Compute the slope of a height field towards the sun."""
    kernel = np.float32([[0, -sun[1], 0], [-sun[0], 0, sun[0]], [0, sun[1], 0]])
    return cv2.filter2D(height, -1, kernel, borderType=cv2.BORDER_REFLECT_101)
