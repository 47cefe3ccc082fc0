"""Small disturbances of the forest: mines, logging, windthrow and flowering crowns."""

import numpy as np

from planet_lib.synthetic.fields import (
    around,
    bend_line,
    draw_lines,
    draw_noise,
    measure_distance,
    ramp,
)
from planet_lib.synthetic.ground import CHIP_PX, CORNERS, Ground
from planet_lib.synthetic.terrain import pick

SPOIL = np.float32([[218, 182, 134], [204, 160, 112], [226, 202, 168], [194, 146, 100]]) / 255
MUD = np.float32([[136, 114, 84], [118, 100, 72], [150, 118, 86]]) / 255
TURBID = np.float32([[156, 124, 82], [140, 124, 96], [164, 120, 80]]) / 255
POND = np.float32([[94, 118, 90], [66, 104, 86], [146, 118, 76], [124, 126, 98]]) / 255
TRACK = np.float32([[128, 104, 82], [146, 112, 92], [112, 96, 76]]) / 255
FALLEN = np.float32([[96, 88, 70], [106, 92, 76], [84, 84, 62]]) / 255
BLOSSOM = np.float32([[84, 78, 64], [92, 78, 76], [80, 80, 46], [88, 80, 78]]) / 255


def _chip_noise(ground: Ground, cell_px: float, octaves: int = 4, gain: float = 0.5) -> np.ndarray:
    return draw_noise(ground.rng, CHIP_PX, cell_px=cell_px, octaves=octaves, gain=gain)


def _chip_margin(inset_px: float) -> np.ndarray:
    """Ramp from 1 inside a chip to 0 at its borders; shape (256, 256), float32."""
    axis = np.arange(CHIP_PX, dtype=np.float32)
    near = np.minimum(axis, CHIP_PX - 1 - axis)
    return ramp(np.minimum(near[None], near[:, None]), 1, inset_px)


def _chip_line(
    ground: Ground, *, meander_px: float, bends: float, reach_px: float = 180
) -> np.ndarray:
    """Draw a winding line inside a chip, in pixels of the chip."""
    rng = ground.rng
    start = rng.uniform(20, 236, 2)
    angle = rng.uniform(0, 2 * np.pi)
    towards = np.array([np.cos(angle), np.sin(angle)])
    towards *= -np.sign(towards) * np.sign(start - CHIP_PX / 2)
    end = np.clip(start + reach_px * rng.uniform(0.5, 1) * towards, 10, 246)
    inside = (8.0, 8.0, 248.0, 248.0)
    return bend_line(rng, start, end, meander_px=meander_px, bends=bends, inside=inside)


def _stream_in(ground: Ground, slot: int) -> np.ndarray | None:
    """Return the part of a stream that crosses a chip, in pixels of the chip, or None."""
    corner = np.array(CORNERS[slot])
    for line in ground.streams:
        local = line - corner
        local = local[((local > 15) & (local < CHIP_PX - 15)).all(axis=1)]
        if len(local) > 8:
            return local
    return None


def paint_artisinal_mines(ground: Ground) -> None:
    """Paint artisanal mines: braided pale pits and turbid ponds along a stream."""
    rng = ground.rng
    for slot in ground.slots("artisinal_mine"):
        line = _stream_in(ground, slot)
        if line is None:
            line = _chip_line(ground, meander_px=20, bends=3)
        length = rng.uniform(0.6, 1.0)
        first = int(rng.uniform(0, 1 - length) * len(line))
        line = line[first : first + max(3, int(length * len(line)))]
        width = float(np.exp(rng.uniform(np.log(11), np.log(46))))
        lines = [line, *_side_creeks(ground, line)]
        away = measure_distance(lines, CHIP_PX)
        lobes = np.exp(np.float32(0.6) * _chip_noise(ground, 60, 2))
        ragged = np.float32(width * 0.45) * _chip_noise(ground, 20, 4, 0.6)
        inside = np.float32(width) * lobes + ragged - away
        inside -= np.float32(2.5 * width) * (1 - _chip_margin(min(2 * width, 50)))
        at, margin = CORNERS[slot], _chip_margin(5)
        cleared = ramp(inside, -6, 6) * margin * np.float32(0.75)
        ground.paint(cleared, pick(rng, MUD, 0.12), "artisinal_mine", at=at)
        heaps = ramp(_chip_noise(ground, 18, 4, 0.6), rng.uniform(-1.2, -0.2), 0.6)
        mottle = 1 + np.float32(0.1) * _chip_noise(ground, 9, 2)
        spoil = pick(rng, SPOIL, 0.1)[:, None, None] * mottle
        ground.paint(heaps * ramp(inside, 0, 4) * margin, spoil, "artisinal_mine", at=at)
        dips = _chip_noise(ground, rng.uniform(18, 40), 3, 0.4)
        ponds = ramp(dips, *around(rng.uniform(0.8, 1.5), 0.25)) * ramp(inside, 2, 5) * margin
        channel = draw_lines(lines, CHIP_PX, width_px=rng.uniform(1.5, 5)) * margin
        ground.paint(channel, pick(rng, TURBID, 0.12), "artisinal_mine", at=at)
        kind = ramp(_chip_noise(ground, 70, 1), -0.1, 0.1)
        first_pond, second_pond = pick(rng, POND, 0.15), pick(rng, POND, 0.15)
        colour = first_pond[:, None, None] + (second_pond - first_pond)[:, None, None] * kind
        ground.paint(ponds, colour, "artisinal_mine", at=at)


