"""The card of a trained network holds all that its use elsewhere needs."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from small_runs import CHIP_PX, GROUND_DISTANCE_M, HAZE, SETTINGS, find_results, train

from planet_lib.data.labels import LABELS, encode_tags
from planet_lib.data.store import load_catalogue
from planet_lib.errors import DataError
from planet_lib.evaluation.metrics import tune_thresholds
from planet_lib.networks.card import read_card
from planet_lib.networks.files import load_model


@pytest.fixture
def folder(undisturbed) -> Path:
    return find_results(undisturbed)


def test_card_describes_labels_input_and_training(folder):
    card = read_card(folder)
    assert card["labels"] == list(LABELS)
    assert card["input"] == {
        "mode": "raw",
        "pictures": ["raw"],
        "image_px": CHIP_PX,
        "channels": 3,
        "values": [0, 255],
    }
    assert card["haze"] is None
    assert (card["chip_px"], card["ground_distance_m"]) == (CHIP_PX, GROUND_DISTANCE_M)
    assert card["training"]["seed"] == SETTINGS["seed"]
    assert set(card["training"]["data"]) == {"raw"}
    assert card["training"]["data"]["raw"]["sha256"] == "made here"
    assert {"python", "keras", "numpy", "backend"} <= set(card["training"]["versions"])
    assert card["training"]["commit"]


def test_brightness_is_that_of_the_training_chips(folder, undisturbed):
    low, high = read_card(folder)["brightness"]
    chips = np.load(undisturbed / "data" / "raw.npy")
    training = chips[load_catalogue(undisturbed)["split"] == "train"].mean(axis=(1, 2, 3))
    assert training.min() <= low < 50 < 190 < high <= training.max()


def test_card_describes_how_the_haze_free_picture_is_made(trained_on_both):
    card = read_card(trained_on_both / "models" / "densenet-both")
    assert card["haze"] == HAZE
    assert card["input"]["pictures"] == ["raw", "dehazed"]
    assert card["input"]["channels"] == 6


def test_thresholds_are_tuned_on_the_validation_chips(folder, undisturbed):
    thresholds = read_card(folder)["thresholds"]
    catalogue = load_catalogue(undisturbed)
    validation = np.flatnonzero(catalogue["split"] == "validation")
    expected = tune_thresholds(
        encode_tags(catalogue["tags"])[validation],
        np.load(folder / "probabilities.npy")[validation],
    )
    assert thresholds["flat"] == 0.2
    assert list(thresholds["tuned"]) == list(LABELS)
    np.testing.assert_array_equal(list(thresholds["tuned"].values()), expected)


def test_card_of_a_finished_network_is_written_again(undisturbed, tmp_path):
    run_dir = shutil.copytree(undisturbed, tmp_path / "run")
    before = read_card(find_results(run_dir))
    (find_results(run_dir) / "card.json").unlink()
    assert train(run_dir)[1] == []
    assert read_card(find_results(run_dir)) == before


@pytest.mark.parametrize("labels", [LABELS[::-1], (*LABELS[:-1], "storm")], ids=["order", "name"])
def test_network_with_other_labels_is_refused(folder, tmp_path, labels):
    other = shutil.copytree(folder, tmp_path / "other")
    (other / "card.json").write_text(json.dumps(read_card(other) | {"labels": labels}))
    for name in ("model.keras", "b01_dense121.h5"):
        with pytest.raises(DataError, match=r"card\.json: labels .* in this order"):
            load_model(other / name)
