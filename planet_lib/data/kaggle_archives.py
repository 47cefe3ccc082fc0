"""Bring the competition's files into its layout: find them, and unpack their archives once.

An archive is unpacked to ``unpacked/<its name>/`` of the target folder. Links in the target folder
make up Kaggle's layout from what was unpacked and what the user had unpacked already.
"""

import os
import shutil
from collections import defaultdict
from pathlib import Path, PurePosixPath

from planet_lib.data.archives import ENDINGS, name_contents, unpack_archive
from planet_lib.data.folders import PICTURE_ENDINGS, TIFF_ENDINGS, list_chips, list_visible
from planet_lib.data.kaggle import (
    COMPETITION,
    FOLDERS,
    JPEG_FOLDERS,
    LABELS_FILE,
    SUBMISSION_FILE,
    TABLES,
    UNPACKED_PROBLEMS,
)
from planet_lib.data.label_table import read_names
from planet_lib.data.mining_watch import GALLERY
from planet_lib.data.problems import Problem, write_problems
from planet_lib.errors import DataError
from planet_lib.files import read_json, write_json

OTHER_NAMES = {"train_classes.csv": LABELS_FILE}
"""Names that public copies of the data set give to Kaggle's files."""
KNOWN = (*TABLES, *FOLDERS)
MAX_DEPTH = 4  # folders between the one that the user gives and a file of Kaggle's
RECORD = "archive.json"

Found = dict[str, list[Path]]


def unpack_dataset(source: Path, target: Path) -> Path:
    """Find a data set's files, and unpack the archives that are not unpacked yet.

    Archives that an interrupted call unpacked completely are kept; the one that it was working on
    is unpacked again. A folder beside its archive is read if it has all chips of the tables,
    otherwise the one with more chips.

    Parameters
    ----------
    source : Path
        A folder with any mix of Kaggle's files, folders and archives, some folders deep, or one
        archive.
    target : Path
        Created if something is not in its place. What was left out is said in its
        ``unpacked/problems.csv``.

    Returns
    -------
    Path
        The folder to read: `source` if everything is in its place, otherwise `target`.

    Raises
    ------
    DataError
        An archive cannot be unpacked, the source has none of the competition's files, or the disk
        is full.
    """
    if source.is_dir():
        found, archives = _find_parts(source, target)
    elif source.name.lower().endswith(ENDINGS):
        found, archives = defaultdict(list), [source]
    else:
        allowed = ", ".join(ENDINGS)
        raise DataError(f"{source}: no archive; give a folder, or a file ending in {allowed}")
    problems = []
    unpacked: set[str] = set()
    for archive in sorted(archives, key=_sort_tables_first):
        name = _name_part(name_contents(archive.name))
        if source.is_dir() and name not in (*KNOWN, COMPETITION):
            unknown = "an archive without one of Kaggle's names"
            problems.append(Problem(_shorten(archive, source), unknown, "left out"))
        elif archive.name in unpacked:
            again = "another archive of the same name"
            problems.append(Problem(_shorten(archive, source), again, "left out"))
        elif not _is_whole(name, found):
            unpacked.add(archive.name)
            folder = _unpack_once(archive, target / "unpacked")
            for part, paths in _find_parts(folder, None)[0].items():
                found[part] += paths
    if not found:
        raise DataError(
            f"{source}: none of Kaggle's files, such as {LABELS_FILE} or {JPEG_FOLDERS[0]}.zip; "
            "rename them as Kaggle does, or point DATA at the one archive that holds all, or at "
            f"the folder that has Mining Watch's {GALLERY}"
        )
    chosen = {}
    for name, paths in found.items():
        chosen[name], left_out = _choose(name, paths)
        problems += [
            Problem(_shorten(path, source, target / "unpacked"), words, "left out")
            for path, words in left_out.items()
        ]
    if all(path == source / name for name, path in chosen.items()) and not problems:
        return source
    target.mkdir(parents=True, exist_ok=True)
    for link in filter(Path.is_symlink, target.iterdir()):
        link.unlink()
    for name, path in chosen.items():
        (target / name).symlink_to(path.resolve())
    (target / UNPACKED_PROBLEMS).parent.mkdir(exist_ok=True)
    write_problems(problems, target / UNPACKED_PROBLEMS)
    return target


