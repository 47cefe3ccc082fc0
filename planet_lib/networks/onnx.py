"""Export networks as ONNX files, which run without Keras."""

import warnings
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from planet_lib.errors import StageError
from planet_lib.files import replace_file
from planet_lib.networks.files import load_model
from planet_lib.networks.locate import MODEL, check_network

ONNX = "model.onnx"
TOLERANCE = 1e-4  # largest difference of a probability between Keras and the exported file
TRIAL_CHIPS = 3


def export_network(folder: Path) -> Path:
    """Export the network in a run's folder as ``model.onnx`` beside its ``model.keras``.

    Raises
    ------
    DataError
        The folder or its ``model.keras`` is missing, or cannot be used.
    StageError
        As for `export_onnx`.
    """
    path = check_network(folder) / ONNX
    export_onnx(load_model(folder / MODEL), path)
    return path


def export_onnx(model: keras.Model, path: Path) -> None:
    """Write a network as ONNX and check that the file predicts as the network does.

    The file takes ``chips``, float32 (N, image_px, image_px, channels) in 0-255 with any N, and
    returns ``weather`` (N, 4) and ``land`` (N, 13).

    Parameters
    ----------
    model : keras.Model
        Built by `planet_lib.networks.architectures.build_model`.
    path : Path
        Replaced only after the check.

    Raises
    ------
    StageError
        The ONNX packages are not installed, or probabilities differ by more than 1e-4.
    """
    with replace_file(path) as partial:
        _convert(model, partial)
        shape = (TRIAL_CHIPS, *model.input.shape[1:])
        chips = np.random.default_rng(0).integers(256, size=shape).astype(np.float32)
        expected = model.predict(chips, verbose=0)
        predicted = open_onnx(partial)(chips)
        difference = max(np.abs(predicted[head] - expected[head]).max() for head in expected)
        if not difference <= TOLERANCE:
            raise StageError(
                f"{path}: predictions differ from the network's by {difference:.1e}, more than "
                f"{TOLERANCE:.0e}; not written"
            )


def open_onnx(path: Path) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """Open an exported network.

    Returns
    -------
    callable
        Takes chips of shape (N, image_px, image_px, channels), in 0-255; returns
        ``{"weather": (N, 4), "land": (N, 13)}``, float32.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    heads = [output.name for output in session.get_outputs()]

    def predict(chips: np.ndarray) -> dict[str, np.ndarray]:
        outputs = session.run(heads, {"chips": chips.astype(np.float32)})
        return dict(zip(heads, outputs, strict=True))

    return predict


def _convert(model: keras.Model, path: Path) -> None:
    spec = keras.InputSpec(shape=model.input.shape, dtype="float32", name="chips")
    try:
        import onnxruntime  # noqa: F401 - checked before the slow conversion

        with warnings.catch_warnings(action="ignore", category=FutureWarning):
            # Keras reads np.object to support an older tf2onnx.
            model.export(path, format="onnx", input_signature=[spec], verbose=False)
    except ImportError as error:
        raise StageError(
            f"{path}: cannot be written ({error}); install the packages: pip install '.[onnx]'"
        ) from None
