"""The gallery of Amazon Mining Watch: its cells, what is known of them, places, and faults."""

import json
import shutil

import cv2
import numpy as np
import pandas as pd
import pytest
from galleries import (
    FOREST,
    MINES,
    OTHERS,
    paint_chips,
    write_gallery,
    write_points,
    write_sheet,
)
from PIL import Image
from sklearn.cluster import DBSCAN
from sklearn.metrics import adjusted_rand_score

from planet_lib.data.catalogue import scan_dataset, sign_dataset
from planet_lib.data.ingest import store_chips
from planet_lib.data.labels import INDEX, MINE, encode_known, list_known
from planet_lib.data.mining_watch import group_places, parse_sheet_name, read_sheet
from planet_lib.data.problems import read_problems
from planet_lib.data.readers import find_reader, prepare_dataset
from planet_lib.data.store import load_catalogue, open_store
from planet_lib.errors import DataError

POSITIVES, *_ = MINES
SERIES = POSITIVES.partition("_S2L1C")[0]
NEGATIVES, *_ = OTHERS


@pytest.fixture
def gallery(tmp_path):
    return write_gallery(tmp_path / "gallery")


def describe(problems):
    return {
        (problem.file.rpartition("/")[2], problem.action): problem.problem for problem in problems
    }


def test_cells_are_read_row_by_row(gallery):
    chips = paint_chips(9, (190, 150, 110), 0)
    cells = read_sheet(gallery / "data/training_gallery" / f"{POSITIVES}.png")
    np.testing.assert_array_equal(cells[:9], chips)
    assert not cells[9:].any()


def test_catalogue_says_what_the_names_say(gallery):
    catalogue, problems = scan_dataset(gallery)
    assert problems == []
    assert len(catalogue) == 2 * 9 + 7 * 14
    assert catalogue["chip"].is_unique
    kinds = catalogue.groupby("kind").size().to_dict()
    assert kinds == {
        "mine": 18,
        "random place": 28,
        "river bank": 28,
        "fish pond": 14,
        "landslide": 14,
        "earlier false positive": 14,
    }
    assert (catalogue["tags"].eq(MINE) == catalogue["kind"].eq("mine")).all()
    early = catalogue[catalogue["start"] == "2019-01-01"]
    assert set(early["end"]) == {"2020-01-01"}
    assert set(catalogue["ground_distance_m"]) == {10.0}
    assert set(catalogue["clear"]) == {0.05, 0.75}


def test_only_the_mine_is_known(gallery):
    catalogue, _ = scan_dataset(gallery)
    encoded = encode_known(catalogue["tags"], catalogue["known"])
    assert list_known(encoded) == [MINE]
    assert set(encoded[:, INDEX[MINE]]) == {0, 1}


def test_mines_have_the_points_of_their_cells_and_others_none(gallery):
    catalogue, _ = scan_dataset(gallery)
    first = catalogue[catalogue["series"] == SERIES]
    assert first["longitude"].tolist() == [-60.0 + i for i in range(9)]
    assert catalogue.loc[catalogue["kind"] != "mine", "longitude"].isna().all()


def test_sheet_with_another_number_of_points_is_kept_without_coordinates(gallery):
    write_points(gallery, SERIES, [(0.0, 0.0)] * 8)
    catalogue, problems = scan_dataset(gallery)
    assert describe(problems) == {
        (f"{POSITIVES}.png", "kept, without coordinates"): "9 chips, but 8 points"
    }
    assert catalogue.loc[catalogue["series"] == SERIES, "longitude"].isna().all()


@pytest.mark.parametrize(
    "point", [[None, None], [float("nan"), 0.0], [500_000.0, 9_000_000.0], "here", []]
)
def test_points_that_are_no_coordinates_on_earth_are_not_used(gallery, point):
    write_points(gallery, SERIES, [(0.0, 0.0)] * 8 + [point])
    catalogue, problems = scan_dataset(gallery)
    assert [problem.action for problem in problems] == ["not used"]
    assert catalogue.loc[catalogue["series"] == SERIES, "longitude"].isna().all()


def test_points_that_are_no_geojson_are_not_used(gallery):
    (gallery / "data/sampling_locations" / f"{SERIES}.geojson").write_text("[1, 2]")
    catalogue, problems = scan_dataset(gallery)
    assert [problem.action for problem in problems] == ["not used"]
    assert catalogue.loc[catalogue["series"] == SERIES, "longitude"].isna().all()


