"""A network that knows mines by their colour, and scenes with mines at known places."""

import json
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import rasterio
from rasterio.crs import CRS
from rasterio.transform import from_origin

from planet_lib.data.labels import MINE

CHIP_PX = 48
GROUND_DISTANCE_M = 10.0
UTM = CRS.from_epsg(32721)
ORIGIN = (700_000.0, 9_000_000.0)
FOREST, EARTH = (40, 62, 38), (190, 150, 100)
MINE_PX = 32


def write_network(
    folder: Path,
    *,
    labels: Sequence[str] = (MINE,),
    haze: bool = False,
    weights: Sequence[float] = (40, 0, -40),
    bias: float = -3,
) -> Path:
    """Write a network whose output is a function of the mean colour: of red minus blue."""
    import keras  # only where a network is needed: it takes seconds

    channels = 6 if haze else 3
    chips = keras.Input((CHIP_PX, CHIP_PX, channels))
    mean = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(chips))
    dense = keras.layers.Dense(len(labels), activation="sigmoid")
    network = keras.Model(chips, dense(mean))
    kernel = np.zeros((channels, len(labels)), np.float32)
    kernel[:3] = np.array(weights)[:, None]
    dense.set_weights([kernel, np.full(len(labels), bias, np.float32)])
    folder.mkdir(parents=True)
    network.save(folder / "model.keras")
    card = {
        "labels": list(labels),
        "thresholds": {"flat": 0.5, "tuned": {MINE: 0.4}, "isolated": 0.6},
        "input": {
            "pictures": ["raw", "dehazed"] if haze else ["raw"],
            "image_px": CHIP_PX,
        },
        "haze": {"method": "boundary_constraint", "clahe": False} if haze else None,
        "ground_distance_m": GROUND_DISTANCE_M,
        "chip_px": CHIP_PX,
    }
    (folder / "card.json").write_text(json.dumps(card))
    return folder


def write_geotiff(
    path: Path, values: np.ndarray, *, west: float = ORIGIN[0], north: float = ORIGIN[1]
) -> Path:
    """Write RGB levels (H, W, 3) as a GeoTIFF, at `ORIGIN` if not told; black is no data."""
    height, width, count = values.shape
    transform = from_origin(west, north, GROUND_DISTANCE_M, GROUND_DISTANCE_M)
    profile = {"driver": "GTiff", "height": height, "width": width, "count": count,
               "dtype": values.dtype, "crs": UTM, "transform": transform, "nodata": 0}  # fmt: skip
    with rasterio.open(path, "w", **profile) as file:
        file.write(np.moveaxis(values, -1, 0))
    return path


def write_mosaic(path: Path, files: Sequence[Path]) -> Path:
    """Write a virtual file (VRT) of scenes of one size, side by side."""
    with rasterio.open(files[0]) as first:
        height, width, count = *first.shape, first.count
        numbers = first.transform.to_gdal()
    root = ElementTree.Element(
        "VRTDataset", rasterXSize=str(width * len(files)), rasterYSize=str(height)
    )
    ElementTree.SubElement(root, "SRS").text = UTM.to_wkt()
    ElementTree.SubElement(root, "GeoTransform").text = ", ".join(map(repr, numbers))
    for band in range(1, count + 1):
        layer = ElementTree.SubElement(root, "VRTRasterBand", dataType="Byte", band=str(band))
        ElementTree.SubElement(layer, "ColorInterp").text = ("Red", "Green", "Blue")[band - 1]
        for number, file in enumerate(files):
            part = ElementTree.SubElement(layer, "SimpleSource")
            ElementTree.SubElement(part, "SourceFilename", relativeToVRT="0").text = str(file)
            ElementTree.SubElement(part, "SourceBand").text = str(band)
            size = {"xSize": str(width), "ySize": str(height), "yOff": "0"}
            ElementTree.SubElement(part, "SrcRect", xOff="0", **size)
            ElementTree.SubElement(part, "DstRect", xOff=str(number * width), **size)
    ElementTree.ElementTree(root).write(path)
    return path


def paint_scene(
    height: int, width: int, mines: Sequence[tuple[int, int]] = (), *, side: int = MINE_PX
) -> np.ndarray:
    """Paint forest with square mines at centres (row, column); shape (H, W, 3), uint8."""
    rng = np.random.default_rng(height * width)
    scene = np.array(FOREST) + rng.integers(-6, 7, (height, width, 3))
    for row, column in mines:
        rows = slice(max(row - side // 2, 0), row + side // 2)
        columns = slice(max(column - side // 2, 0), column + side // 2)
        scene[rows, columns] = EARTH + rng.integers(-6, 7, scene[rows, columns].shape)
    return scene.clip(1, 255).astype(np.uint8)
