"""Files of networks: written whole, and read without running any code that they may hold."""

import logging
import os
from pathlib import Path
from zipfile import BadZipFile

import keras

from planet_lib.data.labels import LABELS
from planet_lib.errors import DataError, shorten
from planet_lib.files import replace_file
from planet_lib.networks.architectures import HEADS
from planet_lib.networks.card import check_labels
from planet_lib.networks.safety import refuse_code

PRETRAINED = Path(__file__).parent / "pretrained"
"""Folder of the ResNet that was trained on synthetic chips alone."""
PUBLISHED_FILES = {
    "cnn": "b00_cnn.h5",
    "densenet": "b01_dense121.h5",
    "densenet121": "b01_dense121.h5",
}
SPARE_BYTES = 2**20  # for names, the layers' settings and HDF5's own records
BYTES_A_WEIGHT = 4


def save_model(model: keras.Model, folder: Path) -> list[Path]:
    """Save a network as ``model.keras`` and, where the origin has it, under the origin's name.

    Parameters
    ----------
    model : keras.Model
        Made by `build_model`.
    folder : Path

    Returns
    -------
    list of Path
        The files; each loads back with plain Keras.

    Raises
    ------
    OSError
        The disk is full.
    """
    files = [folder / "model.keras"]
    if model.name in PUBLISHED_FILES:
        files.append(folder / PUBLISHED_FILES[model.name])
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)  # Keras warns that HDF5 is an old format
    uncompiled = keras.Model(model.input, model.output, name=model.name)
    for file in files:
        with replace_file(file) as partial:
            _reserve(partial, SPARE_BYTES + 2 * BYTES_A_WEIGHT * model.count_params())
            uncompiled.save(partial)
    logger.setLevel(level)
    return files


def load_model(path: Path) -> keras.Model:
    """Load a saved network for prediction, without running any code that the file may hold.

    Raises
    ------
    DataError
        The file is missing, damaged, holds custom code, or is a network of other labels.
    """
    try:
        refuse_code(path)
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except (
        OSError,
        ValueError,
        TypeError,
        KeyError,
        RuntimeError,
        ImportError,
        BadZipFile,
    ) as error:
        raise DataError(f"{path}: not a model that can be loaded ({shorten(error)})") from None
    outputs = getattr(model, "output", None)
    heads = outputs if isinstance(outputs, dict) else {}
    found = {name: tensor.shape[-1] for name, tensor in heads.items()}
    if found != {name: size for name, (size, _) in HEADS.items()}:
        raise DataError(
            f"{path}: heads {found}, expected weather and land for {len(LABELS)} labels"
        )
    check_labels(path.parent)
    return model


def _reserve(path: Path, size: int) -> None:
    """Fail where the disk has no room for a file: HDF5 then ends the process, not the call."""
    try:
        with path.open("wb") as file:
            if hasattr(os, "posix_fallocate"):  # not on macOS
                os.posix_fallocate(file.fileno(), 0, size)
    finally:
        path.unlink()