def test_black_cell_between_others_keeps_the_points_of_the_rest(gallery):
    chips = paint_chips(9, (190, 150, 110), 0)
    chips[3] = 0
    write_sheet(gallery, POSITIVES, chips)
    catalogue, problems = scan_dataset(gallery)
    first = catalogue[catalogue["series"] == SERIES]
    assert first["longitude"].tolist() == [-60.0 + i for i in range(9) if i != 3]
    assert [problem.problem for problem in problems] == ["1 black cells between others"]


def spoil_name(path):
    path.rename(path.with_name("holiday.png"))


def cut_half_a_cell(path):
    with Image.open(path) as sheet:
        sheet.crop((0, 0, sheet.width - 24, sheet.height)).save(path)


def save_as_grey(path):
    with Image.open(path) as sheet:
        sheet.convert("L").save(path)


def save_with_16_bits(path):
    cv2.imwrite(str(path), cv2.imread(str(path)).astype(np.uint16) * 11)


def truncate(path):
    path.write_bytes(path.read_bytes()[:40])


def truncate_all(path):
    path.write_bytes(b"")


def blacken(path):
    write_sheet(path.parents[2], path.stem, np.zeros((4, 48, 48, 3), np.uint8))


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (spoil_name, "the name does not say whether the chips show mines, and when"),
        (cut_half_a_cell, "168 x 192 px are not whole cells of 48 px; download it again"),
        (truncate, "not a PNG, or truncated; download it again"),
        (truncate_all, "not a PNG, or truncated; download it again"),
        (blacken, "every cell is black"),
        (
            save_as_grey,
            "8 bits in 1 channels, expected 8 bits in red, green and blue; download it again",
        ),
        (
            save_with_16_bits,
            "16 bits in 3 channels, expected 8 bits in red, green and blue; download it again",
        ),
    ],
)
def test_sheet_that_cannot_be_used_is_listed_and_left_out(gallery, spoil, problem):
    spoil(gallery / "data/training_gallery" / f"{NEGATIVES}.png")
    catalogue, problems = scan_dataset(gallery)
    assert [(each.problem, each.action) for each in problems] == [(problem, "left out")]
    assert len(catalogue) == 2 * 9 + 6 * 14


def test_second_sheet_of_a_name_is_listed_and_left_out(gallery):
    sheets = gallery / "data/training_gallery"
    (sheets / "unused").mkdir()
    shutil.copy(sheets / f"{NEGATIVES}.png", sheets / "unused")
    catalogue, problems = scan_dataset(gallery)
    assert catalogue["chip"].is_unique
    assert len(catalogue) == 2 * 9 + 7 * 14
    (problem,) = problems
    assert problem.file == f"data/training_gallery/unused/{NEGATIVES}.png"
    assert (problem.problem, problem.action) == ("another sheet has that name", "left out")


@pytest.mark.parametrize(("names", "word"), [(MINES, "with mines"), (OTHERS, "without mines")])
def test_one_class_only_is_one_line_with_the_cure(gallery, names, word):
    for name in names:
        (gallery / "data/training_gallery" / f"{name}.png").unlink()
    with pytest.raises(DataError, match=rf"no sheet {word}.*planet fetch mining-watch"):
        scan_dataset(gallery)


def test_folder_of_both_data_sets_is_refused(gallery):
    (gallery / "train_v2.csv").write_text("image_name,tags\n")
    with pytest.raises(DataError, match=r"train_v2.csv of Kaggle and .* move one"):
        find_reader(gallery)


@pytest.mark.parametrize("name", ["train-jpg.tar.7z", "planet/train_v2.csv.zip"])
def test_folder_of_both_data_sets_is_refused_where_one_is_packed(gallery, name):
    (gallery / name).parent.mkdir(exist_ok=True)
    (gallery / name).write_bytes(b"")
    with pytest.raises(DataError, match=f"has {name} of Kaggle and .* move one"):
        find_reader(gallery)


def test_folder_of_neither_names_both(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"none of Kaggle's files.*data/training_gallery"):
        prepare_dataset(tmp_path / "empty", tmp_path / "target")


