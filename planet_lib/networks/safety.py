"""Refuse model files that contain code, from their settings, before Keras builds anything."""

import json
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import h5py

from planet_lib.errors import DataError

SUFFIXES = (".keras", ".h5")
CODE_CLASSES = {
    "Lambda": "a Lambda layer",
    "__lambda__": "a Lambda function",
    "TorchModuleWrapper": "a pickled PyTorch module",
    "JaxLayer": "a JAX function",
    "FlaxLayer": "a Flax module",
    "TFSMLayer": "a SavedModel from another file",
}
"""Keras' own classes that contain code; its safe mode refuses them, but can be turned off."""


def refuse_code(path: Path) -> None:
    """Refuse a model file that contains anything but Keras' own layers.

    Parameters
    ----------
    path : Path
        A ``.keras`` archive or a whole model as ``.h5``.

    Raises
    ------
    DataError
        The file is of another type, or refers to code; the message names it.
    OSError, ValueError, KeyError, BadZipFile
        It cannot be read.
    """
    if path.suffix not in SUFFIXES:
        raise DataError(f"{path}: not a model file; allowed: {', '.join(SUFFIXES)}")
    for part in _walk(_read_settings(path)):
        name = part.get("class_name")
        module = part.get("module") or "keras"
        package, _, registered = (part.get("registered_name") or str(name)).rpartition(">")
        if name in CODE_CLASSES:
            found = CODE_CLASSES[name]
        elif module != "builtins" and module.split(".")[0] != "keras":
            found = f"{part.get('config') if name == 'function' else name} of the module {module}"
        elif package and package != "keras":
            found = f"{registered} of the package {package}"
        else:
            continue
        raise DataError(f"{path}: contains {found}; only Keras' own layers are loaded, no code")


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
