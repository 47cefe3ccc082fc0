"""Unpack zip, tar and 7z archives from strangers: only plain files, only where they may go."""

import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from lzma import LZMAError
from os import pipe
from pathlib import Path, PurePosixPath
from typing import IO

from py7zr import SevenZipFile
from py7zr.exceptions import PasswordRequired, UnsupportedCompressionMethodError
from py7zr.io import Py7zIO, WriterFactory
from tqdm import tqdm

from planet_lib.errors import DataError

ENDINGS = (".tar.7z", ".tar", ".zip")
# Twice the whole competition in one archive: 203,340 chips, 54 GB of TIFF and what they came in.
MAX_FILES = 500_000
MAX_BYTES = 200 * 10**9
MAX_RATIO = 100
SMALL_BYTES = 50 * 10**6  # up to this any ratio is harmless
MAX_NESTING = 2
MAX_HEADER_BYTES = 1 << 16
CHUNK_BYTES = 1 << 20
NO_PASSWORD = "needs a password, which Kaggle's archives never do; download it again"
LONG_HEADERS = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)

Place = Callable[[PurePosixPath, Path], str | None]


def unpack_archive(archive: Path, folder: Path, place: Place) -> None:
    """Unpack what is wanted of an archive, and of the archives in it.

    Parameters
    ----------
    archive : Path
        A file whose name has one of `ENDINGS`. A ``.tar.7z`` is streamed: its tar is never on the
        disk.
    folder : Path
        It exists and is empty; after an error it holds what was unpacked until then.
    place : callable
        Takes a member's name and the path of the archive that it is in; returns where in `folder`
        it goes, or None to leave it out. An archive that is placed is unpacked in its turn.

    Raises
    ------
    DataError
        The archive is damaged, cut off, encrypted, made with an unknown method, or unsafe: a name
        that leads out of the folder, a link or device, a name twice, or too much of anything.
    """
    _unpack(archive, folder, place, _Tally(archive.stat().st_size), shown=str(archive), depth=0)


class _Refusal(Exception):
    """What is wrong with an archive and the cure; `_explain` adds which archive."""


@dataclass
class _Tally:
    """What came out of an archive and those in it, held against the limits."""

    packed_bytes: int
    unpacked_bytes: int = 0
    names: set[str] = field(default_factory=set)

    def add_file(self, name: str) -> None:
        if name.lower() in self.names:
            raise _Refusal(f"{name} stands in it twice, or differs only in case; unpack it by hand")
        self.names.add(name.lower())
        if len(self.names) > MAX_FILES:
            raise _Refusal(f"holds more than {MAX_FILES:,} files; it is not the competition's")

    def add_bytes(self, count: int) -> None:
        self.unpacked_bytes += count
        limit = min(MAX_BYTES, max(SMALL_BYTES, MAX_RATIO * self.packed_bytes))
        if self.unpacked_bytes > limit:
            raise _Refusal(f"unpacks to over {limit / 1e9:,.2f} GB; it is not the competition's")


def _unpack(
    archive: Path, folder: Path, place: Place, tally: _Tally, *, shown: str, depth: int
) -> None:
    inner = []
    size = archive.stat().st_size
    with (
        _explain(shown),
        archive.open("rb") as file,
        tqdm(total=size, desc=archive.name, unit="B", unit_scale=True, mininterval=2) as bar,
        closing(_read_members(file, archive.name)) as members,
    ):
        for name, reader in members:
            placed = place(name, archive)
            if placed is None:
                continue
            tally.add_file(placed)
            path = folder / placed
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as out:
                while chunk := reader.read(CHUNK_BYTES):
                    tally.add_bytes(len(chunk))
                    out.write(chunk)
                    bar.update(file.tell() - bar.n)
            if placed.lower().endswith(ENDINGS):
                inner.append(path)
        bar.update(size - bar.n)
        if inner and depth == MAX_NESTING:
            raise _Refusal(f"lies {depth} archives deep and holds archives; unpack it by hand")
    for path in inner:
        _unpack(path, folder, place, tally, shown=f"{shown}: {path.name}", depth=depth + 1)
        path.unlink()


@contextmanager
def _explain(shown: str) -> Iterator[None]:
    try:
        yield
    except _Refusal as error:
        raise DataError(f"{shown}: {error}") from None
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, LZMAError, EOFError) as error:
        raise DataError(f"{shown}: {_describe_damage(error)}") from None
    except NotImplementedError as error:
        raise DataError(f"{shown}: {error}; unpack it by hand and give the folder") from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise DataError(f"{shown}: {_describe_damage(error)}") from None  # bzip2's word for it