def list_parts(folder: Path) -> list[Path]:
    """List the competition's files, folders and archives in a folder, some folders deep."""
    found, archives = _find_parts(folder, None)
    known = (*KNOWN, COMPETITION)
    packed = [path for path in archives if _name_part(name_contents(path.name)) in known]
    return sorted([*packed, *(path for paths in found.values() for path in paths)])


def _name_part(name: str) -> str:
    """Give the name of a file or folder as Kaggle writes it.

    >>> _name_part("Train_JPG"), _name_part("train_classes.csv")
    ('train-jpg', 'train_v2.csv')
    """
    lower = name.lower()
    return OTHER_NAMES.get(lower, lower if lower in TABLES else lower.replace("_", "-"))


def _find_parts(source: Path, target: Path | None) -> tuple[Found, list[Path]]:
    """Find the competition's files and archives in a folder, level by level.

    The search ends with the level that has both labels and chips to train on; folders of Kaggle's
    names are searched further.
    """
    found: Found = defaultdict(list)
    archives: list[Path] = []
    level = [source]
    for _ in range(MAX_DEPTH):
        deeper = []
        for entry in (entry for folder in level for entry in _list(folder)):
            path, name = Path(entry.path), _name_part(entry.name)
            if path == target:
                continue
            if entry.is_dir():
                deeper.append(path)
                if name in FOLDERS and _has_chips(path):
                    found[name].append(path)
            elif name in TABLES:
                found[name].append(path)
            elif entry.name.lower().endswith(ENDINGS):
                archives.append(path)
        if LABELS_FILE in found and not found.keys().isdisjoint(FOLDERS):
            deeper = [path for path in deeper if _name_part(path.name) in KNOWN]
        level = deeper
    return found, archives


def _list(folder: Path) -> list[os.DirEntry]:
    return sorted(list_visible(folder), key=lambda entry: entry.name)


def _has_chips(folder: Path) -> bool:
    endings = PICTURE_ENDINGS + TIFF_ENDINGS
    return any(entry.name.lower().endswith(endings) for entry in list_visible(folder))


def _sort_tables_first(archive: Path) -> tuple[bool, bool, int, Path]:
    """Sort the tables first, which tell what a folder must have, and the one of everything last."""
    name = _name_part(name_contents(archive.name))
    return name == COMPETITION, name not in TABLES, len(archive.parts), archive


def _is_whole(name: str, found: Found) -> bool:
    """Tell whether what an archive has is there already, with every chip of the tables."""
    if name not in KNOWN:
        return all(_is_whole(part, found) for part in KNOWN)
    if name in TABLES or name not in found:
        return name in found
    expected = _expect_chips(name, found)
    return bool(expected) and any(expected <= _list_names(path) for path in found[name])


def _expect_chips(folder: str, found: Found) -> set[str]:
    """List the chips that the tables name in one of Kaggle's folders."""
    family = folder.partition("-")[0]
    table = found.get(LABELS_FILE if family == "train" else SUBMISSION_FILE)
    try:
        names = set(read_names(table[0])) if table else set()
    except DataError:  # the reader of the data set says what is wrong with it
        names = set()
    first = "file_" if folder == JPEG_FOLDERS[2] else f"{family}_"
    return names if family == "train" else {name for name in names if name.startswith(first)}


def _list_names(folder: Path) -> set[str]:
    return set(list_chips(folder, PICTURE_ENDINGS + TIFF_ENDINGS)[0])


def _choose(name: str, paths: list[Path]) -> tuple[Path, dict[Path, str]]:
    """Choose the fullest of several folders, or one of several tables; tell about the others."""
    if len(paths) == 1:
        return paths[0], {}
    if name in TABLES:
        chosen = next((path for path in paths if path.name == name), paths[0])
        others = [path for path in paths if path.read_bytes() != chosen.read_bytes()]
        return chosen, dict.fromkeys(others, f"another table than the {name} that is read")
    chips = {path: _list_names(path) for path in paths}
    chosen = max(paths, key=lambda path: len(chips[path]))
    return chosen, {
        path: f"another {name}, of {len(names)} chips; one of {len(chips[chosen])} is read"
        for path, names in chips.items()
        if names != chips[chosen]
    }


def _shorten(path: Path, *bases: Path) -> str:
    """Write a path from where the user's data or the unpacked archives are."""
    base = next(base for base in bases if path.is_relative_to(base))
    return path.relative_to(base).as_posix()


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
    name, folder = _name_part(member.name), _name_part(member.parent.name)
    if name in TABLES:
        return name
    return f"{folder}/{member.name}" if folder in FOLDERS else None
