"""A training's state on disk: every weight and the optimizer, in a file that shows any damage.

The arrays go into NumPy's ``.npz``, a zip archive with a checksum of each. Keras' own
``.weights.h5`` loads with flipped bytes, and where the disk is full HDF5 ends the process with a
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
    """Write a compiled network's weights and its optimizer's state, as a whole or not at all.

    Raises
    ------
    OSError
        The disk is full or fails; an earlier file of that name stays.
    """
    with replace_file(path) as partial:
        np.savez(partial, *map(ops.convert_to_numpy, _list_variables(network)))


def load_state(network: keras.Model, path: Path) -> None:
    """Load what `save_state` wrote into a network that is built and compiled alike.

    Raises
    ------
    StageError
        The file is missing or damaged; the network is left as it was.
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
