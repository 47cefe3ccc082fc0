"""The mine detector that comes with the package: its card, its size, and pictures through it."""

import cv2
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from planet_lib.data.labels import MINE
from planet_lib.data.mining_watch import CREDIT, load_gallery
from planet_lib.evaluation.label_folder import label_folder
from planet_lib.networks.card import read_card
from planet_lib.networks.files import load_network
from planet_lib.networks.locate import MODEL, list_shipped, name_network
from planet_lib.networks.predict import predict_chips

FOLDER = name_network("mining-watch")


@pytest.fixture(scope="module")
def network():
    return load_network(FOLDER / MODEL)


def test_shipped_networks_have_names():
    assert list_shipped() == ["mining-watch", "synthetic"]


def test_card_describes_the_network_and_credits_its_source(network):
    card = read_card(FOLDER)
    assert card["labels"] == [MINE]
    assert card["credit"] == CREDIT
    assert (card["chip_px"], card["ground_distance_m"]) == (48, 10)
    assert network.input_shape[1:] == (48, 48, 3)
    assert network.count_params() == card["training"]["parameters"]
    assert 0 < card["thresholds"]["site"] < card["thresholds"]["isolated"] < 1
    assert 0 < card["thresholds"]["flat"] < 1
    assert (FOLDER / MODEL).stat().st_size < 16e6


@pytest.mark.slow
def test_folder_of_png_chips_gets_the_probabilities_of_the_network(network, tmp_path):
    chips = np.random.default_rng(0).integers(0, 256, (3, 48, 48, 3), dtype=np.uint8)
    (tmp_path / "chips").mkdir()
    for name, chip in zip("cab", chips, strict=True):
        cv2.imwrite(str(tmp_path / "chips" / f"{name}.png"), chip[..., ::-1])
    done = label_folder(tmp_path / "chips", tmp_path / "labels.csv", model=FOLDER)
    assert (done.labelled, done.resized, done.left_out) == (3, 0, [])
    table = pd.read_csv(tmp_path / "labels.csv", keep_default_na=False).set_index("file")
    assert table.columns[0] == MINE
    expected = predict_chips(network, chips, image_px=48)[:, 0]
    np.testing.assert_allclose(
        table.loc[["c.png", "a.png", "b.png"], MINE].astype(float), expected, atol=1e-5
    )


@pytest.mark.slow
def test_mines_of_the_gallery_are_told_from_other_chips(network, sample):
    gallery = sample.parent / "mining_watch"
    if not gallery.is_dir():
        pytest.skip("no gallery beside the project")
    catalogue, chips = load_gallery(gallery)
    rows = np.random.default_rng(0).choice(len(chips), 120, replace=False)
    scores = predict_chips(network, chips, image_px=48, rows=rows)[:, 0]
    assert roc_auc_score(catalogue["tags"].eq(MINE).to_numpy()[rows], scores) > 0.95
