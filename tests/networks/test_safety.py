"""No model file runs code: a file whose settings refer to code is refused with the reason."""

import json
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import keras
import pytest
from keras import layers
from keras.src.backend.common import global_state

from planet_lib.errors import DataError
from planet_lib.networks.architectures import build_model
from planet_lib.networks.files import load_model, save_model
from planet_lib.networks.safety import refuse_code


class Foreign(layers.Layer):
    def call(self, inputs):
        return inputs


@keras.saving.register_keras_serializable("elsewhere")
class Registered(Foreign):
    pass


def build_with(*extra: layers.Layer) -> keras.Model:
    """Build a network with the expected heads and some layers before them."""
    x = chips = keras.Input((4, 4, 3), name="chips")
    for layer in extra:
        x = layer(x)
    x = layers.Flatten()(x)
    heads = {
        name: layers.Dense(size, name=name)(x) for name, size in (("weather", 4), ("land", 13))
    }
    return keras.Model(chips, heads)


def rewrite_activation(path: Path, rewrite: Callable[[dict], dict]) -> Path:
    """Save a network whose activation layer is rewritten in the file's settings."""
    plain = path.with_name("plain.keras")
    build_with(layers.Activation("relu")).save(plain)
    with ZipFile(plain) as source, ZipFile(path, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "config.json":
                settings = json.loads(content)
                for layer in settings["config"]["layers"]:
                    if layer["class_name"] == "Activation":
                        layer |= rewrite(layer)
                content = json.dumps(settings).encode()
            target.writestr(name, content)
    return path


@pytest.fixture
def trap(tmp_path, monkeypatch) -> Path:
    """Give a file that importing the module ``trap``, or code in a model file, would create."""
    mark = tmp_path / "code was run"
    (tmp_path / "trap.py").write_text(
        f"import keras\nopen({str(mark)!r}, 'w').close()\nclass Trap(keras.layers.Layer): pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield mark
    sys.modules.pop("trap", None)
    assert not mark.exists()


def assert_refused(path: Path, *words: str) -> None:
    with pytest.raises(DataError) as refused:
        load_model(path)
    message = str(refused.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    assert all(word in message for word in words), message


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_lambda_is_refused_even_with_safe_mode_turned_off(tmp_path, trap, suffix):
    mark = str(trap)
    network = build_with(layers.Lambda(lambda x: (open(mark, "w").close(), x)[1]))
    trap.unlink()  # building the network ran it
    network.save(tmp_path / f"code{suffix}")
    name = "safe_mode_saving"  # set by enable_unsafe_deserialization
    before = global_state.get_global_attribute(name)
    keras.config.enable_unsafe_deserialization()
    assert global_state.get_global_attribute(name) != before
    assert_refused(tmp_path / f"code{suffix}", "contains a Lambda layer")
    global_state.set_global_attribute(name, before)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_registered_class_of_another_package_is_refused(tmp_path, suffix):
    build_with(Registered()).save(tmp_path / f"code{suffix}")
    assert_refused(tmp_path / f"code{suffix}", "Registered of the ")


def test_class_of_another_module_is_refused(tmp_path):
    build_with(Foreign()).save(tmp_path / "code.keras")
    assert_refused(tmp_path / "code.keras", f"Foreign of the module {__name__}")


@pytest.mark.parametrize(
    ("rewrite", "words"),
    [
        (lambda _: {"module": "trap", "class_name": "Trap"}, "Trap of the module trap"),
        (
            lambda layer: {
                "config": layer["config"]
                | {"activation": {"module": "os", "class_name": "function", "config": "system"}}
            },
            "system of the module os",
        ),
        (
            lambda _: {
                "class_name": "TorchModuleWrapper",
                "config": {"module": pickle.dumps(print).hex()},
            },
            "a pickled PyTorch module",
        ),
        (lambda _: {"class_name": "TFSMLayer", "config": {"filepath": "/x"}}, "a SavedModel"),
        (
            lambda layer: {
                "config": layer["config"]
                | {"activation": {"class_name": "__lambda__", "config": {"value": ""}}}
            },
            "a Lambda function",
        ),
    ],
    ids=["module", "function", "torch", "saved model", "lambda activation"],
)
def test_settings_that_refer_to_code_are_refused_before_anything_is_built(
    tmp_path, trap, monkeypatch, rewrite, words
):
    path = rewrite_activation(tmp_path / "code.keras", rewrite)
    monkeypatch.setattr(
        keras.saving, "load_model", lambda *_, **__: pytest.fail("Keras was called")
    )
    assert_refused(path, words, "only Keras' own layers are loaded, no code")


def test_pickle_in_disguise_is_not_unpickled(tmp_path, trap):
    class Trap:
        def __reduce__(self):
            return open, (str(trap), "w")

    (tmp_path / "model.keras").write_bytes(pickle.dumps(Trap()))
    assert_refused(tmp_path / "model.keras")


@pytest.mark.parametrize("name", ["model.pkl", "model.onnx", "saved_model"])
def test_other_types_of_files_are_refused(tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    assert_refused(tmp_path / name, "allowed: .keras, .h5")


def test_file_of_weights_alone_is_refused(tmp_path):
    build_with().save_weights(tmp_path / "w.weights.h5")
    assert_refused(tmp_path / "w.weights.h5")


@pytest.mark.slow
def test_network_within_a_network_contains_no_code(tmp_path):
    for file in save_model(build_model("densenet121", 32), tmp_path):
        refuse_code(file)