def _describe_damage(error: Exception) -> str:
    return f"damaged or cut off ({str(error) or type(error).__name__}); download it again"


def _read_members(file: IO[bytes], name: str) -> Iterator[tuple[PurePosixPath, IO[bytes]]]:
    """Give the plain files of an archive in its order; each is to be read before the next."""
    if file.peek(64).lstrip().startswith(b"<"):
        raise _Refusal("a web page under an archive's name; sign in to Kaggle and download again")
    if name.lower().endswith(".zip"):
        yield from _read_zip(file)
        return
    with _open_7z(file) if name.lower().endswith(".7z") else nullcontext(file) as stream:
        yield from _read_tar(stream)


def _check_name(name: str, *, plain: bool) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.name or set(name) & set("\\:\0"):
        raise _Refusal(f"{name!r} leads out of the folder; it is not the competition's")
    if not plain:
        raise _Refusal(f"{name!r} is a link or a device; it is not the competition's")
    return path


def _read_zip(file: IO[bytes]) -> Iterator[tuple[PurePosixPath, IO[bytes]]]:
    try:
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                if member.is_dir():
                    continue
                kind = stat.S_IFMT(member.external_attr >> 16)
                path = _check_name(member.filename, plain=kind in (0, stat.S_IFREG))
                if member.flag_bits & 1:
                    raise _Refusal(NO_PASSWORD)
                with archive.open(member) as reader:
                    yield path, reader
    except (OSError, ValueError, IndexError) as error:  # offsets and names that make no sense
        raise _Refusal(_describe_damage(error)) from None


class _StrictHeader(tarfile.TarInfo):
    """A header whose damage is an error, where tarfile takes it for the end of the archive."""

    @classmethod
    def frombuf(cls, buf: bytes, encoding: str, errors: str) -> "_StrictHeader":
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.EOFHeaderError:
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from None
        if header.type in LONG_HEADERS and header.size > MAX_HEADER_BYTES:
            raise tarfile.ReadError("a header of unlikely length")
        return header


def _read_tar(stream: IO[bytes]) -> Iterator[tuple[PurePosixPath, IO[bytes]]]:
    with tarfile.open(fileobj=stream, mode="r|", tarinfo=_StrictHeader) as archive:
        while (member := archive.next()) is not None:
            archive.members.clear()  # it would keep every header to the end
            if not member.isdir():
                plain = member.isreg() and not member.issparse()
                path = _check_name(member.name, plain=plain)
                yield path, archive.extractfile(member)
        while rest := archive.fileobj.read(CHUNK_BYTES):  # to the end, where 7z has its checksum
            if rest.strip(b"\0"):
                raise tarfile.ReadError("a hole of zeros")


class _PipeEnd(WriterFactory, Py7zIO):
    """Where py7zr writes the one member of an archive."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def create(self, filename: str) -> Py7zIO:
        return self

    def write(self, s: bytes | bytearray) -> int:
        return self._file.write(s)

    def read(self, size: int | None = None) -> bytes:
        return b""

    def seek(self, offset: int, whence: int = 0) -> int:
        return offset

    def flush(self) -> None:
        self._file.flush()

    def size(self) -> int:
        return 0


@contextmanager
def _open_7z(file: IO[bytes]) -> Iterator[IO[bytes]]:
    """Decompress the one member of a 7z archive in a thread, as a stream."""
    source, sink = pipe()
    with ThreadPoolExecutor(1) as pool, open(source, "rb") as stream:
        work = pool.submit(_decompress_7z, file, sink)
        try:
            yield stream
        except tarfile.TarError:
            stream.close()
            if not isinstance(work.exception(), BrokenPipeError):
                work.result()
            raise
        work.result()


def _decompress_7z(file: IO[bytes], sink: int) -> None:
    with open(sink, "wb") as pipe_end:
        try:
            with SevenZipFile(file) as archive:
                members = [member for member in archive.list() if not member.is_directory]
                if len(members) != 1:
                    raise _Refusal(f"holds {len(members)} files, not one .tar; unpack it by hand")
                archive.extractall(factory=_PipeEnd(pipe_end))
        except (_Refusal, OSError):
            raise
        except PasswordRequired:
            raise _Refusal(NO_PASSWORD) from None
        except UnsupportedCompressionMethodError:
            raise _Refusal("its compression is unknown to py7zr; unpack it by hand") from None
        except Exception as error:  # whatever its parser stumbles over
            raise _Refusal(_describe_damage(error)) from None
