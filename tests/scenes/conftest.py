"""Fixtures: a network that knows mines by their colour, and scenes with mines at known places."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import rasterio
from browser import INSTALL, find_chromium
from made_scenes import GROUND_DISTANCE_M, ORIGIN, UTM, write_network
from rasterio.crs import CRS
from rasterio.transform import Affine

SCENES = Path(__file__).parents[3] / "shared" / "scenes"


@pytest.fixture(scope="session")
def network(tmp_path_factory) -> Path:
    """Give the folder of the network that knows mines by their colour."""
    return write_network(tmp_path_factory.mktemp("networks") / "colour")


@pytest.fixture
def write_scene(tmp_path) -> Callable[..., Path]:
    """Give a function that writes an array (H, W, C) as a GeoTIFF."""

    def write(
        values: np.ndarray,
        name: str = "scene.tif",
        *,
        transform: Affine | None = None,
        crs: CRS | None = UTM,
        colours: str = "red green blue alpha",
        descriptions: Sequence[str] | None = None,
        mask: np.ndarray | None = None,
        **options,
    ) -> Path:
        height, width, count = values.shape
        step = GROUND_DISTANCE_M
        profile = {
            "driver": "GTiff",
            "height": height,
            "width": width,
            "count": count,
            "dtype": values.dtype,
            "crs": crs,
            "transform": transform or Affine(step, 0, ORIGIN[0], 0, -step, ORIGIN[1]),
        }
        path = tmp_path / name
        with (
            rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
            rasterio.open(path, "w", **profile | options) as file,
        ):
            file.write(np.moveaxis(values, -1, 0))
            named = colours.split()[:count]
            if len(named) == count:
                file.colorinterp = [rasterio.enums.ColorInterp[name] for name in named]
            for band, text in enumerate(descriptions or (), start=1):
                file.set_band_description(band, text)
            if mask is not None:
                file.write_mask(mask)
        return path

    return write


@pytest.fixture(scope="session")
def real_scenes() -> Path:
    """Give the folder of real scenes, or skip the test where there is none."""
    if not (SCENES / "mines").exists():
        pytest.skip("the real scenes are not here")
    return SCENES


@pytest.fixture(scope="session")
def chromium() -> None:
    """Skip a test where there is no Chromium; fail it in continuous integration."""
    if find_chromium() is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(INSTALL)
