"""Save and load the state of a training: all weights and the optimizer, protected by checksums.

The format is NumPy's ``.npz``, a zip archive with a checksum for each array. Keras' own
``.weights.h5`` loads even with flipped bytes, and on a full disk HDF5 ends the process with a
segmentation fault.
"""

import zlib
from pathlib import Path
from zipfile import BadZipFile

import keras
import numpy as np
from keras import ops

from planet_lib.errors import StageError
from planet_lib.files import replace_file


def save_state(network: keras.Model, path: Path) -> None:
    """Save a compiled network's weights and its optimizer's state atomically.

    Raises
    ------
    OSError
        The disk is full or fails; an earlier file of that name is kept.
    """
    with replace_file(path) as partial:
        np.savez(partial, *map(ops.convert_to_numpy, _list_variables(network)))


def load_state(network: keras.Model, path: Path) -> None:
    """Load a state saved by `save_state` into a network built and compiled in the same way.

    Raises
    ------
    StageError
        The file is missing or damaged; the network is unchanged.
    """
    variables = _list_variables(network)
    try:
        with path.open("rb") as file, np.load(file) as archive:
            arrays = [archive[name] for name in archive.files]
        if [array.shape for array in arrays] != [tuple(v.shape) for v in variables]:
            raise ValueError("not the state of this network")
    except (OSError, EOFError, ValueError, KeyError, BadZipFile, zlib.error) as error:
        raise StageError(f"{path}: damaged ({error})") from None
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)


def _list_variables(network: keras.Model) -> list[keras.Variable]:
    return [*network.weights, *network.optimizer.variables]
