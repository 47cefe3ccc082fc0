"""Land use: pasture and fields, clearings, roads, houses and burn scars."""

import cv2
import numpy as np

from planet_lib.data.labels import INDEX
from planet_lib.synthetic.fields import (
    around,
    blur,
    draw_blob,
    draw_lines,
    draw_noise,
    ramp,
    standardize,
)
from planet_lib.synthetic.ground import CHIP_PX, CORNERS, SCENE_PX, Ground, route_through
from planet_lib.synthetic.terrain import FOREST, pick

PASTURE = np.float32([[66, 76, 48], [82, 80, 56], [96, 88, 66], [54, 72, 42], [88, 78, 58]]) / 255
SOIL = np.float32([[104, 82, 66], [116, 98, 78], [96, 74, 60], [128, 110, 88]]) / 255
REGROWTH = np.float32([[44, 64, 36], [54, 68, 40], [40, 56, 34]]) / 255
CHAR = np.float32([[46, 34, 34], [58, 42, 40], [70, 52, 46]]) / 255
DIRT_ROAD = np.float32([[148, 120, 94], [146, 102, 80], [164, 146, 122], [132, 108, 84]]) / 255
ROOF = np.float32([[196, 194, 188], [160, 136, 112], [142, 94, 78], [172, 168, 160]]) / 255


