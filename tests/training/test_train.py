"""Training: it learns, it is exact, and it goes on where it stopped."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import keras
import numpy as np
import pandas as pd
import pytest

from planet_lib.data.labels import LABELS
from planet_lib.errors import StageError
from planet_lib.networks.architectures import build_model
from planet_lib.networks.files import load_model
from planet_lib.training.loss import compute_label_weights, remove_label_weights
from planet_lib.training.train import train_run

CHIP_PX = 32
CHIPS = {"train": 24, "validation": 8, "test": 4}
DROPPING = {"blocks": [1], "growth": 4, "filters": 4, "dropout": 0.5}
SMALLEST = {"blocks": [], "filters": 4}
SETTINGS = {
    "model": "densenet",
    "input_mode": "raw",
    "image_px": CHIP_PX,
    "epochs": 4,
    "batch_size": 8,
    "learning_rate": 0.01,
    "patience": 9,
    "max_label_weight": 3.0,
    "seed": 1,
    "options": DROPPING,
}


def write_store(run_dir: Path, *, bright="clear primary", dark="haze water") -> Path:
    """Write chips whose brightness alone tells their labels, split by position."""
    count = sum(CHIPS.values())
    is_bright = np.arange(count) % 2 == 0
    noise = np.random.default_rng(0).integers(-30, 30, (count, CHIP_PX, CHIP_PX, 3))
    chips = np.where(is_bright[:, None, None, None], 200, 40) + noise
    (run_dir / "data").mkdir(parents=True)
    np.save(run_dir / "data" / "raw.npy", chips.astype(np.uint8))
    (run_dir / "data" / "raw.json").write_text('{"sha256": "made here"}')
    pd.DataFrame(
        {
            "chip": [f"train_{row}" for row in range(count)],
            "path": "",
            "labelled": True,
            "tags": np.where(is_bright, bright, dark),
            "split": [name for name, size in CHIPS.items() for _ in range(size)],
        }
    ).to_csv(run_dir / "data" / "chips.csv", index=False)
    return run_dir


def train(run_dir: Path, **changes) -> tuple[dict, list[dict]]:
    """Train, and return the manifest and the rows that `on_epoch` was called with."""
    rows = []
    manifest = train_run(run_dir, **SETTINGS | {"on_epoch": rows.append} | changes)
    return manifest, rows


def results(run_dir: Path) -> Path:
    return run_dir / "models" / "densenet-raw"


def probabilities(run_dir: Path) -> np.ndarray:
    return np.load(results(run_dir) / "probabilities.npy")


def history(run_dir: Path) -> list[dict]:
    return json.loads((results(run_dir) / "history.json").read_text())["epochs"]


def test_network_learns_from_both_kinds_of_chips_at_once(tmp_path):
    run_dir = write_store(tmp_path / "run")
    for name in ("raw.npy", "raw.json"):
        shutil.copyfile(run_dir / "data" / name, run_dir / "data" / name.replace("raw", "dehazed"))
    manifest, rows = train(run_dir, input_mode="both")
    assert manifest["input"] == "both"
    assert rows[-1]["val_loss"] < rows[0]["val_loss"]
    network = load_model(run_dir / "models" / "densenet-both" / "model.keras")
    assert network.input.shape == (None, CHIP_PX, CHIP_PX, 6)
    before = manifest["fingerprint"]
    (run_dir / "data" / "dehazed.json").write_text('{"sha256": "another method"}')
    assert train(run_dir, input_mode="both")[0]["fingerprint"] != before


def stop_after(epoch: int):
    def stop(row: dict) -> None:
        if row["epoch"] == epoch:
            raise KeyboardInterrupt

    return stop


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    run_dir = write_store(tmp_path_factory.mktemp("undisturbed"))
    train(run_dir)
    return run_dir


@pytest.fixture(scope="module")
def resumed(tmp_path_factory) -> Path:
    run_dir = write_store(tmp_path_factory.mktemp("resumed"))
    with pytest.raises(KeyboardInterrupt):
        train(run_dir, on_epoch=stop_after(2))
    assert not (results(run_dir) / "run.json").exists()
    _, rows = train(run_dir)
    assert [row["epoch"] for row in rows] == [3, 4]
    return run_dir


def test_loss_falls(undisturbed):
    losses = [row["loss"] for row in history(undisturbed)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.9 * losses[0]


def test_run_leaves_what_later_stages_need(undisturbed):
    folder = results(undisturbed)
    manifest = json.loads((folder / "run.json").read_text())
    assert {path.name for path in folder.iterdir()} == {
        "b01_dense121.h5",
        "card.json",
        "history.json",
        "model.keras",
        "probabilities.npy",
        "run.json",
        "tensorboard",
    }
    assert manifest["trained_epochs"] == len(history(undisturbed)) == 4
    best = min(history(undisturbed), key=lambda row: row["val_loss"])
    assert manifest["best_epoch"] == best["epoch"]
    found = probabilities(undisturbed)
    assert found.shape == (sum(CHIPS.values()), len(LABELS))
    assert found.dtype == np.float32


def test_same_seed_gives_the_same_losses_to_the_bit(undisturbed, resumed):
    for left, right in zip(history(undisturbed)[:2], history(resumed)[:2], strict=True):
        assert left | {"seconds": 0} == right | {"seconds": 0}


def test_interrupted_run_ends_as_the_undisturbed_one(undisturbed, resumed):
    np.testing.assert_array_equal(probabilities(resumed), probabilities(undisturbed))
    kept = [load_model(results(x) / "model.keras") for x in (resumed, undisturbed)]
    for left, right in zip(*(model.get_weights() for model in kept), strict=True):
        np.testing.assert_array_equal(left, right)


def read_weights(run_dir: Path) -> bytes:
    with ZipFile(results(run_dir) / "model.keras") as archive:
        return archive.read("model.weights.h5")


def test_same_seed_gives_the_same_weights_file_to_the_bit(undisturbed, tmp_path):
    again, other = write_store(tmp_path / "again"), write_store(tmp_path / "other")
    train(again)
    train(other, seed=2, epochs=1)
    assert read_weights(again) == read_weights(undisturbed)
    assert read_weights(other) != read_weights(undisturbed)


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from planet_lib.training.callbacks import EpochKeeper
from test_train import train
EpochKeeper.on_train_batch_end = lambda *_, **__: print("step", flush=True)
train(Path(sys.argv[2]))
"""


