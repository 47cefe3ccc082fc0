"""The competition's data set: fetched with the user's account, its archives unpacked once.

`unpack_dataset` unpacks an archive to ``unpacked/<its name>/`` in the target folder; links beside
it make up Kaggle's layout from what was unpacked and what needed no unpacking.
"""

import errno
import json
import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path, PurePosixPath

from planet_lib.data.archives import ENDINGS, unpack_archive
from planet_lib.data.catalogue import (
    LABELLED_FOLDER,
    LABELLED_TIFFS,
    LABELS_FILE,
    MAPPING_FILE,
    UNLABELLED_FOLDERS,
    UNLABELLED_TIFFS,
)
from planet_lib.errors import DataError

COMPETITION = "planet-understanding-the-amazon-from-space"
PAGE = f"https://www.kaggle.com/competitions/{COMPETITION}"
TABLES = (LABELS_FILE, "sample_submission_v2.csv", MAPPING_FILE)
JPEG_FOLDERS = (LABELLED_FOLDER, *UNLABELLED_FOLDERS)
TIFF_FOLDERS = (LABELLED_TIFFS, UNLABELLED_TIFFS)
FETCHED = (LABELS_FILE, "sample_submission_v2.csv", *JPEG_FOLDERS)
KNOWN = (*TABLES, *JPEG_FOLDERS, *TIFF_FOLDERS)
RECORD = "archive.json"
DOWNLOADS = "downloading"
NEW_TOKEN = (
    "make one at https://www.kaggle.com/settings/api and put it into KAGGLE_API_TOKEN "
    "or ~/.kaggle/access_token"
)
REFUSALS = {
    HTTPStatus.UNAUTHORIZED: f"Kaggle does not know this token; {NEW_TOKEN}",
    HTTPStatus.FORBIDDEN: f"accept the rules at {PAGE}/rules, signed in as the token's owner",
}
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


def unpack_dataset(source: Path, target: Path, *, folders: Collection[str] = JPEG_FOLDERS) -> Path:
    """Unpack the archives of a data set that are not unpacked yet.

    What an interrupted call unpacked whole is kept; the archive it was at is unpacked anew.

    Parameters
    ----------
    source : Path
        A folder with Kaggle's files, folders and archives in any mix (of a folder and its archive,
        the folder counts), or one archive.
    target : Path
        Made where something needs unpacking.
    folders : collection of str
        The chips to unpack, of `JPEG_FOLDERS` and `TIFF_FOLDERS`; the tables always are.

    Returns
    -------
    Path
        The folder to read: `source` where nothing needs unpacking, else `target`.

    Raises
    ------
    DataError
        An archive is unusable or not the competition's, or the disk is full.
    """
    wanted = {*folders, *TABLES}
    archives = _find_archives(source)
    found = _find_unpacked(source, wanted) if source.is_dir() else {}
    in_place = all(path == source / name for name, path in found.items())
    if in_place and not any(_choose_contents(path, wanted - found.keys()) for path in archives):
        return source
    _check_target(source, target, wanted)
    for archive in archives:
        if contents := _choose_contents(archive, wanted - found.keys()):
            unpacked = _unpack_once(archive, target / "unpacked", contents)
            found |= {name: unpacked / name for name in contents if (unpacked / name).exists()}
    if not found:
        raise DataError(f"{source}: holds none of the competition's files, such as {LABELS_FILE}")
    _link_contents(found, target, wanted)
    return target


def name_contents(archive: str) -> str:
    """Name what an archive holds, after its own name.

    >>> name_contents("train-jpg.tar.7z"), name_contents("train_v2.csv.zip")
    ('train-jpg', 'train_v2.csv')
    """
    name = archive.lower()
    return next((name.removesuffix(end) for end in ENDINGS if name.endswith(end)), name)


def _find_archives(source: Path) -> list[Path]:
    """List a folder's archives that have Kaggle's names, the one of everything last."""
    if source.is_file():
        if not source.name.lower().endswith(ENDINGS):
            allowed = ", ".join(ENDINGS)
            raise DataError(f"{source}: no archive; give a folder, or a file ending in {allowed}")
        return [source]
    if not source.is_dir():
        raise DataError(f"{source}: no such folder; point DATA at the one that has {LABELS_FILE}")
    archives = [
        path
        for path in sorted(source.iterdir())
        if path.name.lower().endswith(ENDINGS) and path.is_file()
    ]
    named = [path for path in archives if name_contents(path.name) in (*KNOWN, COMPETITION)]
    if archives and not named and not _find_unpacked(source, KNOWN):
        raise DataError(
            f"{source}: no archive is named as Kaggle names them ({LABELLED_FOLDER}.tar.7z, ...); "
            f"rename it, or give the file itself: DATA={archives[0]}"
        )
    return sorted(named, key=lambda path: name_contents(path.name) == COMPETITION)


def _choose_contents(archive: Path, missing: Collection[str]) -> set[str]:
    name = name_contents(archive.name)
    return set(missing) & {name} if name in KNOWN else set(missing)


def _find_unpacked(source: Path, wanted: Collection[str]) -> dict[str, Path]:
    found = {}
    for entry in sorted(source.iterdir()):
        name = entry.name.lower()
        if name not in wanted:
            continue
        # Kaggle's own download tool makes train_v2.csv/train_v2.csv.
        path = entry / name if name in TABLES and entry.is_dir() else entry
        if not (path.is_file() if name in TABLES else path.is_dir() and any(path.iterdir())):
            continue
        if name in found:
            raise DataError(f"{entry}: differs only in case from {found[name].name}; remove one")
        found[name] = path
    return found


