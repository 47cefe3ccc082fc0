"""TIFF chips: band order against two other writers, damaged files, the stretch, the agreement."""

import resource
import struct
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.errors import NotGeoreferencedWarning

from planet_lib.data.chips import read_chip
from planet_lib.data.tiff import (
    measure_agreement,
    read_file_mapping,
    read_tiff,
    stretch_to_visual,
)
from planet_lib.errors import DataError

WIDTH, TILE_WIDTH, TILE_HEIGHT = 256, 322, 323  # TIFF's numbers of its tags
MAX_GROWTH_MIB = 100


def paint_bands(seed: int = 0) -> np.ndarray:
    """Paint blocks of red, green, blue and near infrared that differ and need 16 bits."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(1, 2**16, (16, 16, 4), dtype=np.uint16)
    return blocks.repeat(16, axis=0).repeat(16, axis=1)


def encode_tiff(bands: np.ndarray, **options) -> bytes:
    """Encode red, green, blue, near infrared in the competition's band order, with GDAL."""
    height, width, count = bands.shape
    profile = {"driver": "GTiff", "dtype": bands.dtype, "count": count}
    with rasterio.MemoryFile() as file:
        with (
            warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning),
            file.open(width=width, height=height, **profile, **options) as target,
        ):
            target.write(np.moveaxis(bands[..., [2, 1, 0, *range(3, count)]], -1, 0))
        return file.read()


def claim(tiff: bytes, tag: int, value: int) -> bytes:
    """Overwrite the value of a tag that holds one 16-bit number."""
    at = tiff.index(struct.pack("<HHI", tag, 3, 1)) + 8
    return tiff[:at] + struct.pack("<H", value) + tiff[at + 2 :]


def read_or_fail(read: Callable, path: Path):
    """Read a file, or give None where that is an error that names the file once."""
    try:
        return read(path)
    except DataError as error:
        message = str(error)
    assert message.count(str(path)) == 1
    return None


def measure_peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def test_file_written_by_opencv_reads_as_rgb(tmp_path):
    path = tmp_path / "train_0.tif"
    # OpenCV writes its first channel third: red given first lies where the competition has it.
    assert cv2.imwrite(str(path), paint_bands())
    rgb = read_tiff(path)
    assert rgb.dtype == np.uint16
    np.testing.assert_array_equal(rgb, paint_bands()[..., :3])


@pytest.mark.parametrize(
    "options",
    [
        {"compress": "lzw", "predictor": 2, "interleave": "pixel"},
        {"compress": "deflate", "interleave": "band", "photometric": "rgb", "endianness": "big"},
        {"tiled": True, "blockxsize": 64, "blockysize": 64},
    ],
    ids=["LZW", "deflated bands, big-endian", "tiles"],
)
def test_file_written_by_gdal_reads_as_rgb_whatever_its_layout(tmp_path, options):
    (tmp_path / "a.tif").write_bytes(encode_tiff(paint_bands(), **options))
    np.testing.assert_array_equal(read_tiff(tmp_path / "a.tif"), paint_bands()[..., :3])


def test_many_threads_read_without_a_warning(tmp_path):
    paths = [tmp_path / f"train_{i}.tif" for i in range(20)]
    for seed, path in enumerate(paths):
        path.write_bytes(encode_tiff(paint_bands(seed)))
    before = warnings.filters.copy()
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(read_tiff, paths))
    assert warnings.filters == before
    for seed, rgb in enumerate(read):
        np.testing.assert_array_equal(rgb, paint_bands(seed)[..., :3])


def test_files_beside_the_chip_are_ignored(tmp_path):
    (tmp_path / "a.tif").write_bytes(encode_tiff(paint_bands()))
    (tmp_path / "a.tif.aux.xml").write_text("<PAMDataset><damaged")
    (tmp_path / "a.tfw").write_text("no numbers")
    np.testing.assert_array_equal(read_tiff(tmp_path / "a.tif"), paint_bands()[..., :3])


