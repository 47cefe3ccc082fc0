"""The ground of a scene: surface colours and the label that each pixel shows."""

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from planet_lib.data.labels import INDEX
from planet_lib.synthetic.fields import bend_line

CHIP_PX = 256
SCENE_PX = 2 * CHIP_PX
NO_LABEL = 255
RING = (0, 1, 3, 2)
CORNERS = ((0, 0), (CHIP_PX, 0), (0, CHIP_PX), (CHIP_PX, CHIP_PX))


@dataclass(eq=False)
class Ground:
    """Ground of a scene of two by two chips while it is being painted.

    Attributes
    ----------
    rng : numpy.random.Generator
    wanted : list of set of str, length 4
        Land labels that each chip should show; chips row by row from the upper left.
    sun : tuple of float
        Unit vector (x, y) on the ground towards the sun.
    colour : ndarray of shape (3, 512, 512), float32
        Surface radiance, RGB, 0 to 1.
    owner : ndarray of shape (512, 512), uint8
        Index into `planet_lib.data.labels.LABELS` of the label a pixel shows, or `NO_LABEL`.
    streams : list of ndarray of shape (K, 2), float64
        Centre lines of the rivers, (x, y) in pixels of the scene.
    roads : list of ndarray of shape (K, 2), float64
        Centre lines of the roads, (x, y) in pixels of the scene.
    """

    rng: np.random.Generator
    wanted: list[set[str]]
    sun: tuple[float, float]
    colour: np.ndarray
    owner: np.ndarray
    streams: list[np.ndarray]
    roads: list[np.ndarray]

    def slots(self, label: str) -> list[int]:
        """List the chips, 0 to 3, that should show a label."""
        return [slot for slot, labels in enumerate(self.wanted) if label in labels]

    def paint(
        self,
        cover: np.ndarray,
        colour: np.ndarray | tuple[float, float, float],
        label: str | None = None,
        *,
        at: tuple[int, int] = (0, 0),
    ) -> None:
        """Blend a colour over the ground.

        Parameters
        ----------
        cover : ndarray of shape (h, w), float32, 0 to 1
            Opacity of the colour.
        colour : ndarray of shape (3,) or (3, h, w)
            RGB, 0 to 1.
        label : str, optional
            Label of the pixels with an opacity above 0.5.
        at : tuple of int
            Column and row of the patch's upper left corner. The patch is cropped at the scene's
            border.
        """
        colour = np.asarray(colour, np.float32)
        colour = colour[:, None, None] if colour.ndim == 1 else colour
        x, y = at
        height, width = cover.shape
        top, left = max(0, -y), max(0, -x)
        bottom, right = min(height, SCENE_PX - y), min(width, SCENE_PX - x)
        if bottom <= top or right <= left:
            return
        patch = np.s_[top:bottom, left:right]
        window = np.s_[y + top : y + bottom, x + left : x + right]
        cover = cover[patch]
        if colour.shape[1:] == (height, width):
            colour = colour[:, *patch]
        below = self.colour[:, *window]
        below += cover * (colour - below)
        if label is not None:
            self.owner[window][cover > 0.5] = INDEX[label]

    def place(self, slot: int, radius_px: float) -> tuple[float, float]:
        """Draw a point (x, y) in a chip at least `radius_px` from the chip's border."""
        left, top = CORNERS[slot]
        inset = min(radius_px, 0.45 * CHIP_PX)
        x, y = self.rng.uniform(inset, CHIP_PX - inset, 2)
        return left + x, top + y


def new_ground(rng: np.random.Generator, wanted: list[set[str]]) -> Ground:
    """Create an unpainted scene whose pixels all belong to primary forest."""
    azimuth = rng.uniform(0, 2 * np.pi)
    return Ground(
        rng=rng,
        wanted=wanted,
        sun=(float(np.cos(azimuth)), float(np.sin(azimuth))),
        colour=np.empty((3, SCENE_PX, SCENE_PX), np.float32),
        owner=np.full((SCENE_PX, SCENE_PX), INDEX["primary"], np.uint8),
        streams=[],
        roads=[],
    )


def route_through(
    rng: np.random.Generator, slots: list[int], *, meander_px: float, bends: float, inset_px: float
) -> list[np.ndarray]:
    """Draw lines that cross the given chips and no others.

    Parameters
    ----------
    rng : numpy.random.Generator
        Random generator.
    slots : list of int
        Chips 0 to 3.
    meander_px, bends : float
        See `planet_lib.synthetic.fields.bend_line`.
    inset_px : float
        Distance from the chip's borders that a line keeps between its entry and its exit.

    Returns
    -------
    list of ndarray of shape (K, 2), float64
        Points (x, y) in pixels, from one outer border of the scene to another.
    """
    lines = []
    for chain in _chains(rng, slots):
        ports = [_outer_port(rng, chain[0], avoid=None)]
        ports += [_crossing(rng, a, b) for a, b in pairwise(chain)]
        ports.append(_outer_port(rng, chain[-1], avoid=ports[0] if len(chain) == 1 else None))
        legs = []
        for slot, start, end in zip(chain, ports, ports[1:], strict=False):
            left, top = CORNERS[slot]
            far = CHIP_PX - inset_px
            inside = (left + inset_px, top + inset_px, left + far, top + far)
            legs.append(
                bend_line(rng, start, end, meander_px=meander_px, bends=bends, inside=inside)
            )
        line = np.concatenate(legs)
        lines.append(_smooth(line) if meander_px > 3 else line)
    return lines


def _smooth(line: np.ndarray) -> np.ndarray:
    """Round the corners of a line and keep its ends."""
    padded = np.pad(line, ((5, 5), (0, 0)), mode="reflect", reflect_type="odd")
    return cv2.blur(padded, (1, 11))[5:-5]


def _chains(rng: np.random.Generator, slots: list[int]) -> list[list[int]]:
    """Split chips into chains of neighbours along the ring of four."""
    if not slots:
        return []
    start = int(rng.integers(4))
    ring = [RING[(start + k) % 4] for k in range(4)]
    if rng.random() < 0.5:
        ring.reverse()
    if len(slots) < 4:
        while ring[-1] in slots:
            ring = [*ring[1:], ring[0]]
    chains: list[list[int]] = [[]]
    for slot in ring:
        if slot in slots:
            chains[-1].append(slot)
        elif chains[-1]:
            chains.append([])
    return [chain for chain in chains if chain]


def _outer_port(rng: np.random.Generator, slot: int, *, avoid: np.ndarray | None) -> np.ndarray:
    """Draw a point on an outer border of a chip, not on the border of `avoid`."""
    left, top = CORNERS[slot]
    edge_x = -8.0 if left == 0 else SCENE_PX + 8.0
    edge_y = -8.0 if top == 0 else SCENE_PX + 8.0
    on_side = rng.random() < 0.5 if avoid is None else not _on_side(avoid)
    along = rng.uniform(0.15, 0.85) * CHIP_PX
    return np.array([edge_x, top + along]) if on_side else np.array([left + along, edge_y])


def _on_side(port: np.ndarray) -> bool:
    return not 0 <= port[0] <= SCENE_PX


def _crossing(rng: np.random.Generator, first: int, second: int) -> np.ndarray:
    """Draw a point on the border that two neighbouring chips share."""
    along = rng.uniform(0.15, 0.85) * CHIP_PX
    if abs(first - second) == 1:
        return np.array([CHIP_PX, CORNERS[first][1] + along])
    return np.array([CORNERS[first][0] + along, CHIP_PX])
