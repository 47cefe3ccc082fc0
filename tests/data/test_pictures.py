"""Single pictures: their ground distance, and what is refused in one line."""

import errno
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from planet_lib.data.folders import list_visible
from planet_lib.data.pictures import Picture, cut_picture, list_pictures, read_picture
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


@pytest.fixture
def gradient():
    """Give a picture whose red counts its columns and whose green counts its rows."""
    rows, columns = np.mgrid[:90, :120]
    return np.stack([columns, rows, np.zeros_like(rows)], axis=-1).astype(np.uint8)


def cut(rgb, distance, chip_px=48, chip_distance=10.0):
    return cut_picture(Picture(rgb, distance), Path("a.tif"), chip_px, chip_distance)


def test_picture_of_the_chips_size_is_not_changed(gradient):
    for distance in (None, 10.0):
        done = cut(gradient[:48, :48], distance)
        np.testing.assert_array_equal(done.chips, gradient[None, :48, :48])
        assert not done.resized
        assert not done.resampled


def test_picture_without_a_ground_distance_becomes_one_chip(gradient):
    done = cut(gradient, None)
    assert np.shape(done.chips) == (1, 48, 48, 3)
    assert done.resized
    assert not done.resampled


@pytest.mark.parametrize("distance", [10.0, 5.0, 20.0])
def test_chips_of_a_known_ground_distance_cover_the_picture(gradient, distance):
    done = cut(gradient, distance)
    assert not done.resized
    assert done.resampled == (distance != 10)
    assert all(chip.shape == (48, 48, 3) for chip in done.chips)
    scale = distance / 10
    per_pixel = np.median(np.diff(done.chips[0][0, :, 0].astype(int)))
    assert per_pixel == max(1, round(1 / scale)) if scale <= 1 else per_pixel <= 1
    seen = np.concatenate([chip[..., 0].ravel() for chip in done.chips])
    assert seen.min() <= 1 / scale
    assert seen.max() >= gradient[..., 0].max() - 1 / scale


def test_small_picture_is_continued_by_its_mirror_image(gradient):
    (chip,) = cut(gradient[:24, :30], 10.0).chips
    np.testing.assert_array_equal(chip[:24, :30], gradient[:24, :30])
    np.testing.assert_array_equal(chip[24:, :30], gradient[:24, :30][::-1])


def test_picture_of_too_much_ground_is_refused_before_it_is_enlarged(gradient):
    with pytest.raises(DataError, match=r"a\.tif: 120 x 90 px of 5e\+03 m are 60000 x 45000 px"):
        cut(gradient, 5_000.0)


def test_png_of_16_bits_is_refused_like_a_tiff_of_16_bits(tmp_path):
    deep = RGB.astype(np.uint16) * 12
    assert cv2.imwrite(str(tmp_path / "a.png"), deep)
    with pytest.raises(DataError, match=r"a\.png: 16 bits a channel, expected 8"):
        read_picture(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty; download it again"), (b"<html>", "a web page"), (b"\0" * 99, "all zeros")],
)
def test_tiff_that_is_none_is_named_by_its_content(tmp_path, content, reason):
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(DataError, match=rf"a\.tif: no TIFF, but {reason}"):
        read_picture(tmp_path / "a.tif")


def test_truncated_tiff_says_what_is_wrong(tmp_path):
    path = write_tiff(tmp_path / "a.tif")
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(DataError, match=r"a\.tif: cannot be decoded \((?!Read failed)"):
        read_picture(path)


def test_large_jpeg_is_refused_by_its_header(tmp_path):
    cv2.imwrite(str(tmp_path / "a.jpg"), np.full((8, 5000, 3), 90, np.uint8))
    header = (tmp_path / "a.jpg").read_bytes()[:700]
    (tmp_path / "a.jpg").write_bytes(header)
    with pytest.raises(DataError, match=r"a\.jpg: 5000 x 8 px is no chip but a scene"):
        read_picture(tmp_path / "a.jpg")


def test_pictures_are_listed_once_where_links_lead_back(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "other").mkdir()
    for name in ("b/1.JPG", "a.png", "other/2.tif", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "b" / "self").symlink_to(tmp_path / "b")
    (tmp_path / "b" / "up").symlink_to(tmp_path)
    (tmp_path / "b" / "loop.png").symlink_to(tmp_path / "b" / "loop.png")
    pictures, problems = list_pictures(tmp_path)
    assert problems == []
    names = [str(path.relative_to(tmp_path)) for path in pictures]
    assert names == ["a.png", "b/1.JPG", "b/loop.png", "other/2.tif"]


@pytest.fixture
def locked(tmp_path, monkeypatch):
    """Give a folder whose folder ``locked`` cannot be listed, for root neither."""
    (tmp_path / "in" / "locked").mkdir(parents=True)

    def list_or_refuse(folder):
        if folder.name == "locked":
            raise PermissionError(errno.EACCES, "Permission denied")
        return list_visible(folder)

    monkeypatch.setattr("planet_lib.data.pictures.list_visible", list_or_refuse)
    return tmp_path / "in"


def test_folder_that_cannot_be_listed_does_not_stop_the_others(locked):
    (locked / "a.png").write_bytes(b"")
    pictures, problems = list_pictures(locked)
    assert pictures == [locked / "a.png"]
    assert problems == [f"{locked / 'locked'}: cannot be listed (Permission denied)"]


def test_nothing_but_a_folder_that_cannot_be_listed_is_one_line(locked):
    with pytest.raises(DataError, match=r"locked: cannot be listed .*; make it readable"):
        list_pictures(locked)
