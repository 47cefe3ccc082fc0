"""Archives from strangers: every kind unpacks alike, and only plain whole files come out."""

import io
import random
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path

import py7zr
import pytest

from planet_lib.data import archives
from planet_lib.data.archives import unpack_archive
from planet_lib.errors import DataError

FILES = [(f"chips/chip_{i}.jpg", random.Random(i).randbytes(700 + i)) for i in range(40)]
KINDS = ("a.zip", "a.tar", "a.tar.7z")


def make_tar(files: Iterable[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def make_zip(files: Iterable[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return buffer.getvalue()


def make_7z(files: Iterable[tuple[str, bytes]], **options) -> bytes:
    buffer = io.BytesIO()
    with py7zr.SevenZipFile(buffer, "w", **options) as archive:
        archive.set_encoded_header_mode(archive.header_encryption)
        for name, content in files:
            archive.writestr(content, name)
    return buffer.getvalue()


def rename_7z_method(content: bytes, method: bytes) -> bytes:
    """Change the identifier of ZSTD in the header of an archive, and the checksums."""
    offset, size = struct.unpack("<QQ", content[12:28])
    header = content[32 + offset :].replace(b"\x04\xf7\x11\x01", method)
    start = struct.pack("<QQI", offset, size, zlib.crc32(header))
    return (
        content[:8]
        + struct.pack("<I", zlib.crc32(start))
        + start
        + content[32 : 32 + offset]
        + header
    )


def make(kind: str, files: Iterable[tuple[str, bytes]]) -> bytes:
    if kind.endswith(".zip"):
        return make_zip(files)
    return make_tar(files) if kind.endswith(".tar") else make_7z([("a.tar", make_tar(files))])


def make_special_tar(**attributes) -> bytes:
    buffer = io.BytesIO()
    member = tarfile.TarInfo("chips/special")
    for name, value in attributes.items():
        setattr(member, name, value)
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(member)
    return buffer.getvalue()


def write(folder: Path, name: str, content: bytes) -> Path:
    (folder / name).write_bytes(content)
    return folder / name


def unpack(archive: Path) -> dict[str, bytes]:
    folder = archive.parent / "out"
    folder.mkdir()
    unpack_archive(archive, folder, lambda member, _: str(member))
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def assert_refused(archive: Path, reason: str) -> None:
    before = set(archive.parent.iterdir())
    with pytest.raises(DataError, match=reason) as caught:
        unpack(archive)
    assert str(caught.value).startswith(f"{archive}: ")
    assert "\n" not in str(caught.value)
    assert set(archive.parent.iterdir()) - before == {archive.parent / "out"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_archive_gives_its_files(tmp_path, kind):
    assert unpack(write(tmp_path, kind, make(kind, FILES))) == dict(FILES)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_every_zip_method_gives_its_files(tmp_path, method):
    assert unpack(write(tmp_path, "a.zip", make_zip(FILES, method))) == dict(FILES)


@pytest.mark.parametrize("kind", KINDS)
def test_member_without_a_place_is_left_out(tmp_path, kind):
    archive = write(tmp_path, kind, make(kind, FILES))
    (tmp_path / "out").mkdir()
    unpack_archive(
        archive, tmp_path / "out", lambda name, _: "one" if name.stem == "chip_7" else None
    )
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["one"]


def test_empty_file_and_long_name_survive(tmp_path):
    files = [("chips/empty.jpg", b""), (f"chips/{'n' * 150}.jpg", b"long")]
    assert unpack(write(tmp_path, "a.tar", make_tar(files))) == dict(files)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["../x.jpg", "chips/../../x.jpg", "/tmp/x.jpg", "c:\\x.jpg"])
def test_name_that_leads_out_is_refused(tmp_path, kind, name):
    archive = write(tmp_path, kind, make(kind, [*FILES, (name, b"out")]))
    assert_refused(archive, "leads out of the folder")
    assert not (tmp_path / "x.jpg").exists()


@pytest.mark.parametrize(
    "attributes",
    [
        {"type": tarfile.SYMTYPE, "linkname": "../../secret"},
        {"type": tarfile.LNKTYPE, "linkname": "chips/chip_0.jpg"},
        {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3},
        {"type": tarfile.FIFOTYPE},
    ],
    ids=["symbolic link", "hard link", "device", "pipe"],
)
@pytest.mark.parametrize("kind", ["a.tar", "a.tar.7z"])
def test_link_or_device_is_refused(tmp_path, kind, attributes):
    content = make_special_tar(**attributes)
    content = content if kind == "a.tar" else make_7z([("a.tar", content)])
    assert_refused(write(tmp_path, kind, content), "is a link or a device")


def test_link_in_a_zip_is_refused(tmp_path):
    member = zipfile.ZipInfo("chips/link")
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(member, "../../secret")
    assert_refused(tmp_path / "a.zip", "is a link or a device")


@pytest.mark.parametrize("kind", KINDS)
def test_bomb_is_refused_before_it_fills_the_disk(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(archives, "SMALL_BYTES", 10**6)
    monkeypatch.setattr(archives, "MAX_BYTES", 2 * 10**6)
    archive = write(tmp_path, kind, make(kind, [("chips/bomb.jpg", bytes(4 * 10**6))]))
    assert_refused(archive, "unpacks to over 0.00 GB")
    assert (tmp_path / "out/chips/bomb.jpg").stat().st_size <= 2 * 10**6


@pytest.mark.parametrize("kind", KINDS)
def test_more_files_than_the_limit_are_refused(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(archives, "MAX_FILES", 39)
    assert_refused(write(tmp_path, kind, make(kind, FILES)), "holds more than 39 files")


def test_limits_leave_room_for_the_whole_competition():
    chips, jpeg_bytes, tiff_bytes = 40_479 + 61_191, 16_000, 256 * 256 * 4 * 2
    assert 2 * 2 * chips < archives.MAX_FILES
    assert 1.8 * 2 * chips * (jpeg_bytes + tiff_bytes) < archives.MAX_BYTES
    assert archives.MAX_RATIO > 10 * 22 / 13.7  # of train-tif-v2


def test_header_that_would_fill_the_memory_is_refused(tmp_path):
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 2**33
    content = header.tobuf(tarfile.GNU_FORMAT) + bytes(2048)
    assert_refused(write(tmp_path, "a.tar", content), "a header of unlikely length")


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("kind", KINDS)
def test_archive_cut_off_anywhere_is_refused(tmp_path, kind, share):
    content = make(kind, FILES).rstrip(b"\0")
    archive = write(tmp_path, kind, content[: int(share * len(content))])
    assert_refused(archive, "damaged or cut off")


def test_tar_cut_off_between_two_files_is_refused(tmp_path):
    content = make_tar(FILES)
    archive = write(tmp_path, "a.tar", content[: content.index(b"chips/chip_20.jpg")])
    assert_refused(archive, "damaged or cut off")


@pytest.mark.parametrize("damage", [b"\0" * 512, b"?" * 512], ids=["zeros", "noise"])
def test_damaged_header_is_not_the_end_of_a_tar(tmp_path, damage):
    content = make_tar(FILES)
    start = content.index(b"chips/chip_20.jpg")
    content = content[:start] + damage + content[start + 512 :]
    assert_refused(write(tmp_path, "a.tar", content), "damaged or cut off")


@pytest.mark.parametrize("kind", ["a.zip", "a.tar.7z"])
def test_changed_byte_is_refused(tmp_path, kind):
    content = bytearray(make(kind, FILES))
    content[len(content) // 2] ^= 1
    assert_refused(write(tmp_path, kind, bytes(content)), "damaged or cut off")


@pytest.mark.parametrize("kind", KINDS)
def test_file_that_is_no_archive_is_refused(tmp_path, kind):
    assert_refused(write(tmp_path, kind, b"image_name,tags\n" * 99), "damaged or cut off")


@pytest.mark.parametrize("kind", KINDS)
def test_web_page_is_called_one(tmp_path, kind):
    archive = write(tmp_path, kind, b"\n<!DOCTYPE html><title>Login</title>")
    assert_refused(archive, "a web page under an archive's name; sign in")


@pytest.mark.parametrize("header_encryption", [False, True])
def test_7z_with_a_password_is_refused(tmp_path, header_encryption):
    content = make_7z(
        [("a.tar", make_tar(FILES))], password="secret", header_encryption=header_encryption
    )
    assert_refused(write(tmp_path, "a.tar.7z", content), "needs a password")


def test_zip_with_a_password_is_refused(tmp_path):
    content = bytearray(make_zip([("chip.jpg", b"chip")]))
    content[content.index(b"PK\1\2") + 8] |= 1
    assert_refused(write(tmp_path, "a.zip", bytes(content)), "needs a password")


def test_zip_method_that_python_lacks_is_named(tmp_path):
    content = bytearray(make_zip([("chip.jpg", b"chip")]))
    content[content.index(b"PK\1\2") + 10] = 97
    assert_refused(
        write(tmp_path, "a.zip", bytes(content)), "compression method.*unpack it by hand"
    )


def test_7z_method_that_py7zr_lacks_is_refused(tmp_path):
    content = make_7z([("a.tar", make_tar(FILES))], filters=[{"id": py7zr.FILTER_ZSTD}])
    archive = write(tmp_path, "a.tar.7z", rename_7z_method(content, b"\x04\xf7\x11\x7f"))
    assert_refused(archive, "its compression is unknown to py7zr; unpack it by hand")


def test_7z_of_several_files_is_refused(tmp_path):
    archive = write(tmp_path, "a.tar.7z", make_7z(FILES))
    assert_refused(archive, "holds 40 files, not one .tar; unpack it by hand")


def test_7z_of_something_else_than_a_tar_is_refused(tmp_path):
    content = make_7z([("a.tar", random.Random(0).randbytes(10**6))])
    assert_refused(write(tmp_path, "a.tar.7z", content), "damaged or cut off")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["chips/chip_0.jpg", "chips/CHIP_0.jpg"])
@pytest.mark.filterwarnings("ignore:Duplicate name")  # of zipfile, where the test makes the archive
def test_name_that_stands_twice_is_refused(tmp_path, kind, name):
    archive = write(tmp_path, kind, make(kind, [*FILES, (name, b"again")]))
    assert_refused(archive, "twice, or differs only in case")


def test_archives_in_archives_are_unpacked_and_removed(tmp_path):
    inner = make_zip([("d.zip", make_zip([("e.jpg", b"e")]))])
    content = make_zip([("b.tar.7z", make("b.tar.7z", FILES)), ("c.zip", inner)])
    assert unpack(write(tmp_path, "a.zip", content)) == dict(FILES) | {"e.jpg": b"e"}


def test_archives_nested_too_deep_are_refused(tmp_path):
    content = make_zip([("chip.jpg", b"")])
    for depth in range(4):
        content = make_zip([(f"{depth}.zip", content)])
    assert_refused(write(tmp_path, "a.zip", content), "3.zip: 2.zip: lies 2 archives deep")


def test_damage_in_an_inner_archive_names_both(tmp_path):
    content = make_zip([("b.tar.7z", make("b.tar.7z", FILES)[:-1])])
    assert_refused(write(tmp_path, "a.zip", content), r"a.zip: b.tar.7z: damaged or cut off")


def test_progress_reaches_the_size_of_the_archive(tmp_path, capsys):
    archive = write(tmp_path, "a.tar.7z", make("a.tar.7z", FILES))
    unpack(archive)
    assert "a.tar.7z: 100%" in capsys.readouterr().err
