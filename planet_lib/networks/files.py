"""Save networks atomically, and load them without running code that a file may contain."""

import logging
import os
from pathlib import Path
from zipfile import BadZipFile

import keras

from planet_lib.data.labels import LABELS
from planet_lib.errors import DataError, shorten
from planet_lib.files import replace_file
from planet_lib.networks.architectures import HEADS
from planet_lib.networks.card import CARD, CURE, read_card
from planet_lib.networks.locate import MODEL
from planet_lib.networks.safety import refuse_code

PRETRAINED = Path(__file__).parent / "pretrained/synthetic"
"""Folder of the ResNet that was trained on synthetic chips only."""
FILES_OF_2018 = {
    "cnn": "b00_cnn.h5",
    "densenet": "b01_dense121.h5",
    "densenet121": "b01_dense121.h5",
}
SPARE_BYTES = 2**20  # for names, layer settings and HDF5's own records
BYTES_PER_WEIGHT = 4


def save_model(model: keras.Model, folder: Path) -> list[Path]:
    """Save a network as ``model.keras`` and, if the 2018 post has it, under the file name there.

    Parameters
    ----------
    model : keras.Model
        Built by `planet_lib.networks.architectures.build_model`.
    folder : Path

    Returns
    -------
    list of Path
        The files; each can be loaded with plain Keras.

    Raises
    ------
    OSError
        The disk is full.
    """
    files = [folder / MODEL]
    if model.name in FILES_OF_2018:
        files.append(folder / FILES_OF_2018[model.name])
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)  # Keras warns that HDF5 is a legacy format
    uncompiled = keras.Model(model.input, model.output, name=model.name)
    for file in files:
        with replace_file(file) as partial:
            _check_space(partial, SPARE_BYTES + 2 * BYTES_PER_WEIGHT * model.count_params())
            uncompiled.save(partial)
    logger.setLevel(level)
    return files


def load_model(path: Path) -> keras.Model:
    """Load a saved network for the 17 labels, as `load_network` does.

    Raises
    ------
    DataError
        The file is missing or damaged, contains custom code, or is a network for other labels.
    """
    model = load_network(path)
    outputs = getattr(model, "output", None)
    heads = outputs if isinstance(outputs, dict) else {}
    found = {name: tensor.shape[-1] for name, tensor in heads.items()}
    if found != {name: size for name, (size, _) in HEADS.items()}:
        raise DataError(
            f"{path}: heads {found}, expected weather and land for {len(LABELS)} labels"
        )
    if (path.parent / CARD).exists():
        read_card(path.parent)  # refuses other labels
    return model


def load_fitting_network(folder: Path, card: dict) -> keras.Model:
    """Load the network in a folder for prediction, as its card describes it.

    Parameters
    ----------
    folder : Path
    card : dict
        As returned by `planet_lib.networks.card.read_card`.

    Raises
    ------
    DataError
        The network is missing or damaged, contains custom code, or does not fit its card.
    """
    path = folder / MODEL
    network = load_network(path)
    side, channels = card["input"]["image_px"], 3 * len(card["input"]["pictures"])
    expected = (side, side, channels), len(card["labels"])
    outputs = keras.tree.flatten(network.output)
    found = tuple(network.input_shape[1:]), sum(output.shape[-1] for output in outputs)
    if found != expected:
        raise DataError(
            f"{path}: takes {found[0]} and has {found[1]} outputs, its card says {expected[0]} and "
            f"{expected[1]}; {CURE}"
        )
    return network


def load_network(path: Path) -> keras.Model:
    """Load a saved network for prediction, without running code that the file may contain.

    Raises
    ------
    DataError
        The file is missing or damaged, or contains custom code.
    """
    try:
        refuse_code(path)
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except (
        OSError,
        ValueError,
        TypeError,
        KeyError,
        RuntimeError,
        ImportError,
        BadZipFile,
    ) as error:
        raise DataError(f"{path}: cannot be loaded as a model ({shorten(error)})") from None


def _check_space(path: Path, size: int) -> None:
    """Raise OSError if the disk has no room for a file; on a full disk HDF5 kills the process."""
    try:
        with path.open("wb") as file:
            if hasattr(os, "posix_fallocate"):  # not on macOS
                os.posix_fallocate(file.fileno(), 0, size)
    finally:
        path.unlink()
