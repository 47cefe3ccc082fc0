"""Reports on mines alone: which profile and data they take, and one made from a small gallery."""

import json

import pytest
from galleries import write_gallery

import planet_lib.report.build
from planet_lib.data.mining_watch import CREDIT
from planet_lib.errors import ConfigError, DataError
from planet_lib.report.build import make_report


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """Make reports below a temporary folder, without their graph."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(planet_lib.report.build, "ROOT", tmp_path)
    monkeypatch.setattr(planet_lib.report.build, "_run_graph", lambda *_: None)
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
        write_gallery(folder)
        raise DataError("the connection broke")

    monkeypatch.setattr(planet_lib.report.build, "fetch_gallery", break_off)
    with pytest.raises(DataError, match="connection"):
        make(planet_lib.report.build.FETCHED)
    assert not (elsewhere / "downloads" / "mining-watch").exists()


def test_folder_of_that_name_is_taken_as_it_is(elsewhere):
    write_gallery(elsewhere / "mining-watch")
    settings = make(planet_lib.report.build.FETCHED)
    assert settings["data"] == str(elsewhere / "mining-watch")
