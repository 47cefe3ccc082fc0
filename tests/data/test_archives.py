"""Archives: every kind gives the same files, and an unusable one is an error of one line."""

import io
import random
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import py7zr
import pytest

from planet_lib.data.archives import unpack_archive
from planet_lib.errors import DataError

FILES = {f"chips/chip_{i}.jpg": random.Random(i).randbytes(700 + i) for i in range(40)}


def make_zip(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def make_tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def make_7z(files: dict[str, bytes], **options) -> bytes:
    buffer = io.BytesIO()
    with py7zr.SevenZipFile(buffer, "w", **options) as archive:
        for name, content in files.items():
            archive.writestr(content, name)
    return buffer.getvalue()


def make_tar_7z(files: dict[str, bytes]) -> bytes:
    return make_7z({"a.tar": make_tar(files)})


MAKERS: dict[str, Callable] = {"a.zip": make_zip, "a.tar": make_tar, "a.tar.7z": make_tar_7z}


def unpack(folder: Path, name: str, content: bytes) -> dict[str, bytes]:
    """Unpack everything, below the contents' names; check that nothing else is left over."""
    (folder / name).write_bytes(content)
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    placed = []
    unpack_archive(folder / name, out, lambda path: placed.append(str(path)) or placed[-1])
    files = {str(path.relative_to(out)): path for path in out.rglob("*") if path.is_file()}
    assert files.keys() == set(placed)
    return {name: path.read_bytes() for name, path in files.items()}


def assert_refused(folder: Path, name: str, content: bytes, reason: str) -> None:
    with pytest.raises(DataError, match=reason) as caught:
        unpack(folder, name, content)
    assert str(caught.value).startswith(f"{folder / name}: cannot be unpacked (")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", MAKERS)
def test_every_kind_of_archive_gives_its_files(tmp_path, kind, capsys):
    files = unpack(tmp_path, kind, MAKERS[kind](FILES))
    assert {name[name.index("chips") :]: content for name, content in files.items()} == FILES
    assert f"{kind}: 100%" in capsys.readouterr().err


def test_backslashes_of_windows_part_folders(tmp_path):
    content = make_zip({"x.jpg": b"x"}).replace(b"x.jpg", rb"c\x.g")
    assert unpack(tmp_path, "a.zip", content) == {"a/c/x.g": b"x"}


def test_archives_in_archives_are_unpacked_below_their_names(tmp_path):
    inner = make_zip({"d.zip": make_zip({"e.jpg": b"e"})})
    content = make_zip({"b.tar.7z": make_tar_7z({"f.jpg": b"f"}), "c.zip": inner})
    files = unpack(tmp_path, "a.zip", content)
    assert files == {"a/b/a/f.jpg": b"f", "a/c/d/e.jpg": b"e"}


def test_links_are_skipped(tmp_path):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
            member = tarfile.TarInfo(f"special_{kind!r}")
            member.type, member.linkname = kind, "../../secret"
            archive.addfile(member)
        archive.addfile(tarfile.TarInfo("plain.jpg"))
    assert unpack(tmp_path, "a.tar", buffer.getvalue()) == {"a/plain.jpg": b""}


@pytest.mark.parametrize("kind", MAKERS)
def test_archive_cut_off_anywhere_is_refused(tmp_path, kind):
    content = MAKERS[kind](FILES).rstrip(b"\0")
    for share in (0, 0.3, 0.99):
        assert_refused(tmp_path, kind, content[: int(share * len(content))], "download it again")


@pytest.mark.parametrize("rest", [None, bytes(512), b"?" * 512], ids=["cut", "zeros", "noise"])
def test_tar_that_lacks_a_header_is_refused(tmp_path, rest):
    content = make_tar(FILES)
    at = content.index(b"chips/chip_20.jpg")
    content = content[:at] + (b"" if rest is None else rest + content[at + 512 :])
    assert_refused(tmp_path, "a.tar", content, "damaged or cut off")


def set_bit(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


ZIP = make_zip({"chip.jpg": b"chip"})
UNUSABLE = {
    "changed zip": ("a.zip", set_bit(make_zip(FILES), 20_000), "CRC"),
    "changed 7z": ("a.tar.7z", set_bit(make_tar_7z(FILES), 20_000), "download it again"),
    "table": ("a.tar.7z", b"image_name,tags\n" * 99, "not a 7z file"),
    "web page": ("a.zip", b"\n<!DOCTYPE html><title>Login</title>", "a web page.*sign in"),
    "zip with a password": ("a.zip", set_bit(ZIP, ZIP.index(b"PK\1\2") + 8), "password"),
    "7z with a password": ("a.tar.7z", make_7z({"a.tar": b""}, password="x"), "[Pp]assword"),
    "damage inside": ("a.zip", make_zip({"b.tar.7z": make_tar_7z(FILES)[:-1]}), "download"),
    "two files of one name": ("a.tar", make_tar({"a": b""})[:512] + make_tar({"a": b""}), "exists"),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_unusable_archive_is_an_error_of_one_line(tmp_path, kind):
    assert_refused(tmp_path, *UNUSABLE[kind])