def paint_agriculture(ground: Ground) -> None:
    """Paint pasture and fields, as parcels of a rotated grid or clearings with ragged edges."""
    slots = ground.slots("agriculture")
    if not slots:
        return
    rng = ground.rng
    everywhere = not ground.slots("primary")
    texture = _farm_texture(ground)
    if everywhere:
        cover = np.ones((SCENE_PX, SCENE_PX), np.float32)
    else:
        _paint_regrowth(ground)
        share = rng.beta(2.2, 1.2) if ground.slots("road") else rng.beta(1.2, 1.6)
        ragged = draw_noise(rng, SCENE_PX, cell_px=rng.uniform(80, 260), octaves=5, gain=0.5)
        cover = ramp(ragged, *around(np.quantile(ragged[::8, ::8], 1 - share), 0.12))
        if rng.random() < 0.6:
            cover *= _parcels(ground, share=rng.uniform(0.5, 1.0))[1]
    ground.paint(cover * np.float32(rng.uniform(0.8, 1.0)), texture, "agriculture")
    for slot in slots:
        left, top = CORNERS[slot]
        if cover[top : top + CHIP_PX, left : left + CHIP_PX].mean() < 0.06:
            radius = rng.uniform(22, 60)
            x, y = ground.place(slot, radius)
            patch = draw_blob(rng, radius, roughness=0.4)
            at = (int(x) - patch.shape[1] // 2, int(y) - patch.shape[0] // 2)
            size = patch.shape[0]
            ground.paint(patch, texture[:, :size, :size], "agriculture", at=at)


def _paint_regrowth(ground: Ground) -> None:
    """Paint patches of fallow land that grows back to forest."""
    rng = ground.rng
    patches = draw_noise(rng, SCENE_PX, cell_px=rng.uniform(40, 140), octaves=5, gain=0.55)
    cover = ramp(patches, rng.uniform(0.0, 1.2), 2.0) * np.float32(rng.uniform(0.3, 0.7))
    ground.paint(cover, pick(rng, REGROWTH, 0.12))


def _parcels(ground: Ground, *, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Divide the scene into parcels: their numbers, 0 to 255, and the cleared share, 0 to 1."""
    rng = ground.rng
    angle = rng.uniform(0, np.pi / 2)
    axis = np.arange(SCENE_PX, dtype=np.float32)
    warp = draw_noise(rng, SCENE_PX, cell_px=200) * np.float32(rng.uniform(0, 6))
    u = axis[None] * np.float32(np.cos(angle)) + axis[:, None] * np.float32(np.sin(angle)) + warp
    v = axis[:, None] * np.float32(np.cos(angle)) - axis[None] * np.float32(np.sin(angle)) + warp
    wide, high = np.exp(rng.uniform(np.log(35), np.log(220), 2))
    column = np.floor(u / np.float32(wide)).astype(np.int32)
    shift = rng.uniform(0, 1, 64).astype(np.float32)
    row = np.floor(v / np.float32(high) + shift[column % 64]).astype(np.int32)
    number = (column * 37 + row * 101) & 255
    cleared = (rng.random(256) < share).astype(np.float32)[number]
    return number, blur(cleared, 0.8)


def _farm_texture(ground: Ground) -> np.ndarray:
    """Draw the texture of farmland, by parcel and with scattered trees; shape (3, 512, 512)."""
    rng = ground.rng
    main = pick(rng, PASTURE, 0.12) * np.float32(rng.uniform(0.95, 1.25))
    mottle = draw_noise(rng, SCENE_PX, cell_px=rng.uniform(50, 160), octaves=6, gain=0.6)
    texture = main[:, None, None] * (1 + np.float32(rng.uniform(0.04, 0.12)) * mottle)
    soil = pick(rng, SOIL, 0.12) - main
    worn = draw_noise(rng, SCENE_PX, cell_px=rng.uniform(40, 150), octaves=5, gain=0.6)
    bare = ramp(worn, rng.uniform(-0.5, 1.5), 2.5)
    if rng.random() < 0.7:
        number, _ = _parcels(ground, share=1.0)
        shares = np.clip(rng.normal(-0.1, 0.5, 256), 0, 1).astype(np.float32)
        bare = np.maximum(bare, blur(shares[number], 0.7))
    texture += bare * soil[:, None, None]
    grain = blur(rng.random((SCENE_PX, SCENE_PX), np.float32), rng.uniform(0.7, 1.4))
    texture *= 1 + np.float32(rng.uniform(0.03, 0.08)) * standardize(grain)
    trees = standardize(blur(rng.random((SCENE_PX, SCENE_PX), np.float32), rng.uniform(1.2, 2.0)))
    groves = draw_noise(rng, SCENE_PX, cell_px=100, octaves=3)
    dots = ramp(trees + np.float32(0.5) * groves, *around(rng.uniform(2.3, 3.6), 0.5))
    dark = pick(rng, FOREST) * 1.1
    texture += (dots * np.float32(0.85)) * (dark[:, None, None] - texture)
    return texture


def paint_clearings(ground: Ground) -> None:
    """Paint the small plots of shifting cultivation."""
    rng = ground.rng
    slots = ground.slots("cultivation")
    if slots and ground.slots("primary") and rng.random() < 0.6:
        _paint_regrowth(ground)
    fallow, fresh = pick(rng, REGROWTH, 0.1), pick(rng, SOIL, 0.12)
    for slot in slots:
        for _ in range(int(rng.integers(1, 8))):
            radius = float(np.exp(rng.uniform(np.log(7), np.log(26))))
            grown = float(rng.choice([rng.uniform(0, 0.3), rng.uniform(0.5, 1.0)], p=[0.6, 0.4]))
            colour = (fresh + (fallow - fresh) * grown) * np.exp(rng.normal(0, 0.12))
            _paint_plot(ground, slot, radius, colour.astype(np.float32), "cultivation", 0.14)


def paint_burn_scars(ground: Ground) -> None:
    """Paint slash and burn: dark scars with ash and unburnt islands."""
    rng = ground.rng
    for slot in ground.slots("slash_burn"):
        for _ in range(int(rng.integers(1, 4))):
            radius = rng.uniform(14, 45)
            _paint_plot(ground, slot, radius, pick(rng, CHAR, 0.15), "slash_burn", 0.24)


def _paint_plot(
    ground: Ground, slot: int, radius: float, colour: np.ndarray, label: str, roughness: float
) -> None:
    rng = ground.rng
    cover = draw_blob(rng, radius, roughness=roughness * 2, edge=rng.uniform(1.0, 3.0) / radius)
    size = cover.shape[0]
    mottle = draw_noise(rng, size, cell_px=max(4, radius / 2), octaves=4, gain=0.8)
    cover *= ramp(mottle, -4.0, -1.6) * np.float32(rng.uniform(0.75, 1.0))
    x, y = ground.place(slot, 1.3 * radius)
    at = (int(x) - size // 2, int(y) - size // 2)
    ground.paint(cover, colour[:, None, None] * (1 + np.float32(roughness) * mottle), label, at=at)


def paint_roads(ground: Ground) -> None:
    """Paint a road through every chip that shows one, often with side roads."""
    slots = ground.slots("road")
    if not slots:
        return
    rng = ground.rng
    straight = rng.random() < 0.55
    lines = route_through(
        rng,
        slots,
        meander_px=rng.uniform(0, 2.5) if straight else rng.uniform(4, 30),
        bends=rng.uniform(1, 3),
        inset_px=8,
    )
    width = float(np.exp(rng.uniform(np.log(0.9), np.log(3.2))))
    wide_water = _find_wide_water(ground)
    colour = pick(rng, DIRT_ROAD, 0.12)
    if rng.random() < 0.5:
        verge = draw_lines(lines, SCENE_PX, width_px=width * 2.5 + 2, softness_px=1.2)
        ground.paint(verge * np.float32(0.6) * (1 - wide_water), pick(rng, PASTURE))
    worn = draw_noise(rng, SCENE_PX, cell_px=30, octaves=3) * np.float32(0.12) + np.float32(0.85)
    worn *= 1 - wide_water
    cover = draw_lines(lines, SCENE_PX, width_px=width) * worn
    ground.paint(cover, colour, "road")
    sides = _side_roads(ground, slots, lines) if rng.random() < 0.6 else []
    if sides:
        cover = draw_lines(sides, SCENE_PX, width_px=max(1.0, width * 0.5)) * worn
        ground.paint(cover, colour, "road")
    ground.roads.extend(lines + sides)


def _find_wide_water(ground: Ground) -> np.ndarray:
    """Find water too wide for a bridge; 0 or 1, shape (512, 512), float32."""
    water = (ground.owner == INDEX["water"]).astype(np.uint8)
    return cv2.morphologyEx(water, cv2.MORPH_OPEN, np.ones((17, 17), np.uint8)).astype(np.float32)


def _side_roads(ground: Ground, slots: list[int], lines: list[np.ndarray]) -> list[np.ndarray]:
    """Draw side roads at right angles; each ends in the chip where it starts."""
    rng = ground.rng
    sides = []
    spacing = rng.uniform(30, 120)
    for line in lines:
        length = np.hypot(*np.diff(line, axis=0).T).cumsum()
        for along in np.arange(spacing * rng.random(), length[-1], spacing):
            k = int(np.searchsorted(length, along))
            start, step = line[k], line[min(k + 1, len(line) - 1)] - line[k]
            normal = np.array([-step[1], step[0]]) / max(np.hypot(*step), 1e-6)
            reach = rng.uniform(20, 160) * rng.choice([-1, 1]) * normal
            slot = int(start[0] >= CHIP_PX) + 2 * int(start[1] >= CHIP_PX)
            local = start - CORNERS[slot]
            room = np.where(reach > 0, CHIP_PX - 5 - local, local - 5) / np.maximum(
                np.abs(reach), 1e-6
            )
            if slot in slots and room.min() > 0.1:
                sides.append(np.stack([start, start + min(1, room.min()) * reach]))
    return sides


def paint_houses(ground: Ground) -> None:
    """Paint habitation: farmsteads, villages along the roads, or towns."""
    rng = ground.rng
    for slot in ground.slots("habitation"):
        if rng.random() < 0.15:
            _paint_town(ground, slot)
            continue
        near = _points_of_roads(ground, slot)
        for _ in range(int(rng.integers(1, 5))):
            on_road = len(near) > 0 and rng.random() < 0.75
            centre = near[rng.integers(len(near))] if on_road else ground.place(slot, 40)
            if ground.owner[int(centre[1]), int(centre[0])] != INDEX["water"]:
                _paint_farmstead(ground, slot, np.array(centre))


def _points_of_roads(ground: Ground, slot: int) -> np.ndarray:
    """Collect the points of the roads inside a chip, shape (K, 2)."""
    points = np.concatenate([np.zeros((0, 2)), *ground.roads])
    local = points - CORNERS[slot]
    return points[((local > 25) & (local < CHIP_PX - 25)).all(axis=1)]


def _paint_farmstead(ground: Ground, slot: int, centre: np.ndarray) -> None:
    rng = ground.rng
    yard = draw_blob(rng, rng.uniform(4, 11), roughness=0.6, edge=0.3)
    half = yard.shape[0] // 2
    at = (int(centre[0]) - half, int(centre[1]) - half)
    ground.paint(yard * np.float32(rng.uniform(0.5, 0.9)), pick(rng, SOIL), at=at)
    for _ in range(int(rng.integers(1, 8))):
        place = centre + rng.normal(0, rng.uniform(3, 12), 2)
        _paint_roof(ground, slot, place, rng.uniform(0.8, 2.2, 2), rng.uniform(0, np.pi))


def _paint_town(ground: Ground, slot: int) -> None:
    """Paint rows of houses along a grid of streets."""
    rng = ground.rng
    angle, block = rng.uniform(0, np.pi / 2), rng.uniform(18, 34)
    reach = float(np.exp(rng.uniform(np.log(30), np.log(120))))
    left, top = CORNERS[slot]
    x, y = rng.uniform(min(reach, 110), CHIP_PX - min(reach, 110), 2)
    axis = np.arange(CHIP_PX, dtype=np.float32)
    dx, dy = axis[None] - np.float32(x), axis[:, None] - np.float32(y)
    u = dx * np.float32(np.cos(angle)) + dy * np.float32(np.sin(angle))
    v = dy * np.float32(np.cos(angle)) - dx * np.float32(np.sin(angle))
    ragged = draw_noise(rng, CHIP_PX, cell_px=50, octaves=3) * np.float32(reach * 0.25)
    inside = ramp(reach - np.maximum(np.abs(u), np.abs(v)) + ragged, -4, 4)
    near = np.minimum(axis, CHIP_PX - 1 - axis)
    inside *= ramp(np.minimum(near[None], near[:, None]), 1, 6)
    inside[ground.owner[top : top + CHIP_PX, left : left + CHIP_PX] == INDEX["water"]] = 0
    ground.paint(inside * np.float32(0.55), pick(rng, SOIL), at=(left, top))
    to_street = np.minimum(np.abs(u - block * np.round(u / block)), np.abs(v % block))
    ground.paint(
        ramp(1.8 - to_street, 0, 1.5) * inside * np.float32(0.8),
        pick(rng, DIRT_ROAD),
        at=(left, top),
    )
    spacing = rng.uniform(4.5, 7.5)
    steps = np.arange(-reach, reach, spacing)
    rows = np.concatenate([np.arange(-reach, reach, block) + side for side in (4.5, -4.5)])
    places = np.stack(np.meshgrid(steps, rows), -1).reshape(-1, 2)
    blocks = np.floor(places / block).astype(int) @ [7, 13] % 32
    places = places[rng.random(len(places)) < rng.uniform(0.2, 1.0, 32)[blocks]]
    places += rng.normal(0, 1.0, places.shape)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    for place in places @ turn + [x, y]:
        column, row = np.round(place).astype(int)
        if 0 <= column < CHIP_PX and 0 <= row < CHIP_PX and inside[row, column] > 0.5:
            half = rng.uniform(0.9, 2.6, 2)
            _paint_roof(ground, slot, place + CORNERS[slot], half, angle)


def _paint_roof(
    ground: Ground, slot: int, place: np.ndarray, half: np.ndarray, angle: float
) -> None:
    local = place - CORNERS[slot]
    if min(local.min(), CHIP_PX - local.max()) < 4:
        return
    x0, y0 = np.floor(place).astype(int) - 4
    if ground.owner[y0 + 4, x0 + 4] == INDEX["water"]:
        return
    axis = np.arange(9, dtype=np.float32)
    dx, dy = axis[None] + np.float32(x0 - place[0]), axis[:, None] + np.float32(y0 - place[1])
    u = np.abs(dx * np.float32(np.cos(angle)) + dy * np.float32(np.sin(angle)))
    v = np.abs(dy * np.float32(np.cos(angle)) - dx * np.float32(np.sin(angle)))
    cover = np.clip(half[0] + 0.5 - u, 0, 1) * np.clip(half[1] + 0.5 - v, 0, 1)
    ground.paint(cover.astype(np.float32), pick(ground.rng, ROOF, 0.1), "habitation", at=(x0, y0))