@pytest.mark.parametrize(
    "name",
    [
        "a_positives_negatives_S2L1C_clear0.75_2019-01-01_2020-01-01",
        "a_positives_S2L1C_clear0.7.5_2019-01-01_2020-01-01",
        "a_positives_S2L1C_clear._2019-01-01_2020-01-01",
        "a_positives_S2L1C_clear0.75_2019-13-41_2020-01-01",
        "a_positives_S2L1C_clear0.75_2020-01-01_2019-01-01",
    ],
)
def test_names_that_do_not_say_what_or_when_are_refused(name):
    with pytest.raises(DataError, match="does not say"):
        parse_sheet_name(name)


def test_sheet_in_capitals_is_read_and_the_notes_of_macos_are_not(gallery):
    sheet = gallery / "data/training_gallery" / f"{NEGATIVES}.png"
    sheet.rename(sheet.with_suffix(".PNG"))
    sheet.with_name(f"._{NEGATIVES}.png").write_bytes(b"\0\5\26\7")
    points = gallery / "data/sampling_locations" / "._more.geojson"
    points.write_bytes(b"\0\5\26\7")
    catalogue, problems = scan_dataset(gallery)
    assert problems == []
    assert len(catalogue) == 2 * 9 + 7 * 14


def test_missing_sheet_and_missing_points_are_listed(gallery):
    (gallery / "data/training_gallery" / f"{POSITIVES}.png").unlink()
    (other,) = set(MINES) - {POSITIVES}
    points = gallery / "data/sampling_locations" / f"{other.partition('_S2L1C')[0]}.geojson"
    points.unlink()
    catalogue, problems = scan_dataset(gallery)
    assert describe(problems) == {
        (points.name, "chips kept, without coordinates"): "no such file",
        (f"{SERIES}.geojson", "not used"): "points without a sheet of chips",
    }
    assert catalogue["longitude"].isna().all()


def test_places_are_clusters_at_25_km_and_series_without_location():
    table = pd.DataFrame(
        {
            "latitude": [0.0, 0.2, 0.4, 3.0, np.nan, np.nan, np.nan],
            "longitude": [0.0, 0.0, 0.0, 0.0, np.nan, np.nan, np.nan],
            "series": ["a", "a", "b", "b", "c", "c", "d"],
        }
    )
    places = group_places(table, {})
    assert places[0] == places[1] == places[2] != places[3]
    assert places[4] == places[5] != places[6]
    assert len(set(places)) == 4


def test_places_are_those_of_scikit_learn_where_all_chips_are_located():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "latitude": rng.uniform(-9, -6, 200),
            "longitude": rng.uniform(-60, -57, 200),
            "series": "a",
        }
    )
    near = DBSCAN(eps=25 / 6371, min_samples=1, metric="haversine")
    expected = near.fit_predict(np.radians(table[["latitude", "longitude"]].to_numpy()))
    places = group_places(table, {})
    assert len(set(places)) > 10
    assert adjusted_rand_score(expected, places) == 1


def test_unmatched_points_join_their_series_with_all_places_that_they_touch():
    table = pd.DataFrame(
        {
            "latitude": [0.0, 2.0, 4.0, np.nan, np.nan, np.nan],
            "longitude": [0.0, 0.0, 0.0, np.nan, np.nan, np.nan],
            "series": ["a", "a", "b", "c", "c", "d"],
        }
    )
    places = group_places(table, {"c": np.array([[0.1, 0.0], [0.0, 2.1]]), "d": np.array([[9, 9]])})
    assert places[0] == places[1] == places[3] == places[4]
    assert len({places[0], places[2], places[5]}) == 3


def test_series_with_one_point_too_many_is_no_place_of_its_own(gallery):
    name = POSITIVES.replace("v1", "again")
    write_sheet(gallery, name, paint_chips(4, (190, 150, 110), 7))
    points = [(-60.0 + i, -5.0) for i in range(5)]
    write_points(gallery, name.partition("_S2L1C")[0], points)
    catalogue, problems = scan_dataset(gallery)
    again = catalogue["path"].str.contains(name, regex=False)
    assert "4 chips, but 5 points" in str(problems)
    assert catalogue.loc[again, "latitude"].isna().all()
    same = catalogue["place"].isin(catalogue.loc[again, "place"])
    assert same.sum() == 4 + 5


