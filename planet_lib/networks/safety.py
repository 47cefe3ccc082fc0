"""What a model file would run: looked up in its settings, before Keras builds anything of it."""

import json
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import h5py

from planet_lib.errors import DataError

SUFFIXES = (".keras", ".h5")
RUNNING = {
    "Lambda": "a Lambda layer",
    "__lambda__": "a Lambda function",
    "TorchModuleWrapper": "a pickled PyTorch module",
    "JaxLayer": "a JAX function",
    "FlaxLayer": "a Flax module",
    "TFSMLayer": "a SavedModel from another file",
}
"""Keras' own ways to bring in code, which its safe mode refuses only while nobody turned it off."""


def refuse_code(path: Path) -> None:
    """Refuse a model file that is made of more than Keras' own layers.

    Parameters
    ----------
    path : Path
        A ``.keras`` archive or a whole model as ``.h5``.

    Raises
    ------
    DataError
        The file is of another kind, or names code; the message says which.
    OSError, ValueError, KeyError, BadZipFile
        It cannot be read.
    """
    if path.suffix not in SUFFIXES:
        raise DataError(f"{path}: no model file; allowed: {', '.join(SUFFIXES)}")
    for part in _walk(_read_settings(path)):
        name = part.get("class_name")
        module = part.get("module") or "keras"
        package, _, registered = (part.get("registered_name") or str(name)).rpartition(">")
        if name in RUNNING:
            found = RUNNING[name]
        elif module != "builtins" and module.split(".")[0] != "keras":
            found = f"{part.get('config') if name == 'function' else name} of the module {module}"
        elif package and package != "keras":
            found = f"{registered} of the package {package}"
        else:
            continue
        raise DataError(f"{path}: holds {found}; only Keras' own layers are loaded, no code")


def _read_settings(path: Path) -> object:
    if path.suffix == ".keras":
        with ZipFile(path) as archive:
            return json.loads(archive.read("config.json"))
    with h5py.File(path) as file:
        return json.loads(file.attrs["model_config"])


def _walk(settings: object) -> Iterator[dict]:
    """Yield every object of a model's settings, at any depth."""
    if isinstance(settings, dict):
        if "class_name" in settings:
            yield settings
        settings = list(settings.values())
    if isinstance(settings, list):
        for part in settings:
            yield from _walk(part)
