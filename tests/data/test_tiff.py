"""TIFF chips: band order against two other writers, damaged files, the stretch, the agreement."""

import resource
import struct
import warnings
import zlib
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
    normalised_difference_vegetation_index,
    read_file_mapping,
    read_tiff,
    stretch_to_visual,
)
from planet_lib.errors import DataError

SHORT, LONG = (3, "H"), (4, "I")
WIDTH, HEIGHT, OFFSETS, BYTE_COUNTS, TILE_WIDTH, TILE_HEIGHT = 256, 257, 273, 279, 322, 323
MAX_GROWTH_MIB = 100


def paint_bands(seed: int = 0) -> np.ndarray:
    """Paint blocks whose bands differ and whose values need 16 bits."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(1, 2**16, (16, 16, 4), dtype=np.uint16)
    return blocks.repeat(16, axis=0).repeat(16, axis=1)


def encode_tiff(bands: np.ndarray, *, order: str = "<", tile_px: int = 0, **claims: int) -> bytes:
    """Encode red, green, blue, near infrared as the competition orders them, by the standard.

    One uncompressed strip, or deflated tiles; `claims` overwrite what tags say, by their number.
    """
    height, width, count = bands.shape
    samples = bands[..., [2, 1, 0, *range(3, count)]].astype(bands.dtype.newbyteorder(order))
    size = tile_px or height
    tiles = [
        samples[y : y + size, x : x + (tile_px or width)].tobytes()
        for y in range(0, height, size)
        for x in range(0, width, tile_px or width)
    ]
    blocks = [zlib.compress(tile) for tile in tiles] if tile_px else tiles
    tags = {
        WIDTH: (LONG, [width]),
        HEIGHT: (LONG, [height]),
        258: (SHORT, [8 * bands.itemsize] * count),
        259: (SHORT, [8 if tile_px else 1]),
        262: (SHORT, [1]),
        277: (SHORT, [count]),
        284: (SHORT, [1]),
        338: (SHORT, [0] * (count - 1)),
        339: (SHORT, [1] * count),
    }
    if tile_px:
        tags |= {TILE_WIDTH: (LONG, [tile_px]), TILE_HEIGHT: (LONG, [tile_px])}
    else:
        tags[278] = (LONG, [height])
    offsets, byte_counts = (324, 325) if tile_px else (OFFSETS, BYTE_COUNTS)
    sizes = [len(block) for block in blocks]
    tags[byte_counts] = (LONG, sizes)
    tags[offsets] = (LONG, [0] * len(blocks))
    data_at = 8 + 2 + 12 * len(tags) + 4
    block_at = data_at + sum(len(values) * struct.calcsize(c) for (_, c), values in tags.values())
    tags[offsets] = (LONG, [block_at + sum(sizes[:i]) for i in range(len(sizes))])
    entries, data = b"", b""
    for tag, ((kind, code), values) in sorted(tags.items()):
        values = [claims.get(str(tag), values[0])] if len(values) == 1 else values
        packed = struct.pack(f"{order}{len(values)}{code}", *values)
        place = packed.ljust(4, b"\0")
        if len(packed) > 4:
            place = struct.pack(f"{order}I", data_at + len(data))
            data += packed
        entries += struct.pack(f"{order}HHI", tag, kind, len(values)) + place
    magic = b"II" if order == "<" else b"MM"
    head = magic + struct.pack(f"{order}HIH", 42, 8, len(tags)) + entries + bytes(4)
    return (head + data).ljust(block_at, b"\0") + b"".join(blocks)


def write_with_rasterio(path: Path, bands: np.ndarray, **options) -> None:
    profile = {"width": bands.shape[1], "height": bands.shape[0], "count": bands.shape[2]}
    profile |= {"driver": "GTiff", "dtype": bands.dtype}
    with (
        warnings.catch_warnings(action="ignore", category=NotGeoreferencedWarning),
        rasterio.open(path, "w", **profile, **options) as target,
    ):
        target.write(np.moveaxis(bands[..., [2, 1, 0, 3]], -1, 0))


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


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("tile_px", [0, 64])
def test_file_written_by_the_standard_reads_red_green_blue_nir(tmp_path, order, tile_px):
    path = tmp_path / "train_0.tif"
    path.write_bytes(encode_tiff(paint_bands(), order=order, tile_px=tile_px))
    bands = read_tiff(path)
    assert bands.shape == (256, 256, 4)
    assert bands.dtype == np.uint16
    np.testing.assert_array_equal(bands, paint_bands())


@pytest.mark.parametrize("compression", [1, 5, 8])
def test_file_written_by_opencv_reads_red_green_blue_nir(tmp_path, compression):
    path = str(tmp_path / "train_0.tif")
    # OpenCV writes its first channel third: red given first lies where the competition has it.
    assert cv2.imwrite(path, paint_bands(), [cv2.IMWRITE_TIFF_COMPRESSION, compression])
    np.testing.assert_array_equal(read_tiff(Path(path)), paint_bands())


@pytest.mark.parametrize("compress", ["none", "lzw", "deflate"])
@pytest.mark.parametrize("interleave", ["pixel", "band"])
@pytest.mark.parametrize("photometric", ["minisblack", "rgb"])
def test_file_written_by_gdal_reads_whatever_its_layout(
    tmp_path, compress, interleave, photometric
):
    predictor = {} if compress == "none" else {"predictor": 2}
    options = {"compress": compress, "interleave": interleave, "photometric": photometric}
    write_with_rasterio(tmp_path / "a.tif", paint_bands(), **options, **predictor)
    np.testing.assert_array_equal(read_tiff(tmp_path / "a.tif"), paint_bands())


def test_many_threads_read_without_a_warning(tmp_path):
    paths = [tmp_path / f"train_{i}.tif" for i in range(40)]
    for seed, path in enumerate(paths):
        path.write_bytes(encode_tiff(paint_bands(seed)))
    before = warnings.filters.copy()
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(read_tiff, paths))
    assert warnings.filters == before
    for seed, bands in enumerate(read):
        np.testing.assert_array_equal(bands, paint_bands(seed))


def test_files_beside_the_chip_are_ignored(tmp_path):
    (tmp_path / "a.tif").write_bytes(encode_tiff(paint_bands()))
    (tmp_path / "a.tif.aux.xml").write_text("<PAMDataset><damaged")
    (tmp_path / "a.tfw").write_text("no numbers")
    np.testing.assert_array_equal(read_tiff(tmp_path / "a.tif"), paint_bands())


DAMAGED = {
    "zero bytes": (b"", "cannot be decoded"),
    "text": (b"<html>404</html>", "cannot be decoded"),
    "virtual dataset": (b'<VRTDataset rasterXSize="1" rasterYSize="1"/>', "cannot be decoded"),
    "wrong size": (encode_tiff(paint_bands()[:255]), "256 x 255 px, expected 256 x 256"),
    "three bands": (encode_tiff(paint_bands()[..., :3]), "band count 3, expected 4"),
    "five bands": (encode_tiff(np.dstack([paint_bands()] * 2)[..., :5]), "band count 5"),
    "eight bits": (encode_tiff(paint_bands().astype(np.uint8)), "type uint8, expected uint16"),
    "32 bits": (encode_tiff(paint_bands().astype(np.uint32)), "type uint32"),
    "all zero": (encode_tiff(np.zeros_like(paint_bands())), "every value is 0"),
    "huge": (
        encode_tiff(paint_bands(), **{str(WIDTH): 100_000, str(HEIGHT): 100_000}),
        "100000 x 100000 px, expected 256 x 256",
    ),
    "huge tiles": (
        encode_tiff(
            paint_bands(), tile_px=256, **{str(TILE_WIDTH): 16_384, str(TILE_HEIGHT): 16_384}
        ),
        "tiles of 16384 x 16384 px",
    ),
    "beyond the end": (encode_tiff(paint_bands(), **{str(OFFSETS): 2**31}), "cannot be decoded"),
    "cut header": (encode_tiff(paint_bands())[:60], "cannot be decoded"),
    "cut pixels": (encode_tiff(paint_bands())[:-10], "cannot be decoded"),
    "cut tile": (encode_tiff(paint_bands(), tile_px=64)[:-10], "cannot be decoded"),
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
    with pytest.raises(DataError, match="cannot be decoded"):
        read_tiff(tmp_path)


# https://github.com/rasterio/rasterio/issues/3128: its log cannot decode what quotes damaged bytes.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_changed_or_cut_tiff_reads_or_is_a_data_error(tmp_path, data):
    tile_px = data.draw(st.sampled_from([0, 128]))
    tiff = bytearray(encode_tiff(paint_bands(), tile_px=tile_px))
    for _ in range(data.draw(st.integers(0, 4))):
        tiff[data.draw(st.integers(0, 300))] = data.draw(st.integers(0, 255))
    path = tmp_path / "a.tif"
    path.write_bytes(tiff[: data.draw(st.sampled_from([len(tiff), len(tiff) // 2, 300, 40]))])
    before_mib = measure_peak_mib()
    bands = read_or_fail(read_tiff, path)
    assert bands is None or bands.shape == (256, 256, 4)
    assert measure_peak_mib() - before_mib < MAX_GROWTH_MIB


def ramp() -> np.ndarray:
    """Make every digital number once, the same in all bands."""
    return np.arange(2**16, dtype=np.uint16).reshape(256, 256, 1).repeat(4, axis=2)


def test_stretch_is_monotone_and_reaches_both_ends():
    levels = stretch_to_visual(ramp()).reshape(-1, 3)
    assert levels.dtype == np.uint8
    assert (np.diff(levels.astype(int), axis=0) >= 0).all()
    assert set(np.diff(levels.astype(int), axis=0).ravel()) == {0, 1}
    np.testing.assert_array_equal(levels[0], 0)
    np.testing.assert_array_equal(levels[-1], 255)


def test_stretch_has_the_documented_limits():
    levels = stretch_to_visual(ramp()).reshape(-1, 3)
    for band, (black, white) in enumerate([(1561, 6400), (2538, 7595), (3222, 9105)]):
        assert levels[black, band] == 0 < levels[black + 20, band]
        assert levels[white - 20, band] < 255 == levels[white, band]


def test_stretch_leaves_its_input_and_the_near_infrared_alone():
    bands = paint_bands()
    expected = stretch_to_visual(bands)
    bands[..., 3] = 0
    kept = bands.copy()
    np.testing.assert_array_equal(stretch_to_visual(bands), expected)
    np.testing.assert_array_equal(bands, kept)


def unstretch(rgb: np.ndarray) -> np.ndarray:
    """Give digital numbers that stretch to a picture, by looking every level up."""
    levels = stretch_to_visual(ramp()).reshape(-1, 3)
    bands = [np.searchsorted(levels[:, c], rgb[..., c], side="left") for c in range(3)]
    return np.dstack([*bands, bands[0]]).astype(np.uint16)


def test_picture_survives_the_way_through_a_file(tmp_path, paint_chip):
    (tmp_path / "a.tif").write_bytes(encode_tiff(unstretch(paint_chip("a"))))
    np.testing.assert_array_equal(stretch_to_visual(read_tiff(tmp_path / "a.tif")), paint_chip("a"))


def test_vegetation_index_of_known_bands():
    bands = np.zeros((2, 3, 4), np.uint16)
    bands[..., 0] = [[0, 0, 3000], [3000, 1, 65535]]
    bands[..., 3] = [[0, 5000, 0], [9000, 1, 65535]]
    index = normalised_difference_vegetation_index(bands)
    assert index.dtype == np.float32
    np.testing.assert_array_equal(index, np.float32([[0, 1, -1], [0.5, 0, 0]]))


def test_vegetation_index_stays_in_its_range():
    index = normalised_difference_vegetation_index(paint_bands())
    assert index.shape == (256, 256)
    assert np.abs(index).max() <= 1
    np.testing.assert_allclose(
        normalised_difference_vegetation_index(paint_bands()[..., [3, 1, 2, 0]]), -index
    )


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


@pytest.mark.parametrize(("down", "right"), [(0, 12), (-30, 0), (25, -40), (60, 60)])
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
        radiance = unstretch(chip) + rng.normal(0, 60, (256, 256, 4))
        tiff_rgb = stretch_to_visual(radiance.clip(0, 2**16 - 1).astype(np.uint16))
        assert measure_agreement(tiff_rgb, chip).shifted_correlation > 0.6
        assert measure_agreement(tiff_rgb, other).shifted_correlation < 0.5


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_mapping_leads_from_the_old_name_to_the_new(tmp_path, newline):
    path = tmp_path / "test_v2_file_mapping.csv"
    rows = ["old,new", "file_0.tif,file_7.tif", "file_7.tif,file_0.tif", "file_3.tif,file_3.tif"]
    path.write_text(newline.join([*rows, ""]), newline="")
    mapping = read_file_mapping(path)
    assert mapping == dict(row.split(",") for row in rows[1:])


UNUSABLE_MAPPINGS = {
    "empty": ("", "has no rows"),
    "header only": ("old,new\n", "has no rows"),
    "other columns": ("from,to\na.tif,b.tif\n", "no column 'old' .found: from, to."),
    "short row": ("old,new\na.tif\n", "line 2: '' is no name like"),
    "other ending": ("old,new\na.tif,b.jpg\n", "line 2: 'b.jpg' is no name like file_0.tif"),
    "path": ("old,new\na.tif,../b.tif\n", "line 2: '../b.tif' is no name"),
    "old twice": ("old,new\na.tif,b.tif\na.tif,c.tif\n", "line 3: a.tif stands twice in .* 'old'"),
    "new twice": ("old,new\na.tif,c.tif\nb.tif,c.tif\n", "line 3: c.tif stands twice in .* 'new'"),
    "not text": (b"old,new\n\xff\xfe.tif,b.tif\n", "not a CSV table"),
}


@pytest.mark.parametrize("kind", UNUSABLE_MAPPINGS)
def test_unusable_mapping_is_an_error_that_names_it(tmp_path, kind):
    text, reason = UNUSABLE_MAPPINGS[kind]
    path = tmp_path / "test_v2_file_mapping.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=reason) as raised:
        read_file_mapping(path)
    assert str(raised.value).count(str(path)) == 1


def test_missing_mapping_is_an_error(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_file_mapping(tmp_path / "test_v2_file_mapping.csv")


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=80))
def test_any_bytes_are_a_mapping_or_a_data_error(tmp_path, content):
    path = tmp_path / "test_v2_file_mapping.csv"
    path.write_bytes(b"old,new\n" + content)
    mapping = read_or_fail(read_file_mapping, path)
    assert mapping is None or all(
        name.endswith(".tif") for pair in mapping.items() for name in pair
    )