def kill_at(step: int, run_dir: Path) -> None:
    """Train in a process of its own that is killed once it has made so many steps."""
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, Path(__file__).parent, run_dir],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        made = 0
        for line in process.stdout:
            made += line == "step\n"
            if made == step:
                process.kill()
    assert made >= step


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_killed_at_any_step_it_ends_as_the_undisturbed_one(undisturbed, tmp_path, seed):
    run_dir = write_store(tmp_path / "run")
    steps = SETTINGS["epochs"] * CHIPS["train"] // SETTINGS["batch_size"]
    kill_at(np.random.default_rng(seed).integers(1, steps), run_dir)
    assert not (results(run_dir) / "run.json").exists()
    train(run_dir)
    assert read_weights(run_dir) == read_weights(undisturbed)
    np.testing.assert_array_equal(probabilities(run_dir), probabilities(undisturbed))
    for left, right in zip(history(run_dir), history(undisturbed), strict=True):
        assert left | {"seconds": 0} == right | {"seconds": 0}


@pytest.mark.parametrize("name", ["model.keras", "b01_dense121.h5"])
def test_files_of_a_run_load_with_plain_keras(undisturbed, name):
    loaded = keras.saving.load_model(results(undisturbed) / name)
    assert set(loaded.output) == {"weather", "land"}


def test_finished_run_is_not_repeated(undisturbed):
    before = (results(undisturbed) / "model.keras").stat().st_mtime_ns
    manifest, rows = train(undisturbed)
    assert rows == []
    assert manifest["trained_epochs"] == 4
    assert (results(undisturbed) / "model.keras").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    "change",
    [{"seed": 2}, {"epochs": 5}, {"options": DROPPING | {"growth": 5}}, "raw.json", "chips.csv"],
    ids=str,
)
def test_changed_setting_or_data_repeats_the_run(undisturbed, tmp_path, monkeypatch, change):
    run_dir = shutil.copytree(undisturbed, tmp_path / "run")
    if isinstance(change, str):
        path = run_dir / "data" / change
        path.write_text(path.read_text().replace("made here", "other").replace("water", "road"))
        change = {}

    def start(*_, **__):
        raise InterruptedError("training started")

    monkeypatch.setattr("planet_lib.training.train.build_model", start)
    with pytest.raises(InterruptedError):
        train(run_dir, **change)