def test_look_alikes_with_a_point_for_each_chip_are_located(gallery):
    name = next(name for name in OTHERS if name.startswith("landslide"))
    series = name.partition("_S2L1C")[0]
    write_sheet(gallery, name, paint_chips(3, FOREST, 1))
    write_points(gallery, series, [(-60.0, -5.0), (-60.0, -5.1), (-20.0, 5.0)])
    catalogue, _ = scan_dataset(gallery)
    places = catalogue.loc[catalogue["series"].eq(series), "place"].to_numpy()
    mine = catalogue["longitude"].eq(-60) & catalogue["tags"].eq(MINE)
    assert places[0] == places[1] == catalogue.loc[mine, "place"].item() != places[2]


def test_sheet_without_points_joins_the_located_sheet_of_its_series(gallery):
    name = next(name for name in OTHERS if name.startswith("riverbank") and "0.05" in name)
    write_sheet(gallery, name, paint_chips(13, FOREST, 9))
    series = name.partition("_S2L1C")[0]
    write_points(gallery, series, [(-70.0 + i, -3.0) for i in range(14)])
    catalogue, _ = scan_dataset(gallery)
    own = catalogue[catalogue["series"] == series]
    assert set(own["longitude"].isna()) == {True, False}
    assert len(set(own["place"])) == 1


def test_no_coordinates_at_all_still_gives_places(gallery):
    for path in (gallery / "data/sampling_locations").iterdir():
        path.unlink()
    catalogue, problems = scan_dataset(gallery)
    assert [problem.problem for problem in problems] == ["no such file"] * len(MINES)
    assert catalogue["place"].nunique() == catalogue["series"].nunique()


def test_same_cell_twice_in_a_sheet_is_named_by_its_chips(gallery, tmp_path):
    chips = paint_chips(9, (190, 150, 110), 0)
    chips[5] = chips[2]
    write_sheet(gallery, POSITIVES, chips)
    store_chips(gallery, tmp_path / "run", source="gallery", seed=0)
    (problem,) = read_problems(tmp_path / "run" / "data" / "problems.csv")
    assert problem.file == f"{POSITIVES}_0002 = {POSITIVES}_0005"


def test_changed_sheet_changes_the_signature(gallery):
    before = sign_dataset(gallery)
    assert sign_dataset(gallery) == before
    write_sheet(gallery, NEGATIVES, paint_chips(5, FOREST, 1))
    assert sign_dataset(gallery) != before


def test_store_holds_the_cells_and_divides_no_place(gallery, tmp_path):
    run = tmp_path / "run"
    store_chips(gallery, run, source="gallery", seed=0)
    catalogue, chips = load_catalogue(run), open_store(run, "raw")
    first = catalogue.index[catalogue["series"] == SERIES]
    np.testing.assert_array_equal(chips[first], paint_chips(9, (190, 150, 110), 0))
    assert catalogue.groupby("group")["split"].nunique().eq(1).all()
    assert (catalogue.groupby("series")["group"].nunique()[["random_negatives"]] == 1).all()
    manifest = json.loads((run / "data" / "raw.json").read_text())
    assert manifest["labels"] == [MINE]
    assert "CC BY 4.0" in manifest["credit"]


def test_split_without_a_mine_is_one_line_before_any_training(tmp_path):
    folder = tmp_path / "gallery"
    write_sheet(folder, POSITIVES, paint_chips(9, (190, 150, 110), 0))
    for seed, name in enumerate(OTHERS):
        write_sheet(folder, name, paint_chips(9, FOREST, seed))
    with pytest.raises(DataError, match=r"no chip with a mine is left .*add sheets of other pl"):
        store_chips(folder, tmp_path / "run", source="gallery", seed=0)


def test_too_few_places_are_one_line_with_the_cure(tmp_path):
    folder = tmp_path / "gallery"
    write_sheet(folder, POSITIVES, paint_chips(9, (190, 150, 110), 0))
    write_sheet(folder, NEGATIVES, paint_chips(9, FOREST, 1))
    with pytest.raises(DataError, match=r"2 groups of chips .* too few .*chips of other places"):
        store_chips(folder, tmp_path / "run", source="gallery", seed=0)
