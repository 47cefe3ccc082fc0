"""Synthetic scenes and the chips cut from them."""

from dataclasses import dataclass

import cv2
import numpy as np

from planet_lib.data.labels import INDEX, LAND, WEATHER
from planet_lib.synthetic import atmosphere, disturbance, land_use, terrain
from planet_lib.synthetic.fields import blur
from planet_lib.synthetic.ground import CHIP_PX, CORNERS, Ground, new_ground
from planet_lib.synthetic.priors import CHIPS_PER_SCENE, draw_tags

SMALLEST_VISIBLE_PX = dict.fromkeys(LAND, 120) | {
    "primary": 600,
    "water": 60,
    "road": 50,
    "habitation": 10,
    "blooming": 15,
    "selective_logging": 30,
}
ATTEMPTS = 6


@dataclass(frozen=True, eq=False)
class SyntheticChip:
    """A synthetic chip with its labels and the terms of the haze model.

    Attributes
    ----------
    image : ndarray of shape (256, 256, 3), uint8
        RGB: ``J t + A (1 - t)`` with sensor noise and saturation, before JPEG compression.
    radiance : ndarray of shape (256, 256, 3), float32, 0 to 1
        J, the scene radiance, including cloud shadows.
    transmission : ndarray of shape (256, 256), float32, 0 to 1
        t, the transmission.
    airlight : ndarray of shape (3,), float32, 0 to 1
        A, the airlight, RGB.
    owner : ndarray of shape (256, 256), uint8
        Index into `planet_lib.data.labels.LABELS` of the label that a pixel shows, or 255.
    tags : str
        Space-separated labels: the weather and the visible land labels.
    scene : int
        Number of the scene; the chips of a scene adjoin.
    row, column : int
        Position in the scene, 0 or 1.
    """

    image: np.ndarray
    radiance: np.ndarray
    transmission: np.ndarray
    airlight: np.ndarray
    owner: np.ndarray
    tags: str
    scene: int
    row: int
    column: int


def synthesize_chip(
    seed: int, index: int, tags: str | None = None, *, enrich: float = 0.0
) -> SyntheticChip:
    """Synthesize one chip, the same one for the same arguments.

    Chips ``4 k`` to ``4 k + 3`` are cut from scene ``k``, row by row from its upper left.

    Parameters
    ----------
    seed : int
        At least 0.
    index : int
        At least 0.
    tags : str, optional
        Space-separated labels that the chip should show, one of them the weather. By default drawn
        from the real distribution. The ``tags`` of the returned chip are the visible labels.
    enrich : float, 0 to 1
        Probability that the scene is drawn from a distribution rich in rare labels.

    Returns
    -------
    SyntheticChip

    Raises
    ------
    ValueError
        `seed` or `index` is negative, or `enrich` is outside 0 to 1.
    DataError
        A tag is unknown, or no real chip has such `tags`.

    Examples
    --------
    >>> synthesize_chip(0, 5, "clear primary water").tags
    'clear primary water'
    """
    scene, slot = divmod(index, CHIPS_PER_SCENE)
    return _make_scene(seed, scene, enrich, slot, tags)[slot]


def synthesize_scene(seed: int, scene: int, *, enrich: float = 0.0) -> list[SyntheticChip]:
    """Synthesize the four chips of one scene, row by row from its upper left.

    Parameters
    ----------
    seed, scene : int
        At least 0.
    enrich : float, 0 to 1
        As for `synthesize_chip`.

    Returns
    -------
    list of SyntheticChip, length 4
        They adjoin.

    Raises
    ------
    ValueError
        `seed` or `scene` is negative, or `enrich` is outside 0 to 1.
    """
    return _make_scene(seed, scene, enrich, 0, None)


def _make_scene(
    seed: int, scene: int, enrich: float, slot: int, tags: str | None
) -> list[SyntheticChip]:
    """Render a scene, repeatedly until every chip shows exactly its planned labels."""
    if min(seed, scene) < 0:
        raise ValueError(f"seed is {seed} and scene {scene}; allowed: at least 0")
    if not 0 <= enrich <= 1:
        raise ValueError(f"enrich is {enrich}; allowed: 0 to 1")
    rng = np.random.default_rng([seed, scene])
    planned = draw_tags(rng, enrich=enrich, tags=tags)
    if tags is not None:
        planned[slot] = tags
    for _ in range(ATTEMPTS):
        chips = _render(rng, planned, scene)
        if all(set(a.tags.split()) == set(b.split()) for a, b in zip(chips, planned, strict=True)):
            break
    return chips


def _render(rng: np.random.Generator, planned: list[str], scene: int) -> list[SyntheticChip]:
    weather = next(word for word in planned[0].split() if word in WEATHER)
    ground = new_ground(rng, [set(tags.split()) - set(WEATHER) for tags in planned])
    if weather == "cloudy":
        terrain.paint_canopy(ground)
    else:
        _paint_ground(ground)
    transmission, sunlight = atmosphere.draw_transmission(rng, weather, ground.sun)
    airlight = atmosphere.draw_airlight(rng, weather)
    light = sunlight * np.float32(np.exp(rng.normal(0, 0.15)))
    tint = np.exp(rng.normal(0, [0.05, 0.04, 0.07]))
    if rng.random() < 0.03:
        tint *= [1.1, 1.0, 0.7]
    focus_px = rng.uniform(0.45, 0.85)
    planes = [
        np.clip(blur(colour, focus_px) * (light * np.float32(gain)), 0, 1)
        for colour, gain in zip(ground.colour, tint, strict=True)
    ]
    radiance = cv2.merge(planes)
    through = transmission[..., None]
    image = atmosphere.add_sensor_noise(rng, radiance * through + airlight * (1 - through))
    chips = []
    for slot, (x, y) in enumerate(CORNERS):
        cut = np.s_[y : y + CHIP_PX, x : x + CHIP_PX]
        seen = "" if weather == "cloudy" else _name_visible(ground.owner[cut], transmission[cut])
        chips.append(
            SyntheticChip(
                image=image[cut],
                radiance=radiance[cut],
                transmission=transmission[cut],
                airlight=airlight,
                owner=ground.owner[cut],
                tags=f"{weather} {seen}".strip(),
                scene=scene,
                row=slot // 2,
                column=slot % 2,
            )
        )
    return chips


def _paint_ground(ground: Ground) -> None:
    """Paint the ground, from the canopy to the houses."""
    terrain.paint_canopy(ground)
    if not ground.slots("primary") and not ground.slots("agriculture"):
        bare = len(ground.slots("bare_ground")) == CHIPS_PER_SCENE
        terrain.paint_open_land(ground, "bare_ground" if bare else None)
    land_use.paint_agriculture(ground)
    terrain.paint_bare_ground(ground)
    land_use.paint_burn_scars(ground)
    land_use.paint_clearings(ground)
    disturbance.paint_blossom(ground)
    disturbance.paint_blow_downs(ground)
    terrain.paint_water(ground)
    disturbance.paint_logging(ground)
    disturbance.paint_conventional_mines(ground)
    disturbance.paint_artisinal_mines(ground)
    land_use.paint_roads(ground)
    land_use.paint_houses(ground)


def _name_visible(owner: np.ndarray, transmission: np.ndarray) -> str:
    """Name the land labels of which enough pixels are visible through haze and clouds."""
    seen = np.bincount(owner[transmission > 0.25], minlength=256)
    return " ".join(label for label in LAND if seen[INDEX[label]] >= SMALLEST_VISIBLE_PX[label])