def test_loss_that_is_not_finite_stops_with_the_cure_and_keeps_epochs(tmp_path, monkeypatch):
    run_dir = write_store(tmp_path / "run")
    network = []
    compile_network = keras.Model.compile
    monkeypatch.setattr(
        keras.Model,
        "compile",
        lambda self, **how: (network.append(self), compile_network(self, **how))[1],
    )

    def ruin(row: dict) -> None:
        bias = network[0].get_layer("land").bias
        bias.assign(bias * np.nan)

    with pytest.raises(StageError, match=r"no longer finite in epoch 2; lower learning_rate"):
        train(run_dir, on_epoch=ruin, options=SMALLEST)
    assert not (results(run_dir) / "run.json").exists()
    checkpoints = next(results(run_dir).glob("checkpoints-*"))
    kept = json.loads((checkpoints / "history.json").read_text())["epochs"]
    assert [row["epoch"] for row in kept] == [1]
    assert (checkpoints / "epoch-001.npz").exists()


def test_patience_stops_and_the_best_epoch_is_kept(tmp_path):
    # Validation chips bear the other class's labels: what is learned makes them worse.
    run_dir = write_store(tmp_path / "run")
    table = pd.read_csv(run_dir / "data" / "chips.csv")
    swapped = {"clear primary": "haze water", "haze water": "clear primary"}
    validation = table["split"] == "validation"
    table.loc[validation, "tags"] = table.loc[validation, "tags"].map(swapped)
    table.to_csv(run_dir / "data" / "chips.csv", index=False)
    manifest, rows = train(run_dir, epochs=12, patience=2, learning_rate=0.05, options=SMALLEST)
    losses = [row["val_loss"] for row in rows]
    assert len(losses) < 12
    assert manifest["best_epoch"] == np.argmin(losses) + 1
    assert len(losses) == manifest["best_epoch"] + 2


def test_chips_without_weather_add_nothing_even_in_a_batch_larger_than_the_set(tmp_path):
    run_dir = write_store(tmp_path / "run", bright="primary", dark="water")
    _, rows = train(run_dir, epochs=1, options=SMALLEST, batch_size=500)  # more than chips
    assert rows[0]["weather_loss"] == rows[0]["val_weather_loss"] == 0
    assert rows[0]["land_loss"] == rows[0]["loss"] > 0


def test_missing_store_says_what_to_run(tmp_path):
    with pytest.raises(StageError, match="run 'make report' first"):
        train(tmp_path)


@pytest.mark.parametrize("limit", [1.0, 3.0, 100.0])
def test_label_weights_are_the_root_of_the_odds_against_within_bounds(limit):
    encoded = np.zeros((100, len(LABELS)), np.uint8)
    for label, positives in enumerate((0, 1, 4, 20, 50, 90, 100)):
        encoded[:positives, label] = 1
    weights = compute_label_weights(encoded, limit=limit)
    assert weights.dtype == np.float32
    assert weights.min() >= 1
    assert weights.max() <= limit
    expected = [10, 99**0.5, 24**0.5, 2, 1, 1, 1]
    np.testing.assert_allclose(weights[:7], np.minimum(expected, limit), rtol=1e-6)


def test_weights_are_taken_out_of_the_odds_exactly():
    keras.utils.set_random_seed(3)
    network = build_model("densenet", CHIP_PX, **SMALLEST)
    chips = np.random.default_rng(3).integers(256, size=(5, CHIP_PX, CHIP_PX, 3), dtype=np.uint8)
    weights = np.linspace(1, 9, len(LABELS), dtype=np.float32)
    before = {name: np.asarray(head, float) for name, head in network(chips).items()}
    remove_label_weights(network, weights)
    after = {name: np.asarray(head, float) for name, head in network(chips).items()}
    odds = before["land"] / (1 - before["land"]) / weights[4:]
    np.testing.assert_allclose(after["land"], odds / (1 + odds), rtol=1e-5)
    shares = before["weather"] / weights[:4]
    np.testing.assert_allclose(
        after["weather"], shares / shares.sum(axis=1, keepdims=True), rtol=1e-5
    )


def test_weights_of_one_change_nothing():
    network = build_model("densenet", CHIP_PX, **SMALLEST)
    before = [weight.copy() for weight in network.get_weights()]
    remove_label_weights(network, np.ones(len(LABELS), np.float32))
    for left, right in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)
