"""Read a chip: its size and its colours."""

import io
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from planet_lib.data.content import PNG, WEBP, name_content
from planet_lib.errors import DataError, shorten

CHIP_PX = 256
JPEG_START = b"\xff\xd8"
# Not PIL.Image.open, which warns of sizes that `decode_chip` refuses.
OTHER_READERS = {PNG: PngImageFile, WEBP: WebPImageFile}
PNG_BITS = 24  # the byte of a PNG that holds its bits a channel
MODES_IN_COLOUR = ("RGB", "RGBA", "P")


def read_chip(path: Path) -> np.ndarray:
    """Read a chip as RGB, as `decode_chip` does."""
    return decode_chip(read_file(path), path)


def read_file(path: Path) -> bytes:
    """Read a whole file, or raise a DataError that names it."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None


def decode_chip(data: bytes, path: Path, out: np.ndarray | None = None) -> np.ndarray:
    """Decode a chip as RGB, by its content and not by its name.

    The competition's JPEGs have four components and no Adobe marker: inverted CMYK, where RGB is
    the first three times the fourth. OpenCV and Pillow agree within one level; TensorFlow's decoder
    silently returns black.

    Parameters
    ----------
    data : bytes
        The file: a JPEG, or a PNG or WebP of 8 bits without transparency.
    path : Path
        The file's path, for error messages.
    out : ndarray of shape (256, 256, 3), uint8, optional
        Array to write the chip to, instead of a new one.

    Returns
    -------
    ndarray of shape (256, 256, 3), uint8
        RGB.

    Raises
    ------
    DataError
        The file is no such picture, or truncated, or of another size or colour space.
    """
    if data.startswith(JPEG_START):
        return _decode_jpeg(data, path, out)
    content = name_content(data[:64])
    if content not in OTHER_READERS:
        raise DataError(f"{path}: not a picture that can be read, but {content}")
    refuse_16_bits(data, path)
    chip = _decode_other(OTHER_READERS[content], data, path)
    if out is None:
        return chip
    out[...] = chip
    return out


def refuse_16_bits(data: bytes, path: Path) -> None:
    """Refuse a PNG of 16 bits a channel, of which Pillow would keep the upper eight."""
    if name_content(data[:64]) == PNG and data[PNG_BITS : PNG_BITS + 1] == b"\x10":
        raise DataError(f"{path}: 16 bits a channel, expected 8")


def _decode_jpeg(data: bytes, path: Path, out: np.ndarray | None) -> np.ndarray:
    height, width, colour_space = read_jpeg_header(data, path)
    _check(path, width, height, grey=colour_space == "Gray")
    return decode_jpeg(data, path, out)


def read_jpeg_header(data: bytes, path: Path) -> tuple[int, int, str]:
    """Read a JPEG's height and width in pixels and its colour space, as simplejpeg names it."""
    try:
        height, width, colour_space, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError as error:
        raise DataError(f"{path}: cannot be decoded ({error})") from None
    return height, width, colour_space


def decode_jpeg(data: bytes, path: Path, out: np.ndarray | None = None) -> np.ndarray:
    """Decode a JPEG of any size as RGB; see `decode_chip` for four components."""
    _, _, colour_space = read_jpeg_header(data, path)
    if colour_space == "Gray":
        raise DataError(f"{path}: a grey image, expected one in colour")
    try:
        if colour_space not in ("CMYK", "YCCK"):
            return simplejpeg.decode_jpeg(data, "RGB", buffer=out)
        inverted = simplejpeg.decode_jpeg(data, "CMYK")
    except ValueError as error:
        raise DataError(f"{path}: cannot be decoded ({error})") from None
    rgb = cv2.cvtColor(inverted, cv2.COLOR_RGBA2RGB, out)
    black = cv2.extractChannel(inverted, 3)
    if black.min() < 255:
        cv2.multiply(rgb, cv2.merge([black] * 3), rgb, scale=1 / 255)
    return rgb


def _decode_other(
    reader: type[PngImageFile | WebPImageFile], data: bytes, path: Path
) -> np.ndarray:
    try:
        with reader(io.BytesIO(data)) as picture:
            _check(path, *picture.size, grey=picture.mode not in MODES_IN_COLOUR)
            pixels = np.asarray(picture.convert("RGBA"))
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise DataError(f"{path}: cannot be decoded ({shorten(error)})") from None
    if pixels[..., 3].min() < 255:
        raise DataError(f"{path}: parts are transparent, expected a full picture")
    return np.ascontiguousarray(pixels[..., :3])


def _check(path: Path, width: int, height: int, *, grey: bool) -> None:
    if (height, width) != (CHIP_PX, CHIP_PX):
        raise DataError(f"{path}: {width} x {height} px, expected {CHIP_PX} x {CHIP_PX}")
    if grey:
        raise DataError(f"{path}: a grey image, expected one in colour")
