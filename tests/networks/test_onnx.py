"""The ONNX file of a network predicts as the network does, and is written only then."""

import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import planet_lib.networks.onnx
from planet_lib.cli import main
from planet_lib.errors import StageError
from planet_lib.networks.architectures import build_model
from planet_lib.networks.files import load_model, save_model
from planet_lib.networks.onnx import export_onnx, open_onnx

IMAGE_PX = 32
TINY = {"blocks": [1, 1], "growth": 4, "filters": 4}
SMALLEST = {"blocks": [], "filters": 4}


def build(name: str, **options: object) -> keras.Model:
    """Build a network with every weight drawn at random, so that no error hides behind a zero."""
    keras.utils.set_random_seed(0)
    network = build_model(name, IMAGE_PX, **options)
    rng = np.random.default_rng(0)
    for weight in network.weights:
        noise = 1 + rng.uniform(-0.2, 0.2, weight.shape)
        weight.assign(weight * noise + (0.1 * noise if len(weight.shape) == 1 else 0))
    return network


def assert_same_predictions(network: keras.Model, path: Path) -> None:
    predict = open_onnx(path)
    for count in (1, 3):
        shape = (count, *network.input.shape[1:])
        chips = np.random.default_rng(count).integers(256, size=shape, dtype=np.uint8)
        predicted = predict(chips)
        assert set(predicted) == {"weather", "land"}
        for head, expected in network(chips).items():
            np.testing.assert_allclose(predicted[head], expected, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("densenet", TINY | {"channels": 6}),
        ("cnn", {}),
        ("resnet", {"widths": (4, 8)}),
        pytest.param("densenet121", {}, marks=pytest.mark.slow),
    ],
    ids=["densenet", "cnn", "resnet", "densenet121"],
)
def test_onnx_predicts_as_the_network_in_batches_of_any_size(tmp_path, name, options):
    network = build(name, **options)
    export_onnx(network, tmp_path / "model.onnx")
    assert_same_predictions(network, tmp_path / "model.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_file_that_predicts_otherwise_is_not_written(tmp_path, monkeypatch):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"an earlier one")
    network = build("densenet", **SMALLEST)
    monkeypatch.setattr(
        planet_lib.networks.onnx, "open_onnx", lambda _: lambda chips: network(chips / 2)
    )
    with pytest.raises(StageError, match=r"model\.onnx: predictions differ .* not written"):
        export_onnx(network, path)
    assert path.read_bytes() == b"an earlier one"
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]


@pytest.mark.parametrize("missing", ["onnxruntime", "tf2onnx"])
def test_missing_package_is_reported_with_the_command_to_install_it(tmp_path, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.setattr(keras.src.utils.module_utils.tf2onnx, "module", None)
    with pytest.raises(StageError) as refused:
        export_onnx(build("densenet", **SMALLEST), tmp_path / "model.onnx")
    message = str(refused.value)
    assert "model.onnx: cannot be written" in message
    assert missing in message
    assert message.endswith("pip install '.[onnx]'")
    assert "\n" not in message
    assert not list(tmp_path.iterdir())


def test_export_command_writes_each_network_beside_its_model(tmp_path, capsys):
    folders = [tmp_path / "one", tmp_path / "two"]
    for channels, folder in zip((3, 6), folders, strict=True):
        folder.mkdir()
        save_model(build("densenet", **SMALLEST, channels=channels), folder)
    assert main(["export", *map(str, folders)]) == 0
    printed = capsys.readouterr().out
    for folder in folders:
        assert_same_predictions(load_model(folder / "model.keras"), folder / "model.onnx")
        assert f"exported: {folder / 'model.onnx'}\n" in printed


def test_export_of_a_folder_without_a_network_is_refused_in_one_line(tmp_path, capsys):
    assert main(["export", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith(
        f"error: {tmp_path}: no network (it has no model.keras)"
    )
