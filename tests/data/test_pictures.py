"""Single pictures: their ground distance, and what is refused in one line."""

import struct
import zlib

import cv2
import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from planet_lib.data.pictures import read_picture
from planet_lib.errors import DataError

RGB = np.random.default_rng(0).integers(1, 256, (40, 50, 3), dtype=np.uint8)
LOCAL = 'LOCAL_CS["a mine\'s own", UNIT["metre", 1]]'


def write_tiff(path, rgb=RGB, **options):
    height, width, bands = rgb.shape
    profile = {"transform": from_origin(500_000, 9_000_000, 10, 10), "crs": "EPSG:32719"} | options
    with rasterio.open(
        path, "w", driver="GTiff", dtype="uint8", height=height, width=width, count=bands, **profile
    ) as file:
        file.write(np.moveaxis(rgb, -1, 0))
    return path


def write_png_header(path, side_px):
    """Write a PNG that says how large it is, and breaks off at its first pixels."""
    size = struct.pack(">IIBBBBB", side_px, side_px, 8, 2, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n"
    for chunk in (b"IHDR" + size, b"IDAT" + zlib.compress(b"")):
        content += struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("crs", "distance"),
    [("EPSG:32719", 10.0), ("EPSG:2264", 10 * 1200 / 3937), (None, None), (LOCAL, None)],
    ids=["metres", "US survey feet", "no system", "a local system"],
)
def test_ground_distance_is_that_of_the_coordinate_system(tmp_path, crs, distance):
    picture = read_picture(write_tiff(tmp_path / "a.tif", crs=crs))
    np.testing.assert_array_equal(picture.rgb, RGB)
    assert picture.ground_distance_m == (distance and pytest.approx(distance))


def test_tiff_with_parts_without_data_is_refused(tmp_path):
    black = RGB.copy()
    black[:20] = 0
    with pytest.raises(DataError, match=r"a\.tif: parts have no data"):
        read_picture(write_tiff(tmp_path / "a.tif", black, nodata=0))
    alpha = np.dstack([black, black.max(axis=-1)])
    with pytest.raises(DataError, match=r"b\.tif: parts have no data"):
        read_picture(write_tiff(tmp_path / "b.tif", alpha, photometric="RGB", alpha="YES"))


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
def test_scene_is_refused_with_the_command_for_scenes(tmp_path, name):
    large = np.full((8, 4097, 3), 90, np.uint8)
    if name == "a.tif":
        write_tiff(tmp_path / name, large)
    else:
        cv2.imwrite(str(tmp_path / name), large)
    with pytest.raises(DataError, match=f"{name}: .*scene; give it to planet find-mines"):
        read_picture(tmp_path / name)


def test_png_of_any_size_is_refused_before_it_is_decoded(tmp_path):
    with pytest.raises(DataError, match=r"a\.png: no chip but a scene"):
        read_picture(write_png_header(tmp_path / "a.png", 60_000))
