"""Reports on mines alone: which profile and data they take, and one made from a small gallery."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from bs4 import BeautifulSoup
from galleries import write_gallery

import planet_lib.report.build
from planet_lib.data.labels import LABELS, MINE
from planet_lib.data.mining_watch import CREDIT, UNFINISHED
from planet_lib.errors import ConfigError, DataError, StageError
from planet_lib.report.build import make_report
from planet_lib.report.contents import Page
from planet_lib.report.pages import render_detection


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Make reports below a temporary folder, without their graph."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(planet_lib.report.build, "ROOT", tmp_path)
    monkeypatch.setattr(planet_lib.report.build, "run_graph", lambda *_, **__: None)
    return tmp_path


def make(folder, *, name=None, profile=None):
    page = make_report(name, data=folder, profile=profile, cores=1)
    return json.loads((page.parents[2] / "runs" / page.parent.name / "report.json").read_text())


def test_gallery_takes_the_profile_of_mines(elsewhere):
    settings = make(write_gallery(elsewhere / "amazon"))
    assert settings["name"] == "amazon"
    assert settings["profile_name"] == "mining"
    assert settings["labels"] == ["artisinal_mine"]
    assert settings["credit"] == CREDIT


def test_profile_whose_ensemble_needs_all_labels_is_refused(elsewhere):
    with pytest.raises(ConfigError, match=r"tell only artisinal_mine.*PROFILE=mining"):
        make(write_gallery(elsewhere / "amazon"), profile="default")


def test_places_that_may_be_divided_are_refused(elsewhere, monkeypatch):
    settings = planet_lib.report.build.load_profile("mining")
    loose = settings.model_copy(update={"keep_neighbours": False})
    monkeypatch.setattr(planet_lib.report.build, "load_profile", lambda _: loose)
    with pytest.raises(ConfigError, match="set keep_neighbours: true"):
        make(write_gallery(elsewhere / "amazon"))


def test_mining_watch_is_downloaded_once(elsewhere, monkeypatch):
    fetched = []
    monkeypatch.setattr(
        planet_lib.report.build,
        "fetch_gallery",
        lambda folder: fetched.append(write_gallery(folder)),
    )
    watch = planet_lib.report.build.FETCHED
    assert make(watch)["name"] == "mining-watch"
    assert make(watch)["data"] == str(elsewhere / "downloads" / "mining-watch")
    assert len(fetched) == 1


def test_interrupted_download_is_not_taken_for_the_data(elsewhere, monkeypatch):
    def break_off(folder):
        (write_gallery(folder) / UNFINISHED).touch()
        raise DataError("the connection broke")

    monkeypatch.setattr(planet_lib.report.build, "fetch_gallery", break_off)
    watch, downloaded = planet_lib.report.build.FETCHED, elsewhere / "downloads" / "mining-watch"
    for _ in range(2):
        with pytest.raises(DataError, match="connection"):
            make(watch)
    with pytest.raises(DataError, match="download broke off; go on with: planet fetch"):
        make(downloaded)
    finish = (downloaded / UNFINISHED).unlink
    monkeypatch.setattr(planet_lib.report.build, "fetch_gallery", lambda _: finish())
    assert make(watch)["data"] == str(downloaded)


def test_folder_of_that_name_is_taken_as_it_is(elsewhere):
    write_gallery(elsewhere / "mining-watch")
    settings = make(planet_lib.report.build.FETCHED)
    assert settings["data"] == str(elsewhere / "mining-watch")


def measure(value):
    names = ("average precision", "recall at specificity 0.95", "precision of the first 500")
    cells = {name: {"value": value, "low": value - 0.1, "high": value + 0.1} for name in names}
    return cells | {names[-1]: {"value": None, "low": None, "high": None}}


RESULTS = {
    "data": {
        "source": "amazon",
        "credit": CREDIT,
        "labelled": 1000,
        "unlabelled": 0,
        "left_out": 0,
        "problems": [
            {
                "problem": "every cell is black",
                "action": "left out",
                "files": 2,
                "example": "dark.png",
            }
        ],
        "splits": {"train": 600, "validation": 200, "test": 200},
        "sha256": "abc",
    },
    "test": {
        "mines": 61,
        "others": 139,
        "unlocated_others": 0,
        "kinds": {"random place": 100, "river bank": 39},
    },
    "best_run": "cnn-raw",
    "runs": {
        "cnn-raw": {"model": "cnn", "input": "raw", "measures": measure(0.625), "seconds": 3},
        "cnn-dehazed": {"model": "cnn", "input": "dehazed", "measures": measure(0.5), "seconds": 3},
    },
    "baselines": {"extra trees": {"measures": measure(0.375)}},
    "haze_gain": {"cnn-dehazed": measure(-0.125)},
    "examined": {
        "run": "cnn-raw",
        "how": "in cross-validation over places",
        "specificity": 0.95,
        "points": {"average precision": 0.52},
    },
    "look_alikes": {
        "river bank": {
            "chips": 40,
            "places": 2,
            "flagged": 7,
            "share": 0.175,
            "low": 0.09,
            "high": 0.32,
        }
    },
    "missed": {"mines": 181, "found": 63},
    "mistaken": [{"chip": "v1_0001", "kind": "river bank"}],
    "divisions": {"random": 0.71, "by place": 0.38},
    "provenance": {
        "commit": "c0ffee",
        "seed": 1,
        "host": "2 cores",
        "seconds": 60,
        "stages": {"store_chips": 1.5},
        "versions": {"keras": "3"},
        "config": {"seed": 1},
    },
}


def render(folder, results):
    page = folder / "index.html"
    site = [Page("04_detection", "The detector", "What is found")]
    pictures = {"v1_0001": b"webp"}
    render_detection(
        page, results=results, pictures=pictures, site=site, report="x", data_note="the chips"
    )
    return BeautifulSoup(page.read_text(), "html.parser")


def test_front_page_of_a_detector_shows_its_operating_points(tmp_path):
    page = render(tmp_path, RESULTS)
    text = page.get_text(" ", strip=True)
    for words in ("0.625", "0.525 to 0.725", "7 of 40", "river bank", "0.710", "61", CREDIT):
        assert words in text
    for words in ("63 of 181", "0.520", "in cross-validation over places", "100 random place"):
        assert words in text
    for words in ("every cell is black", "dark.png"):
        assert words in text
    assert "Every chip could be read" not in text
    assert "\N{MINUS SIGN}0.125" in text
    assert "unlabelled" not in text
    assert page.find("a", href="04_detection.html")
    assert page.find("img")["src"].startswith("data:image/webp;base64,")


def test_value_that_is_not_defined_is_a_dash_and_not_zero(tmp_path):
    page = render(tmp_path, RESULTS)
    row = next(row for row in page.find_all("tr") if "Plain CNN" in row.get_text())
    assert row.find_all("td")[2].get_text() == "–"


def test_front_page_says_where_chips_are_not_located_and_where_an_interval_is_missing(tmp_path):
    assert "only the series is known" not in render(tmp_path, RESULTS).get_text()
    undefined = {"average precision": {"value": 0.1, "low": None, "high": None}}
    results = RESULTS | {
        "test": RESULTS["test"] | {"unlocated_others": 12},
        "haze_gain": {"cnn-dehazed": undefined},
    }
    text = render(tmp_path, results).get_text(" ", strip=True)
    assert "of 12 without a mine only the series is known" in text
    assert "The places are too few for an interval" in text


def test_no_look_alike_is_named_where_none_is_taken_for_a_mine(tmp_path):
    kinds = {name: row | {"flagged": 0} for name, row in RESULTS["look_alikes"].items()}
    text = render(tmp_path, RESULTS | {"look_alikes": kinds}).get_text()
    assert "Taken for a mine most often" not in text


def test_results_that_lack_a_key_are_an_error(tmp_path):
    with pytest.raises(StageError, match="lack a key"):
        render(tmp_path, {key: value for key, value in RESULTS.items() if key != "examined"})


@pytest.mark.slow
def test_report_is_made_from_a_small_gallery(tmp_path, monkeypatch):
    root = copy_repository(tmp_path / "copy")
    monkeypatch.setattr(planet_lib.report.build, "ROOT", root)
    earlier = root / "reports" / "x" / "submission.csv"
    earlier.parent.mkdir(parents=True)
    earlier.write_text("of a report with all labels")
    gallery = write_gallery(tmp_path / "g")
    (gallery / "data/training_gallery/holiday.png").write_bytes(b"")
    page = make_report("x", data=gallery, profile="mining-smoke", cores=2)
    assert "holiday.png" in page.read_text()
    names = {path.name for path in page.parent.glob("*.html")}
    assert {"index.html", "01_places.html", "02_dehaze.html", "04_detection.html"} <= names
    assert page.parent == earlier.parent
    assert not earlier.exists()
    results = json.loads((page.parent / "results.json").read_text(), parse_constant=pytest.fail)
    assert set(results["data"]["labels"]) == {"artisinal_mine"}
    assert sum(kind["chips"] for kind in results["look_alikes"].values()) == 7 * 14
    probabilities = np.load(page.parents[2] / "runs/x/models/cnn-raw/probabilities.npy")
    assert np.isfinite(probabilities).all(axis=0).tolist() == [label == MINE for label in LABELS]
    card = json.loads((page.parents[2] / "runs/x/models/cnn-raw/card.json").read_text())
    assert card["known"] == list(card["thresholds"]["tuned"]) == [MINE]
    assert (card["chip_px"], card["ground_distance_m"]) == (48, 10)
    for html in page.parent.glob("*.html"):
        assert CREDIT in html.read_text()


def copy_repository(target):
    """Copy what a report is made with, so that it is made elsewhere."""
    root = Path(__file__).parents[2]
    for name in ("Snakefile", "notebooks", "planet_lib", "config", "pyproject.toml"):
        copy = shutil.copytree if (root / name).is_dir() else shutil.copy
        target.mkdir(exist_ok=True)
        copy(root / name, target / name)
    return target
