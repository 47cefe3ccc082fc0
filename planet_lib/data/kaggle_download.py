"""Download the competition's files with the user's account."""

import os
import shutil
from http import HTTPStatus
from pathlib import Path

from planet_lib.data.archives import DISK_FULL, ENDINGS, name_contents
from planet_lib.data.kaggle import (
    COMPETITION,
    JPEG_FOLDERS,
    LABELS_FILE,
    SUBMISSION_FILE,
    TABLES,
)
from planet_lib.errors import DataError, shorten

PAGE = f"https://www.kaggle.com/competitions/{COMPETITION}"
DOWNLOADED = (LABELS_FILE, SUBMISSION_FILE, *JPEG_FOLDERS)
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
