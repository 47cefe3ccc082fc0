"""Contents of a report: its runs and pages follow the profile."""

import re

import pytest

from planet_lib.config import CONFIG_FOLDER, load_profile
from planet_lib.data.labels import LABELS, MINE
from planet_lib.report.contents import (
    HOME,
    is_detection,
    list_pages,
    list_runs,
    list_stages,
    list_trainings,
)
from planet_lib.report.graph import ROOT
from planet_lib.report.publish import time_stages


@pytest.mark.parametrize("name", sorted(path.stem for path in CONFIG_FOLDER.glob("*.yaml")))
def test_pages_and_runs_follow_the_profile(name):
    profile = load_profile(name).model_dump()
    trainings = list_trainings(profile)
    assert len(trainings) == len(profile["networks"]) * len(profile["inputs"])
    ensemble = ["ensemble-both"] if profile["ensemble"] else []
    assert list_runs(profile) == trainings + ensemble
    pages = list_pages(profile)
    assert [page.name for page in pages] == [
        "01_explore",
        "02_dehaze",
        *(f"03_train-{run}" for run in trainings),
        *(["03_ensemble"] if ensemble else []),
        "04_evaluate",
        "05_find_mines",
    ]
    assert len({page.title for page in pages}) == len(pages)
    assert HOME not in {page.href for page in pages}


def test_detector_has_pages_of_its_own():
    profile = load_profile("mining").model_dump()
    names = [page.name for page in list_pages(profile, detection=True)]
    trainings = [f"03_train-{run}" for run in list_trainings(profile)]
    assert names == ["01_places", "02_dehaze", *trainings, "04_detection"]


def test_stages_are_those_of_the_graph_that_measures_them():
    measured = re.findall(r"seconds/([^\"]+)\.tsv", (ROOT / "Snakefile").read_text())
    without_page = {name for name in measured if re.match("[a-z]", name)}
    profile = load_profile("mining").model_dump() | {"cross_validation": {"network": "cnn"}}
    assert set(list_stages(profile, [], synthetic=True, scenes=True)) == without_page


def test_times_of_stages_of_an_earlier_report_are_left_out(tmp_path):
    (tmp_path / "seconds").mkdir()
    for stage in ("store_chips", "02_dehaze", "merge_scenes", "06_scenes", "03_train-cnn-raw"):
        (tmp_path / "seconds" / f"{stage}.tsv").write_text("s\th:m:s\n1.5\t0:00:01\n")
    profile = load_profile("smoke").model_dump() | {"networks": {"densenet": {}}}
    for scenes, added in ((True, {"merge_scenes", "06_scenes"}), (False, set())):
        pages = list_pages(profile, scenes=scenes)
        stages = list_stages(profile, pages, synthetic=False, scenes=scenes)
        times = time_stages(tmp_path, stages)
        assert times == dict.fromkeys({"store_chips", "02_dehaze"} | added, 1.5)


@pytest.mark.parametrize("detection", [False, True])
def test_scenes_are_the_last_page(detection):
    profile = load_profile("smoke").model_dump()
    pages = list_pages(profile, detection=detection)
    *others, last = list_pages(profile, detection=detection, scenes=True)
    assert others == pages
    assert last.name == "06_scenes"


def test_mine_alone_makes_a_detector():
    assert is_detection([MINE])
    assert not is_detection(LABELS)
    assert not is_detection([MINE, "water"])


def test_names_are_those_of_the_profile_s_runs():
    profile = {"networks": {"cnn": {}}, "inputs": ["raw"], "ensemble": None}
    titles = [page.title for page in list_pages(profile)]
    assert "Training: Plain CNN, as taken" in titles
    assert not any("DenseNet" in title or "removed" in title for title in titles)
