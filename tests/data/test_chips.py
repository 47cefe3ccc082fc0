"""Chips: colours against OpenCV, and damaged files."""

import contextlib
import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from planet_lib.data.chips import decode_chip, read_chip
from planet_lib.errors import DataError

PROJECT = Path(__file__).parents[2]


def save(picture: Image.Image, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return buffer.getvalue()


def claim_size(jpeg: bytes, side_px: int) -> bytes:
    """Make a JPEG claim to be very large."""
    at = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:at] + struct.pack(">HH", side_px, side_px) + jpeg[at + 4 :]


def claim_png(side_px: int) -> bytes:
    """Make a small PNG claim to be very large."""
    png = save(Image.new("RGB", (256, 256)))
    header = b"IHDR" + struct.pack(">II", side_px, side_px) + png[24:29]
    return png[:12] + header + struct.pack(">I", zlib.crc32(header)) + png[33:]


DAMAGED = {
    "web page": (b"<html>404</html>", "but a web page; download the file again"),
    "empty": (b"", "but empty; download it again"),
    "zeros": (bytes(999), "but all zeros"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid", "but a pointer of Git LFS"),
    "TIFF": (save(Image.new("RGB", (256, 256)), "TIFF"), "but a TIFF"),
    "GIF": (save(Image.new("P", (256, 256)), "GIF"), "but a GIF picture"),
    "notes of macOS": (b"\0\5\26\7\0\2\0\0Mac OS X", "but macOS's notes on a file"),
    "text": (b"none", "but of an unknown kind"),
    "wrong size": (save(Image.new("RGB", (256, 255)), "JPEG"), "256 x 255 px, expected 256 x 256"),
    "grey": (save(Image.new("L", (256, 256)), "JPEG"), "a grey image, expected one in colour"),
    "grey PNG": (save(Image.new("L", (256, 256))), "a grey image, expected one in colour"),
    "16-bit PNG": (
        cv2.imencode(".png", np.ones((256, 256, 3), np.uint16))[1].tobytes(),
        "16 bits a channel, expected 8",
    ),
    "small PNG": (save(Image.new("RGB", (48, 48))), "48 x 48 px, expected 256 x 256"),
    "transparent PNG": (save(Image.new("RGBA", (256, 256))), "parts are transparent"),
    "truncated PNG": (save(Image.effect_noise((256, 256), 50).convert("RGB"))[:-999], "be decoded"),
    "PNG bomb": (claim_png(40_000), "40000 x 40000 px, expected"),
    "truncated WebP": (save(Image.new("RGB", (256, 256)), "WEBP")[:-20], "cannot be decoded"),
    "decompression bomb": (
        claim_size(save(Image.new("RGB", (256, 256)), "JPEG"), 65_000),
        "65000 x 65000 px, expected",
    ),
    "truncated JPEG": (save(Image.new("RGB", (256, 256)), "JPEG")[:-200], "cannot be decoded"),
}


def test_made_chip_has_four_components_and_no_adobe_marker(encode_chip, paint_chip):
    data = encode_chip(paint_chip("any"))
    frame = data.index(b"\xff\xc0")
    assert data[frame + 9] == 4
    assert b"Adobe" not in data


def test_four_component_chip_reads_in_its_colours(tmp_path, encode_chip, paint_chip):
    (tmp_path / "a.jpg").write_bytes(encode_chip(paint_chip("a")))
    chip = read_chip(tmp_path / "a.jpg")
    assert chip.shape == (256, 256, 3)
    assert chip.dtype == np.uint8
    np.testing.assert_allclose(chip.astype(int), paint_chip("a"), atol=2)


@pytest.mark.slow
def test_unpacking_and_storing_chips_needs_no_tensorflow_and_no_kaggle_client():
    code = (
        "import sys; sys.modules |= dict.fromkeys(['tensorflow', 'keras', 'kagglehub', 'requests'])"
    )
    modules = (
        "; import planet_lib.data.kaggle, planet_lib.data.ingest, planet_lib.evaluation.metrics"
    )
    subprocess.run([sys.executable, "-c", code + modules], check=True, cwd=PROJECT)


@pytest.mark.parametrize("kind", ["RGB", "like Planet's", "CMYK with black ink"])
def test_chip_reads_as_opencv(tmp_path, encode_chip, kind):
    picture = cv2.resize(
        np.random.default_rng(0).integers(0, 255, (32, 32, 4), np.uint8), (256,) * 2
    )
    data = {
        "RGB": save(Image.fromarray(picture[..., :3].copy()), "JPEG"),
        "like Planet's": encode_chip(picture[..., :3]),
        "CMYK with black ink": save(Image.frombytes("CMYK", (256, 256), picture.tobytes()), "JPEG"),
    }[kind]
    (tmp_path / "a.jpg").write_bytes(data)
    expected = cv2.cvtColor(cv2.imread(str(tmp_path / "a.jpg")), cv2.COLOR_BGR2RGB)
    # OpenCV rounds the product with black down, level by level.
    atol = 2 if kind == "CMYK with black ink" else 1
    chip = read_chip(tmp_path / "a.jpg")
    np.testing.assert_allclose(chip.astype(int), expected, atol=atol)
    out = np.zeros_like(chip)
    decode_chip(data, tmp_path / "a.jpg", out)
    np.testing.assert_array_equal(out, chip)


@pytest.mark.parametrize("kind", ["PNG", "opaque PNG", "PNG with a palette", "WebP"])
def test_picture_of_another_kind_called_jpg_reads_in_its_colours(tmp_path, paint_chip, kind):
    picture = Image.fromarray(paint_chip("a"))
    if kind == "opaque PNG":
        picture = picture.convert("RGBA")
    elif kind == "PNG with a palette":
        picture = picture.quantize(16)
    data = save(picture, "WEBP" if kind == "WebP" else "PNG")
    (tmp_path / "a.jpg").write_bytes(data)
    chip, out = read_chip(tmp_path / "a.jpg"), np.zeros((256, 256, 3), np.uint8)
    assert np.median(np.abs(chip.astype(int) - paint_chip("a"))) <= 3
    decode_chip(data, tmp_path / "a.jpg", out)
    np.testing.assert_array_equal(out, chip)


def test_real_chips_read_as_opencv_within_one_level(sample):
    for path in sorted((sample / "train-jpg").glob("*.jpg"))[::70]:
        expected = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        np.testing.assert_allclose(read_chip(path).astype(int), expected, atol=1)
        assert expected.max() > 0


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_chip_is_an_error_that_names_it(tmp_path, kind):
    data, reason = DAMAGED[kind]
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    with pytest.raises(DataError, match=reason) as raised:
        read_chip(path)
    assert str(raised.value).count(str(path)) == 1


def test_missing_chip_and_folder_are_errors(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_chip(tmp_path / "a.jpg")
    with pytest.raises(DataError, match="cannot be read"):
        read_chip(tmp_path)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_changed_or_cut_jpeg_reads_or_is_a_data_error(tmp_path, encode_chip, paint_chip, data):
    jpeg = bytearray(encode_chip(paint_chip("a")))
    for _ in range(data.draw(st.integers(0, 3))):
        jpeg[data.draw(st.integers(0, 700))] = data.draw(st.integers(0, 255))
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg[: data.draw(st.integers(0, len(jpeg)))])
    with contextlib.suppress(DataError):
        assert read_chip(path).shape == (256, 256, 3)