TILED = encode_tiff(paint_bands(), tiled=True, blockxsize=128, blockysize=128, compress="deflate")
DAMAGED = {
    "web page": (b"<html>404</html>", "no TIFF, but a web page; download the file again"),
    "virtual dataset": (b'<VRTDataset rasterXSize="1" rasterYSize="1"/>', "no TIFF, but"),
    "empty": (b"", "no TIFF, but empty; download it again"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1", "no TIFF, but a pointer of Git LFS"),
    "text": (b"none", "no TIFF, but of an unknown kind"),
    "surface reflectance": (encode_tiff(paint_bands() // 60), "values of reflectance"),
    "wrong size": (encode_tiff(paint_bands()[:255]), "256 x 255 px, expected 256 x 256"),
    "huge": (claim(TILED, WIDTH, 65_000), "65000 x 256 px, expected 256 x 256"),
    "three bands": (encode_tiff(paint_bands()[..., :3]), "band count 3, expected 4"),
    "eight bits": (encode_tiff(paint_bands().astype(np.uint8)), "type uint8, expected uint16"),
    "all zero": (encode_tiff(np.zeros_like(paint_bands())), "every value is 0"),
    "huge tiles": (
        claim(claim(TILED, TILE_WIDTH, 16_384), TILE_HEIGHT, 16_384),
        "tiles of 16384 x 16384 px",
    ),
    "cut pixels": (TILED[:-10], "cannot be decoded"),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_chip_is_an_error_that_names_it(tmp_path, kind):
    data, reason = DAMAGED[kind]
    path = tmp_path / "train_0.tif"
    path.write_bytes(data)
    before_mib = measure_peak_mib()
    with pytest.raises(DataError, match=reason) as raised:
        read_tiff(path)
    assert str(raised.value).count(str(path)) == 1
    assert measure_peak_mib() - before_mib < MAX_GROWTH_MIB


def test_missing_chip_and_folder_are_errors(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_tiff(tmp_path / "train_0.tif")
    with pytest.raises(DataError, match="cannot be read"):
        read_tiff(tmp_path)


# https://github.com/rasterio/rasterio/issues/3128: its log cannot decode what quotes damaged bytes.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_changed_or_cut_tiff_reads_or_is_a_data_error(tmp_path, data):
    tiff = bytearray(TILED)
    for _ in range(data.draw(st.integers(0, 4))):
        tiff[data.draw(st.integers(0, 300))] = data.draw(st.integers(0, 255))
    path = tmp_path / "a.tif"
    path.write_bytes(tiff[: data.draw(st.sampled_from([len(tiff), len(tiff) // 2, 300, 40]))])
    before_mib = measure_peak_mib()
    rgb = read_or_fail(read_tiff, path)
    assert rgb is None or rgb.shape == (256, 256, 3)
    assert measure_peak_mib() - before_mib < MAX_GROWTH_MIB


def ramp() -> np.ndarray:
    """Make every digital number once, the same in all bands."""
    return np.arange(2**16, dtype=np.uint16).reshape(256, 256, 1).repeat(3, axis=2)


def test_stretch_is_monotone_and_has_the_documented_limits():
    numbers = ramp()
    levels = stretch_to_visual(numbers).reshape(-1, 3)
    np.testing.assert_array_equal(numbers, ramp())
    assert levels.dtype == np.uint8
    assert set(np.diff(levels.astype(int), axis=0).ravel()) == {0, 1}
    for band, (black, white) in enumerate([(1561, 6400), (2538, 7595), (3222, 9105)]):
        assert levels[black, band] == 0 < levels[black + 20, band]
        assert levels[white - 20, band] < 255 == levels[white, band]


def unstretch(rgb: np.ndarray) -> np.ndarray:
    """Give digital numbers that stretch to a picture, by looking every level up."""
    levels = stretch_to_visual(ramp()).reshape(-1, 3)
    return np.dstack([np.searchsorted(levels[:, c], rgb[..., c]) for c in range(3)])


@pytest.fixture(scope="module")
def textures() -> np.ndarray:
    """Make pictures larger than a chip, of smooth random texture: (4, 400, 400, 3) uint8."""
    noise = np.random.default_rng(0).normal(size=(4, 400, 400, 3))
    smooth = np.stack([cv2.GaussianBlur(picture, (0, 0), 3) for picture in noise])
    return (128 + 60 * smooth / smooth.std()).clip(0, 255).astype(np.uint8)


def test_chip_agrees_with_itself_whatever_its_contrast(textures):
    chip = textures[0, :256, :256]
    agreement = measure_agreement(chip, chip // 2 + 40)
    assert agreement.shift_px == (0, 0)
    assert agreement.correlation == agreement.shifted_correlation > 0.99


@pytest.mark.parametrize(("down", "right"), [(-30, 0), (25, -40), (60, 60)])
def test_shift_is_found_with_its_sign(textures, down, right):
    scene, y, x = textures[0], 70, 70
    tiff = scene[y : y + 256, x : x + 256]
    jpeg = scene[y - down : y - down + 256, x - right : x - right + 256]
    agreement = measure_agreement(tiff, jpeg)
    assert agreement.shift_px == (down, right)
    assert agreement.correlation < 0.5
    assert agreement.shifted_correlation == pytest.approx(1)


def test_other_chip_does_not_agree(textures):
    for other in textures[1:]:
        agreement = measure_agreement(textures[0, :256, :256], other[:256, :256])
        assert agreement.shifted_correlation < 0.5


def test_picture_of_one_colour_cannot_be_compared(textures):
    flat = np.full((256, 256, 3), 90, np.uint8)
    for pair in [(flat, textures[0, :256, :256]), (textures[0, :256, :256], flat), (flat, flat)]:
        agreement = measure_agreement(*pair)
        assert agreement.shift_px == (0, 0)
        assert np.isnan([agreement.correlation, agreement.shifted_correlation]).all()


@pytest.mark.parametrize("place", [(0, 0), (128, 128), (255, 3)])
def test_single_bright_pixel_is_compared_without_a_warning(place):
    dot = np.zeros((256, 256, 3), np.uint8)
    dot[place] = 255
    assert measure_agreement(dot, dot).shifted_correlation == pytest.approx(1)
    assert measure_agreement(dot, np.roll(dot, 100, axis=0)).shifted_correlation < 0.5


def test_real_chips_tell_their_own_tiff_from_another(sample):
    chips = [read_chip(path) for path in sorted((sample / "train-jpg").glob("*.jpg"))[::70]]
    rng = np.random.default_rng(0)
    for chip, other in zip(chips, chips[1:] + chips[:1], strict=True):
        radiance = unstretch(chip) + rng.normal(0, 60, (256, 256, 3))
        tiff_rgb = stretch_to_visual(radiance.clip(0, 2**16 - 1).astype(np.uint16))
        assert measure_agreement(tiff_rgb, chip).shifted_correlation > 0.6
        assert measure_agreement(tiff_rgb, other).shifted_correlation < 0.5


def test_mapping_leads_from_the_old_name_to_the_new(tmp_path):
    path = tmp_path / "test_v2_file_mapping.csv"
    rows = ["old,new", "file_0.tif,file_7.tif", "file_7.tif,file_0.tif", "file_3.tif,file_3.tif"]
    path.write_text("\r\n".join([*rows, ""]), newline="")
    assert read_file_mapping(path) == dict(row.split(",") for row in rows[1:])


UNUSABLE_MAPPINGS = {
    "header only": (b"old,new\n", "has no rows"),
    "other columns": (b"from,to\na.tif,b.tif\n", "no column 'old' .found: from, to."),
    "short row": (b"old,new\na.tif\n", "line 2: '' is not a name like"),
    "path": (b"old,new\na.tif,../b.tif\n", "line 2: '../b.tif' is not a name like file_0.tif"),
    "twice": (b"old,new\na.tif,c.tif\nb.tif,c.tif\n", "line 3: c.tif is repeated in .* 'new'"),
    "not text": (b"old,new\n\xff\xfe.tif,b.tif\n", "not a CSV table"),
}


@pytest.mark.parametrize("kind", UNUSABLE_MAPPINGS)
def test_unusable_mapping_is_an_error_that_names_it(tmp_path, kind):
    content, reason = UNUSABLE_MAPPINGS[kind]
    path = tmp_path / "test_v2_file_mapping.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=reason) as raised:
        read_file_mapping(path)
    assert str(raised.value).count(str(path)) == 1


def test_missing_mapping_is_an_error(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_file_mapping(tmp_path / "test_v2_file_mapping.csv")


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=80))
def test_any_bytes_are_a_mapping_or_a_data_error(tmp_path, content):
    path = tmp_path / "test_v2_file_mapping.csv"
    path.write_bytes(b"old,new\n" + content)
    mapping = read_or_fail(read_file_mapping, path)
    assert mapping is None or all(
        name.endswith(".tif") for pair in mapping.items() for name in pair
    )
