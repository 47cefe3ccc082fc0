"""Training learns, is reproducible to the bit, resumes where it stopped and repeats nothing."""

import json
import shutil

import keras
import numpy as np
import pandas as pd
import pytest
from small_runs import (
    CHIPS,
    DROPOUT,
    SETTINGS,
    SMALLEST,
    assert_same_results,
    find_checkpoints,
    find_results,
    read_history,
    read_probabilities,
    run_python,
    stop_after,
    train,
    write_store,
)

from planet_lib.data.labels import LABELS
from planet_lib.errors import StageError


def test_loss_falls(undisturbed):
    losses = [row["loss"] for row in read_history(find_results(undisturbed))]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.9 * losses[0]


def test_run_leaves_what_later_stages_read(undisturbed):
    folder = find_results(undisturbed)
    manifest = json.loads((folder / "run.json").read_text())
    history = read_history(folder)
    assert {path.name for path in folder.iterdir()} == {
        "b01_dense121.h5",
        "card.json",
        "history.json",
        "model.keras",
        "probabilities.npy",
        "run.json",
        "tensorboard",
    }
    assert manifest["trained_epochs"] == len(history) == 4
    assert manifest["best_epoch"] == min(history, key=lambda row: row["val_loss"])["epoch"]
    assert read_probabilities(undisturbed).shape == (sum(CHIPS.values()), len(LABELS))
    assert read_probabilities(undisturbed).dtype == np.float32
    for name in manifest["model_files"]:
        assert set(keras.saving.load_model(folder / name).output) == {"weather", "land"}


def test_network_trains_on_both_pictures(trained_on_both):
    folder = trained_on_both / "models" / "densenet-both"
    history = read_history(folder)
    assert history[-1]["loss"] < history[0]["loss"]
    assert keras.saving.load_model(folder / "model.keras").input.shape[-1] == 6


@pytest.mark.slow
def test_interrupted_run_ends_as_the_undisturbed_one(interrupted, undisturbed, tmp_path):
    run_dir = shutil.copytree(interrupted, tmp_path / "run")
    assert not (find_results(run_dir) / "run.json").exists()
    _, rows = train(run_dir)
    assert [row["epoch"] for row in rows] == [3, 4]
    assert_same_results(run_dir, undisturbed)


@pytest.mark.slow
def test_another_seed_gives_other_losses(undisturbed, tmp_path):
    run_dir = write_store(tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        train(run_dir, seed=2, on_epoch=stop_after(1))
    (row,) = read_history(find_checkpoints(run_dir))
    assert row["loss"] != read_history(find_results(undisturbed))[0]["loss"]


KILLED = """
import sys
from pathlib import Path
from planet_lib.training.callbacks import EpochKeeper
from small_runs import train
EpochKeeper.on_train_batch_end = lambda *_, **__: print("step", flush=True)
train(Path(sys.argv[1]))
"""


@pytest.mark.slow
def test_run_killed_within_an_epoch_ends_as_the_undisturbed_one(undisturbed, tmp_path):
    run_dir = write_store(tmp_path / "run")
    steps = CHIPS["train"] // SETTINGS["batch_size"]
    with run_python(KILLED, run_dir) as process:
        made = 0
        for line in process.stdout:
            made += line == "step\n"
            if made == 2 * steps + 1:
                process.kill()
    assert process.returncode == -9
    assert not (find_results(run_dir) / "run.json").exists()
    _, rows = train(run_dir)
    assert 1 < rows[0]["epoch"] <= 4
    assert_same_results(run_dir, undisturbed)


def test_finished_run_is_not_repeated(undisturbed):
    before = (find_results(undisturbed) / "model.keras").stat().st_mtime_ns
    manifest, rows = train(undisturbed)
    assert rows == []
    assert manifest["trained_epochs"] == 4
    assert (find_results(undisturbed) / "model.keras").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    "change",
    [{"seed": 2}, {"options": DROPOUT | {"growth": 5}}, "raw.json", "chips.csv"],
    ids=["setting", "option", "pixels", "catalogue"],
)
def test_changed_setting_or_data_repeats_the_run(undisturbed, tmp_path, monkeypatch, change):
    run_dir = shutil.copytree(undisturbed, tmp_path / "run")
    if isinstance(change, str):
        path = run_dir / "data" / change
        path.write_text(path.read_text().replace("made here", "other").replace("water", "road"))
        change = {}

    def start(*_, **__):
        raise InterruptedError("training started")

    monkeypatch.setattr("planet_lib.training.fit.build_model", start)
    with pytest.raises(InterruptedError):
        train(run_dir, **change)


def test_run_stopped_while_it_replaces_another_passes_as_neither(
    undisturbed, tmp_path, monkeypatch
):
    def stop(*_, **__):
        raise KeyboardInterrupt

    run_dir = shutil.copytree(undisturbed, tmp_path / "run")
    monkeypatch.setattr("planet_lib.training.train.predict_chips", stop)
    with pytest.raises(KeyboardInterrupt):
        train(run_dir, epochs=1)
    assert not (find_results(run_dir) / "run.json").exists()


def test_loss_that_is_not_finite_stops_with_the_cure_and_keeps_epochs(tmp_path, monkeypatch):
    run_dir = write_store(tmp_path / "run")
    compiled = []
    compile_network = keras.Model.compile
    monkeypatch.setattr(
        keras.Model,
        "compile",
        lambda self, **how: (compiled.append(self), compile_network(self, **how))[1],
    )

    def set_nan(row: dict) -> None:
        bias = compiled[0].get_layer("land").bias
        bias.assign(bias * np.nan)

    with pytest.raises(StageError, match=r"no longer finite in epoch 2; lower learning_rate"):
        train(run_dir, on_epoch=set_nan, options=SMALLEST)
    assert not (find_results(run_dir) / "run.json").exists()
    assert [row["epoch"] for row in read_history(find_checkpoints(run_dir))] == [1]
    assert (find_checkpoints(run_dir) / "epoch-001.npz").exists()


@pytest.mark.slow
def test_patience_stops_and_the_best_epoch_is_kept(tmp_path):
    # Validation chips have the labels of the other class, so learning makes them worse.
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
    _, rows = train(run_dir, epochs=1, options=SMALLEST, batch_size=500)
    assert rows[0]["weather_loss"] == rows[0]["val_weather_loss"] == 0
    assert rows[0]["land_loss"] == rows[0]["loss"] > 0


def test_missing_store_names_the_command_to_run(tmp_path):
    with pytest.raises(StageError, match="run 'make report' first"):
        train(tmp_path)