def _check_target(source: Path, target: Path, wanted: Collection[str]) -> None:
    if target.resolve() == source.resolve():
        raise DataError(f"{target}: holds the archives themselves; unpack to another folder")
    for name in sorted(wanted):
        if (target / name).exists() and not (target / name).is_symlink():
            raise DataError(f"{target / name}: is in the way; unpack to another folder")


def _unpack_once(archive: Path, store: Path, contents: Collection[str]) -> Path:
    """Unpack an archive unless its record says that this is done; return the folder."""
    unpacked, partial = store / archive.name, store / f"{archive.name}.partial"
    status = archive.stat()
    record = {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns, "names": sorted(contents)}
    if _read_record(unpacked / RECORD) == record:
        return unpacked

    def place(member: PurePosixPath, inside: Path) -> str | None:
        placed = _place_member(member, name_contents(inside.name))
        wanted = placed and name_contents(PurePosixPath(placed).parts[0]) in contents
        return placed if wanted else None

    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        unpack_archive(archive, partial, place)
        for path in partial.rglob("*"):  # the same times if it is unpacked again
            os.utime(path, ns=(status.st_mtime_ns, status.st_mtime_ns))
        (partial / RECORD).write_text(json.dumps(record) + "\n")
    except BaseException as error:
        shutil.rmtree(partial, ignore_errors=True)
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            raise DataError(
                f"{store}: the disk is full while unpacking {archive.name}; make room and run again"
            ) from None
        raise
    shutil.rmtree(unpacked, ignore_errors=True)
    os.replace(partial, unpacked)
    return unpacked


def _read_record(path: Path) -> dict | None:
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return None


def _place_member(member: PurePosixPath, archive_contents: str) -> str | None:
    """Say where a member belongs in Kaggle's layout; None if it is none of Kaggle's files."""
    name = member.name.lower()
    if name.startswith(".") or "__MACOSX" in member.parts:
        return None
    if name in TABLES or (name.endswith(ENDINGS) and name_contents(name) in KNOWN):
        return name
    for folder in (member.parent.name.lower(), archive_contents):
        if folder in (*JPEG_FOLDERS, *TIFF_FOLDERS):
            return f"{folder}/{member.name}"
    return None


def _link_contents(found: dict[str, Path], target: Path, wanted: Collection[str]) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for name in wanted - found.keys():
        (target / name).unlink(missing_ok=True)
    for name, path in found.items():
        partial = target / f"{name}.partial"
        partial.unlink(missing_ok=True)
        partial.symlink_to(path.resolve())
        os.replace(partial, target / name)


def fetch_competition(folder: Path) -> None:
    """Download the labels and the JPEG chips with the user's Kaggle token.

    What `folder` has already, in whatever form, is not downloaded again. A download that was
    interrupted goes on where it stopped.

    Parameters
    ----------
    folder : Path
        Made if missing. A file appears in it when it is whole.

    Raises
    ------
    DataError
        No token or a wrong one, the rules are not accepted, no network, a full disk; or Kaggle
        has not all of the files, and those that it has are there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    withdrawn = []
    for name in FETCHED:
        present = {name_contents(path.name) for path in folder.iterdir()}
        if name not in present and not _fetch_file(name, folder):
            withdrawn.append(name)
    shutil.rmtree(folder / DOWNLOADS, ignore_errors=True)
    if withdrawn:
        raise DataError(
            f"Kaggle has no {', '.join(withdrawn)} for programs; {_by_hand(folder)}; "
            "what it has is there"
        )


def _by_hand(folder: Path) -> str:
    return (
        f"download the archives with a browser from {PAGE}/data into {folder}, "
        f"then make report DATA={folder}"
    )


def _fetch_file(name: str, folder: Path) -> bool:
    """Download a file under the first of its names that Kaggle has; tell whether it has one."""
    from kagglehub import competition_download
    from kagglehub.exceptions import DataCorruptionError, UnauthenticatedError
    from requests import HTTPError, RequestException

    # Kaggle lists the tables as train_v2.csv/train_v2.csv since 2019.
    names = [f"{name}/{name}", name] if name in TABLES else [name + ending for ending in ENDINGS]
    for path in names:
        try:
            with _set_cache(folder / DOWNLOADS / path.replace("/", "-")):
                downloaded = competition_download(COMPETITION, path)
            os.replace(downloaded, folder / PurePosixPath(path).name)
            return True
        except HTTPError as error:
            status = error.response.status_code
            if status == HTTPStatus.NOT_FOUND:
                continue
            reason = REFUSALS.get(status, f"Kaggle answers with error {status}; try again later")
        except UnauthenticatedError:
            reason = f"no Kaggle token; {NEW_TOKEN}"
        except RequestException as error:
            reason = (
                f"no connection to Kaggle ({type(error).__name__}); run again, it goes on there"
            )
        except DataCorruptionError:
            reason = "damaged on its way; run again"
        except ValueError as error:  # an unusable kaggle.json
            reason = f"{error}; {NEW_TOKEN}"
        except OSError as error:
            if error.errno not in DISK_FULL:
                raise
            reason = f"{folder}: the disk is full; make room and run again, it goes on there"
        raise DataError(f"{path}: {reason}; or {_by_hand(folder)}")
    return False


@contextmanager
def _set_cache(folder: Path) -> Iterator[None]:
    """Let kagglehub download to a folder of its own, the only way that it can go on later."""
    before = os.environ.get("KAGGLEHUB_CACHE")
    os.environ["KAGGLEHUB_CACHE"] = str(folder)
    try:
        yield
    finally:
        del os.environ["KAGGLEHUB_CACHE"]
        if before is not None:
            os.environ["KAGGLEHUB_CACHE"] = before
