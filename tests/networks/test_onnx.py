"""The ONNX file and the card of a network: the same answers, and all that its use needs."""

import json
import shutil
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from test_train import SETTINGS, SMALLEST, results, train, write_store

import planet_lib.networks.onnx
from planet_lib.cli import main
from planet_lib.data.labels import LABELS, encode_tags
from planet_lib.data.store import load_catalogue
from planet_lib.errors import DataError, StageError
from planet_lib.evaluation.metrics import tune_thresholds
from planet_lib.networks.architectures import build_model
from planet_lib.networks.files import load_model
from planet_lib.networks.onnx import export_onnx, open_onnx

IMAGE_PX = 32
TINY = {"blocks": [1, 1], "growth": 4, "filters": 4}


def build(name: str, **options) -> keras.Model:
    """Build a network whose every weight is drawn, so that none hides behind a zero."""
    keras.utils.set_random_seed(0)
    network = build_model(name, IMAGE_PX, **options)
    rng = np.random.default_rng(0)
    for weight in network.weights:
        noise = 1 + rng.uniform(-0.2, 0.2, weight.shape)
        weight.assign(weight * noise + (0.1 * noise if len(weight.shape) == 1 else 0))
    return network


def draw_chips(count: int, channels: int = 3) -> np.ndarray:
    shape = (count, IMAGE_PX, IMAGE_PX, channels)
    return np.random.default_rng(count).integers(256, size=shape, dtype=np.uint8)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cnn", {}),
        ("densenet", TINY),
        ("densenet", TINY | {"channels": 6}),
        pytest.param("densenet121", {}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_onnx_answers_as_the_network_in_batches_of_any_size(tmp_path, name, options):
    network = build(name, **options)
    export_onnx(network, tmp_path / "model.onnx")
    predict = open_onnx(tmp_path / "model.onnx")
    for count in (1, 2, 7):
        chips = draw_chips(count, network.input.shape[-1])
        expected = network.predict(chips, verbose=0)
        answers = predict(chips)
        assert set(answers) == {"weather", "land"}
        for head, probabilities in answers.items():
            np.testing.assert_allclose(probabilities, expected[head], atol=1e-4)
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_file_that_answers_otherwise_is_not_written(tmp_path, monkeypatch):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"an earlier one")
    other = build("cnn")
    monkeypatch.setattr(
        planet_lib.networks.onnx, "open_onnx", lambda _: lambda chips: other(chips / 2)
    )
    with pytest.raises(StageError, match=r"model\.onnx: predictions differ .* not written"):
        export_onnx(build("cnn"), path)
    assert path.read_bytes() == b"an earlier one"
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]


@pytest.mark.parametrize("missing", ["onnxruntime", "tf2onnx"])
def test_missing_package_is_one_line_with_the_command(tmp_path, monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.setattr(keras.src.utils.module_utils.tf2onnx, "module", None)
    with pytest.raises(StageError) as refused:
        export_onnx(build("cnn"), tmp_path / "model.onnx")
    message = str(refused.value)
    assert "model.onnx: cannot be written" in message
    assert missing in message
    assert message.endswith("pip install '.[onnx]'")
    assert "\n" not in message
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    run_dir = write_store(tmp_path_factory.mktemp("trained"))
    shutil.copyfile(run_dir / "data" / "raw.npy", run_dir / "data" / "dehazed.npy")
    (run_dir / "data" / "dehazed.json").write_text(
        '{"method": "boundary_constraint", "clahe": true}'
    )
    train(run_dir, epochs=1, options=SMALLEST)
    train(run_dir, epochs=1, options=SMALLEST, input_mode="both")
    return run_dir


def read_card(folder: Path) -> dict:
    return json.loads((folder / "card.json").read_text())


def test_card_holds_what_the_use_of_a_network_needs(trained):
    card = read_card(results(trained))
    assert card["labels"] == list(LABELS)
    assert card["input"] == {
        "mode": "raw",
        "pictures": ["raw"],
        "image_px": IMAGE_PX,
        "channels": 3,
        "values": [0, 255],
    }
    assert card["haze"] is None
    assert card["training"]["seed"] == SETTINGS["seed"]
    assert card["training"]["data"] == {"raw": {"sha256": "made here"}}
    assert {"python", "keras", "numpy", "backend"} <= set(card["training"]["versions"])
    assert card["training"]["commit"]


def test_card_says_how_the_haze_free_picture_is_made(trained):
    card = read_card(trained / "models" / "densenet-both")
    assert card["haze"] == {"method": "boundary_constraint", "clahe": True}
    assert card["input"]["pictures"] == ["raw", "dehazed"]
    assert card["input"]["channels"] == 6


def test_thresholds_of_the_card_are_those_of_the_validation_chips(trained):
    thresholds = read_card(results(trained))["thresholds"]
    validation = np.flatnonzero(load_catalogue(trained)["split"] == "validation")
    expected = tune_thresholds(
        encode_tags(load_catalogue(trained)["tags"])[validation],
        np.load(results(trained) / "probabilities.npy")[validation],
    )
    assert thresholds["flat"] == 0.2
    assert list(thresholds["tuned"]) == list(LABELS)
    np.testing.assert_array_equal(list(thresholds["tuned"].values()), expected)


def test_card_is_written_anew_for_a_network_that_is_finished(trained):
    before = read_card(results(trained))
    (results(trained) / "card.json").unlink()
    assert train(trained, epochs=1, options=SMALLEST)[1] == []
    assert read_card(results(trained)) == before


def test_export_command_writes_each_network_beside_its_model(trained, tmp_path, capsys):
    folders = [
        shutil.copytree(trained / "models" / name, tmp_path / name)
        for name in ("densenet-raw", "densenet-both")
    ]
    assert main(["export", *map(str, folders)]) == 0
    said = capsys.readouterr().out
    for folder in folders:
        network = load_model(folder / "model.keras")
        chips = draw_chips(2, network.input.shape[-1])
        answers = open_onnx(folder / "model.onnx")(chips)
        for head, expected in network.predict(chips, verbose=0).items():
            np.testing.assert_allclose(answers[head], expected, atol=1e-4)
        assert f"exported: {folder / 'model.onnx'}\n" in said


def test_export_of_a_folder_without_a_network_is_one_line(tmp_path, capsys):
    assert main(["export", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith(f"error: {tmp_path / 'model.keras'}: ")


@pytest.mark.parametrize("labels", [LABELS[::-1], (*LABELS[:-1], "storm")], ids=["order", "name"])
@pytest.mark.parametrize("name", ["model.keras", "b01_dense121.h5"])
def test_network_of_other_labels_is_refused(trained, tmp_path, labels, name):
    folder = shutil.copytree(results(trained), tmp_path / "other")
    (folder / "card.json").write_text(json.dumps(read_card(folder) | {"labels": labels}))
    with pytest.raises(DataError, match=r"card\.json: labels .* train the network anew"):
        load_model(folder / name)
