"""Download the gallery of Amazon Mining Watch from its public repository, without an account."""

import hashlib
from http import HTTPStatus
from pathlib import Path

import requests
from tqdm import tqdm

from planet_lib.data.mining_watch import CREDIT, GALLERY, LOCATIONS, UNFINISHED
from planet_lib.errors import DataError, shorten

REPOSITORY = "earthrise-media/mining-detector"
LISTING = f"https://api.github.com/repos/{REPOSITORY}/git/trees/main?recursive=1"
FILES = f"https://raw.githubusercontent.com/{REPOSITORY}/main/"
WANTED = {GALLERY: ".png", LOCATIONS: ".geojson"}
PARTIAL = ".part"
BLOCK_BYTES = 2**18
TIMEOUT_S = 30
TRIES = 3


def fetch_gallery(folder: Path, *, listing: str = LISTING, files: str = FILES) -> None:
    """Download the sheets and their points; a second call fetches what is missing or has changed.

    A file `planet_lib.data.mining_watch.UNFINISHED` lies in the folder until all have arrived.

    Parameters
    ----------
    folder : Path
        Gets the layout of the repository, as `planet_lib.data.mining_watch.scan_gallery` reads it.
    listing : str
        Address of the repository's tree, as GitHub's API serves it.
    files : str
        Address that the path of a file is appended to.

    Raises
    ------
    DataError
        The repository cannot be reached, has no gallery, or a file arrives damaged. What has
        arrived is kept: the same command continues.
    """
    wanted = _list_wanted(listing)
    if not wanted:
        raise DataError(f"{listing}: lists no {GALLERY}; the repository may have moved")
    missing = [entry for entry in wanted if not _is_complete(folder / entry["path"], entry)]
    size = sum(entry["size"] for entry in missing)
    print(
        f"{len(missing)} of {len(wanted)} files to download, {size / 1e6:.0f} MB; {CREDIT}",
        flush=True,
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / UNFINISHED).touch()
    with tqdm(total=size, unit="B", unit_scale=True, desc="download", mininterval=2) as progress:
        for entry in missing:
            _download(f"{files}{entry['path']}", folder / entry["path"], entry, progress)
    (folder / UNFINISHED).unlink()


def _list_wanted(listing: str) -> list[dict]:
    try:
        answer = _ask(listing).json()
        wanted = [
            {key: entry[key] for key in ("path", "size", "sha")}
            for entry in answer["tree"]
            if any(entry["path"].startswith(f"{at}/") and entry["path"].endswith(end)
                   for at, end in WANTED.items())
        ]  # fmt: skip
        cut = answer.get("truncated", False)
    except (requests.JSONDecodeError, KeyError, TypeError):
        raise DataError(
            f"{listing}: answers with no list of files; look at it in a browser: a proxy or a "
            "login page may stand between"
        ) from None
    if cut:
        raise DataError(f"{listing}: lists only a part of the files; clone {REPOSITORY} instead")
    return wanted


def _download(address: str, target: Path, entry: dict, progress: tqdm) -> None:
    """Download one file, after what an earlier call left of it, and check its digest."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(target.name + PARTIAL)
    for _ in range(TRIES):
        have = partial.stat().st_size if partial.exists() else 0
        if have >= entry["size"]:
            partial.unlink()
            have = 0
        headers = {"Range": f"bytes={have}-"} if have else {}
        try:
            with _ask(address, headers=headers, stream=True) as response:
                resumed = response.status_code == HTTPStatus.PARTIAL_CONTENT
                progress.update(have if resumed else 0)
                with partial.open("ab" if resumed else "wb") as file:
                    for block in response.iter_content(BLOCK_BYTES):
                        file.write(block)
                        progress.update(len(block))
        except requests.RequestException:
            continue  # the connection broke off: go on from there
        if _is_complete(partial, entry):
            partial.replace(target)
            return
        partial.unlink()
    raise DataError(
        f"{address}: does not arrive whole; the rest is kept, run the same command again"
    )


def _ask(address: str, **options: object) -> requests.Response:
    try:
        response = requests.get(address, timeout=TIMEOUT_S, **options)
        response.raise_for_status()
    except requests.RequestException as error:
        raise DataError(
            f"{address}: cannot be reached ({shorten(error)}); what has arrived is kept, "
            "run the same command again"
        ) from None
    return response


def _is_complete(path: Path, entry: dict) -> bool:
    """Tell whether a file has the size and the digest that Git lists for it."""
    if not path.exists() or path.stat().st_size != entry["size"]:
        return False
    content = path.read_bytes()
    digest = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
    return digest.hexdigest() == entry["sha"]
