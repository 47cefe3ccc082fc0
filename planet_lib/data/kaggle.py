"""The competition's data set: download it with the user's account, unpack its archives once.

An archive is unpacked to ``unpacked/<its name>/`` of the target folder. Links in the target folder
make up Kaggle's layout from what was unpacked and what the user had unpacked already.
"""

import os
import shutil
from http import HTTPStatus
from pathlib import Path, PurePosixPath

from planet_lib.data.archives import DISK_FULL, ENDINGS, name_contents, unpack_archive
from planet_lib.data.catalogue import JPEG_FOLDERS, LABELS_FILE, MAPPING_FILE, TIFF_FOLDERS
from planet_lib.errors import DataError, shorten
from planet_lib.files import read_json, write_json

COMPETITION = "planet-understanding-the-amazon-from-space"
PAGE = f"https://www.kaggle.com/competitions/{COMPETITION}"
SUBMISSION_FILE = "sample_submission_v2.csv"
TABLES = (LABELS_FILE, SUBMISSION_FILE, MAPPING_FILE)
DOWNLOADED = (LABELS_FILE, SUBMISSION_FILE, *JPEG_FOLDERS)
KNOWN = (*TABLES, *JPEG_FOLDERS, *TIFF_FOLDERS)
RECORD = "archive.json"
DOWNLOADS = "downloading"
NEW_TOKEN = (
    "create one at https://www.kaggle.com/settings/api and put it into KAGGLE_API_TOKEN "
    "or ~/.kaggle/access_token"
)
BROWSER = f"download the rest with a browser from {PAGE}/data into the same folder"
REFUSALS = {
    HTTPStatus.UNAUTHORIZED: f"Kaggle does not know this token; {NEW_TOKEN}",
    HTTPStatus.FORBIDDEN: f"accept the rules at {PAGE}/rules, signed in as the token's owner",
}


def unpack_dataset(source: Path, target: Path) -> Path:
    """Unpack the archives of a data set that are not unpacked yet.

    Archives that an interrupted call unpacked completely are kept; the one that it was working on
    is unpacked again.

    Parameters
    ----------
    source : Path
        A folder with any mix of Kaggle's files, folders and archives, or one archive. A folder
        takes precedence over its archive.
    target : Path
        Created if something needs unpacking.

    Returns
    -------
    Path
        The folder to read: `source` if nothing needs unpacking, otherwise `target`.

    Raises
    ------
    DataError
        An archive cannot be unpacked, the source has none of the competition's files, or the disk
        is full.
    """
    found = {name: path for name in KNOWN if (path := _find_unpacked(source, name))}
    for archive in _list_archives(source):
        if name_contents(archive.name) not in found and len(found) < len(KNOWN):
            folder = _unpack_once(archive, target / "unpacked")
            found = {name: folder / name for name in KNOWN if (folder / name).exists()} | found
    if not found:
        raise DataError(
            f"{source}: none of Kaggle's files, such as {LABELS_FILE} or {JPEG_FOLDERS[0]}.zip; "
            "rename them as Kaggle does, or point DATA at the one archive that holds all"
        )
    if all(path == source / name for name, path in found.items()):
        return source
    target.mkdir(parents=True, exist_ok=True)
    for link in filter(Path.is_symlink, target.iterdir()):
        link.unlink()
    for name, path in found.items():
        (target / name).symlink_to(path.resolve())
    return target


def _list_archives(source: Path) -> list[Path]:
    """List the archives with Kaggle's names, the one of everything last."""
    if source.is_dir():
        packed = [path for path in source.iterdir() if path.name.lower().endswith(ENDINGS)]
        named = [path for path in packed if name_contents(path.name) in (*KNOWN, COMPETITION)]
        return sorted(named, key=lambda path: (name_contents(path.name) == COMPETITION, path))
    if not source.name.lower().endswith(ENDINGS):
        allowed = ", ".join(ENDINGS)
        raise DataError(f"{source}: no archive; give a folder, or a file ending in {allowed}")
    return [source]