def _side_creeks(ground: Ground, line: np.ndarray) -> list[np.ndarray]:
    """Draw winding creeks that branch off a stream, in pixels of the chip."""
    rng = ground.rng
    creeks = []
    for _ in range(int(rng.integers(0, 5))):
        start, angle = line[rng.integers(len(line))], rng.uniform(0, 2 * np.pi)
        reach = rng.uniform(40, 150) * np.array([np.cos(angle), np.sin(angle)])
        end = np.clip(start + reach, 12, CHIP_PX - 12)
        inside = (10.0, 10.0, CHIP_PX - 10.0, CHIP_PX - 10.0)
        creeks.append(bend_line(rng, start, end, meander_px=10, bends=3, inside=inside))
    return creeks


def paint_conventional_mines(ground: Ground) -> None:
    """Paint conventional mines: a terraced open pit with bare yards and tailings ponds."""
    rng = ground.rng
    for slot in ground.slots("conventional_mine"):
        at, margin = CORNERS[slot], _chip_margin(5)
        axis = np.arange(CHIP_PX, dtype=np.float32)
        x, y = rng.uniform(70, 186, 2)
        reach, angle = rng.uniform(45, 110), rng.uniform(0, np.pi)
        u = (axis[None] - x) * np.cos(angle) + (axis[:, None] - y) * np.sin(angle)
        v = (axis[:, None] - y) * np.cos(angle) - (axis[None] - x) * np.sin(angle)
        outline = 1 - np.maximum(np.abs(u), np.abs(v) * rng.uniform(1.0, 1.8)) / reach
        depth = outline.astype(np.float32) + np.float32(0.16) * _chip_noise(ground, 70, 4)
        depth -= np.float32(0.7) * (1 - _chip_margin(40))
        steps = depth * np.float32(rng.uniform(5, 10))
        rises = np.sin(np.float32(2 * np.pi) * steps)
        terraced = ramp(_chip_noise(ground, 90, 2), -0.2, 1.0)
        mottle = 1 + np.float32(0.12) * _chip_noise(ground, 40, 5, 0.8)
        mottle -= np.float32(rng.uniform(0.05, 0.15)) * rises * terraced
        first, second = pick(rng, SPOIL, 0.12) * 0.85, pick(rng, MUD, 0.12)
        soil = ramp(_chip_noise(ground, 80, 3), -0.5, 1.5)
        colour = (first[:, None, None] + (second - first)[:, None, None] * soil) * mottle
        ground.paint(ramp(depth, 0, 0.03) * margin, colour, "conventional_mine", at=at)
        dips = depth + np.float32(0.5) * _chip_noise(ground, 60, 2)
        ponds = ramp(dips, *around(np.quantile(dips, rng.uniform(0.97, 0.998)), 0.06)) * margin
        ground.paint(ponds, pick(rng, POND), "conventional_mine", at=at)


def paint_logging(ground: Ground) -> None:
    """Paint selective logging: narrow winding tracks with small gaps in the canopy."""
    rng = ground.rng
    for slot in ground.slots("selective_logging"):
        lines = [
            _chip_line(ground, meander_px=rng.uniform(3, 12), bends=rng.uniform(1, 4))
            for _ in range(int(rng.integers(2, 6)))
        ]
        broken = ramp(_chip_noise(ground, 30, 3), -0.6, 0.4)
        tracks = draw_lines(lines, CHIP_PX, width_px=rng.uniform(0.6, 1.3)) * broken
        gaps = draw_lines(lines, CHIP_PX, width_px=14, softness_px=4)
        spots = ramp(_chip_noise(ground, 7, 2), 1.5, 2.0) * ramp(gaps, 0.1, 0.5)
        cover = np.maximum(tracks, spots * np.float32(rng.uniform(0.6, 0.9)))
        ground.paint(cover, pick(rng, TRACK, 0.15), "selective_logging", at=CORNERS[slot])


def paint_blow_downs(ground: Ground) -> None:
    """Paint blow-downs: fallen canopy in a fan that widens away from the downburst."""
    rng = ground.rng
    for slot in ground.slots("blow_down"):
        x, y = rng.uniform(60, 196, 2)
        reach, spread, heading = (
            rng.uniform(60, 120),
            rng.uniform(0.4, 1.0),
            rng.uniform(-np.pi, np.pi),
        )
        axis = np.arange(CHIP_PX, dtype=np.float32)
        dx, dy = axis[None] - np.float32(x), axis[:, None] - np.float32(y)
        away = np.sqrt(dx * dx + dy * dy)
        turn = np.abs((np.arctan2(dy, dx) - heading + np.pi) % (2 * np.pi) - np.pi)
        fan = np.minimum(1 - turn / np.float32(spread), 1 - away / np.float32(reach))
        patchy = fan + np.float32(0.35) * _chip_noise(ground, 24, 5, 0.7)
        cover = ramp(patchy, 0.05, 0.5) * _chip_margin(12) * np.float32(0.75)
        mottle = 1 + np.float32(0.2) * _chip_noise(ground, 8, 3, 0.8)
        colour = pick(rng, FALLEN, 0.12)[:, None, None] * mottle
        ground.paint(cover, colour, "blow_down", at=CORNERS[slot])


def paint_blossom(ground: Ground) -> None:
    """Paint scattered flowering crowns."""
    rng = ground.rng
    for slot in ground.slots("blooming"):
        crowns = _chip_noise(ground, 5, 2) + np.float32(0.4) * _chip_noise(ground, 60, 2)
        crowns = ramp(crowns, rng.uniform(1.0, 1.6), 2.6) * np.float32(rng.uniform(0.55, 0.9))
        colour = pick(rng, BLOSSOM, 0.15)
        ground.paint(crowns, colour, "blooming", at=CORNERS[slot])
