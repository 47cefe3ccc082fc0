"""Unpack zip, tar and 7z archives, and the archives inside them."""

import errno
import io
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO

from py7zr import SevenZipFile
from tqdm import tqdm

from planet_lib.data.content import name_content
from planet_lib.errors import DataError, shorten

ENDINGS = (".tar.7z", ".tar", ".zip")
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
BUFFER_BYTES = 1 << 20

Place = Callable[[PurePosixPath], str | None]


def name_contents(archive: str) -> str:
    """Name the contents of an archive by its file name.

    >>> name_contents("train-jpg.tar.7z"), name_contents("train_v2.csv.zip")
    ('train-jpg', 'train_v2.csv')
    """
    ending = next((end for end in ENDINGS if archive.lower().endswith(end)), "")
    return archive[: len(archive) - len(ending)]


def unpack_archive(archive: Path, folder: Path, place: Place) -> None:
    """Unpack the files of an archive that have a place, showing the progress.

    Only plain files are written, and only where `place` says; links, devices and hidden files are
    skipped.

    Parameters
    ----------
    archive : Path
        A file whose name has one of `ENDINGS`.
    folder : Path
        An existing folder. After an error it holds what was unpacked until then.
    place : callable
        Takes the path of a file in the archive, below the contents' name of each archive that
        holds it. Returns its path in `folder`, or None to skip the file.

    Raises
    ------
    DataError
        The archive is damaged, cut off or encrypted, two files have the same place, or the disk
        is full.
    """
    size = archive.stat().st_size
    try:
        with (
            tqdm(desc=archive.name, total=size, unit="B", unit_scale=True, mininterval=2) as bar,
            io.BufferedReader(_MeasuredFile(archive, bar), BUFFER_BYTES) as file,
            closing(_read_files(archive.name, file, folder)) as files,
        ):
            for path, content in files:
                if placed := place(path):
                    target = folder / placed
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with target.open("xb") as out:
                        shutil.copyfileobj(content, out, BUFFER_BYTES)
    except Exception as error:  # each library has errors of its own for damage
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            raise DataError(f"{archive}: the disk is full; make room and run again") from None
        raise DataError(
            f"{archive}: cannot be unpacked ({shorten(error)}); download it again, "
            "or unpack it by hand and give the folder"
        ) from None


class _MeasuredFile(io.FileIO):
    """A file that shows on a progress bar where it is read."""

    def __init__(self, path: Path, bar: tqdm) -> None:
        super().__init__(path)
        self._bar = bar

    def readinto(self, buffer: memoryview) -> int:
        count = super().readinto(buffer)
        self._bar.update(self.tell() - self._bar.n)
        return count


def _read_files(
    name: str, archive: IO[bytes], scratch: Path
) -> Iterator[tuple[PurePosixPath, IO[bytes]]]:
    """Give the files of an archive and of those inside it; read each before the next."""
    content = name_content(archive.peek(64)[:64])
    if content.startswith("a web page"):
        raise DataError("a web page, not an archive; sign in to Kaggle")
    if content.startswith("a pointer"):
        raise DataError(content)
    readers = {".zip": _read_zip, ".tar": _read_tar, ".7z": _read_7z}
    for member, content in readers[Path(name.lower()).suffix](archive, scratch):
        path = PurePosixPath(member.replace("\\", "/"))  # some zips from Windows have backslashes
        if path.name.startswith("."):  # macOS adds such a file to each
            continue
        packed = path.name.lower().endswith(ENDINGS)
        files = _read_files(path.name, content, scratch) if packed else [(path, content)]
        for inner, reader in files:
            yield PurePosixPath(name_contents(name)) / inner, reader


def _read_zip(archive: IO[bytes], scratch: Path) -> Iterator[tuple[str, IO[bytes]]]:
    with zipfile.ZipFile(archive) as members:
        for member in members.infolist():
            if not member.is_dir():
                with members.open(member) as content:
                    yield member.filename, content


def _read_tar(archive: IO[bytes], scratch: Path) -> Iterator[tuple[str, IO[bytes]]]:
    with tarfile.open(fileobj=archive, mode="r:") as members:
        for member in members:
            if member.isreg():
                yield member.name, members.extractfile(member)
    # tarfile takes a damaged or missing header for the end, which is a KiB of zeros or more.
    rest = archive.read(BUFFER_BYTES)
    if not rest or rest.strip(b"\0"):
        raise tarfile.ReadError("damaged or cut off")


def _read_7z(archive: IO[bytes], scratch: Path) -> Iterator[tuple[str, IO[bytes]]]:
    with TemporaryDirectory(dir=scratch) as folder:
        with SevenZipFile(archive) as members:
            members.extractall(folder)
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file() and not path.is_symlink():
                with path.open("rb") as content:
                    yield path.relative_to(folder).as_posix(), content