def _find_unpacked(source: Path, name: str) -> Path | None:
    path = source / name
    if name not in TABLES:
        return path if path.is_dir() and any(path.iterdir()) else None
    inner = path / name  # as Kaggle's download tool writes a table
    return next((table for table in (path, inner) if table.is_file()), None)


def _unpack_once(archive: Path, store: Path) -> Path:
    """Unpack an archive unless its record says that this was done; return the folder."""
    unpacked, partial = store / archive.name, store / f"partial-{archive.name}"
    status = archive.stat()
    record = {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns}
    if (unpacked / RECORD).exists() and read_json(unpacked / RECORD) == record:
        return unpacked
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        unpack_archive(archive, partial, _place_member)
        for path in partial.rglob("*"):  # the same times if it is unpacked again
            os.utime(path, ns=(status.st_mtime_ns, status.st_mtime_ns))
        write_json(partial / RECORD, record)
        shutil.rmtree(unpacked, ignore_errors=True)
        os.replace(partial, unpacked)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return unpacked


def _place_member(member: PurePosixPath) -> str | None:
    """Return a file's path in Kaggle's layout, or None if it is none of Kaggle's files.

    >>> _place_member(PurePosixPath("planet/train-jpg/train_0.jpg"))
    'train-jpg/train_0.jpg'
    """
    if member.name in TABLES:
        return member.name
    folder = member.parent.name
    return f"{folder}/{member.name}" if folder in KNOWN else None


def fetch_competition(folder: Path) -> None:
    """Download the labels and the JPEG chips with the user's Kaggle token.

    Contents that `folder` has already, in any form, are not downloaded again. An interrupted
    download continues where it stopped.

    Parameters
    ----------
    folder : Path
        Created if missing. A file appears in it when it is complete.

    Raises
    ------
    DataError
        There is no token or a wrong one, the rules are not accepted, there is no network, the disk
        is full; or Kaggle does not serve all of the files, and those that it serves are there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    present = {name_contents(path.name) for path in folder.iterdir()}
    missing = []
    for name in DOWNLOADED:
        if name not in present and not _download(name, folder):
            missing.append(name)
    shutil.rmtree(folder / DOWNLOADS, ignore_errors=True)
    if missing:
        raise DataError(f"Kaggle serves no {', '.join(missing)} to programs; {BROWSER}")


def _download(name: str, folder: Path) -> bool:
    """Download a file under the first of its names that Kaggle has; tell whether it has one."""
    from kagglehub import competition_download
    from kagglehub.exceptions import DataCorruptionError, UnauthenticatedError
    from requests import HTTPError, RequestException

    # Kaggle lists the tables as train_v2.csv/train_v2.csv since 2019.
    names = [f"{name}/{name}", name] if name in TABLES else [name + ending for ending in ENDINGS]
    for path in names:
        # kagglehub resumes a download only in its cache, which it finds by this variable.
        os.environ["KAGGLEHUB_CACHE"] = str(folder / DOWNLOADS / path.replace("/", "-"))
        try:
            downloaded = competition_download(COMPETITION, path)
            os.replace(downloaded, folder / Path(path).name)
            return True
        except HTTPError as error:
            status = error.response.status_code
            if status == HTTPStatus.NOT_FOUND:
                continue
            reason = REFUSALS.get(status, f"Kaggle returned error {status}; try again later")
        except (RequestException, DataCorruptionError) as error:
            reason = f"the download stopped ({type(error).__name__}); run again to continue"
        except (UnauthenticatedError, ValueError) as error:  # ValueError: of its kaggle.json
            reason = f"no Kaggle token ({shorten(error)}); {NEW_TOKEN}"
        except OSError as error:
            if error.errno not in DISK_FULL:
                raise
            reason = "the disk is full; make room and run again to continue"
        raise DataError(f"{path}: {reason}; or {BROWSER}")
    return False
