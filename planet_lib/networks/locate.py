"""Find the network that a user names by its folder."""

from pathlib import Path

from planet_lib.errors import DataError

MODEL = "model.keras"
SHIPPED = Path(__file__).parent / "pretrained"
"""Folder of the networks that come with the package."""


def name_network(name: str) -> Path:
    """Find a network by its folder, or by the name of one that comes with the package.

    A folder without a network, such as one of chips, does not hide a shipped network of its name.
    """
    folder, shipped = Path(name), SHIPPED / name
    return folder if (folder / MODEL).is_file() or not (shipped / MODEL).is_file() else shipped


def list_shipped() -> list[str]:
    """List the names of the networks that come with the package."""
    return sorted(path.parent.name for path in SHIPPED.glob(f"*/{MODEL}"))


def check_network(folder: Path) -> Path:
    """Check that a folder holds a network, and return it.

    Raises
    ------
    DataError
        There is no such folder, or it holds no network; the message lists those nearby.
    """
    if (folder / MODEL).is_file():
        return folder
    if folder.is_file():
        fault = "a file; give the folder of a network"
    elif not folder.is_dir():
        fault = "no such folder; give the folder of a network"
    elif (folder / "run.json").is_file():
        fault = f"no network that works by itself (it has no {MODEL}); give the folder of one"
    else:
        fault = f"no network (it has no {MODEL}); give the folder of one"
    raise DataError(f"{folder}: {fault}: {_list_networks(folder)}")


def _list_networks(folder: Path) -> str:
    """List the folders of networks at, in or beside a path, or say what such a folder is called."""
    for place in (folder, folder.parent, folder.parent.parent):
        if networks := sorted(path.parent for path in place.glob(f"*/{MODEL}")):
            return ", ".join(map(str, networks))
        if (place / MODEL).is_file():
            return str(place)
    return f"{', '.join(list_shipped())} or runs/<name>/models/<network>-<input>"
