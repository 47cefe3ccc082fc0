"""The layout of the competition's data set: where its tables and chips are, and what they say."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from planet_lib.data.folders import PICTURE_ENDINGS, TIFF_ENDINGS, list_chips, list_visible
from planet_lib.data.label_table import has_columns, read_names, read_tags
from planet_lib.data.labels import INDEX, WEATHER, encode_tags
from planet_lib.data.problems import Problem, read_problems
from planet_lib.data.tiff import read_file_mapping
from planet_lib.errors import DataError

COMPETITION = "planet-understanding-the-amazon-from-space"
LABELS_FILE = "train_v2.csv"
SUBMISSION_FILE = "sample_submission_v2.csv"
MAPPING_FILE = "test_v2_file_mapping.csv"
TABLES = (LABELS_FILE, SUBMISSION_FILE, MAPPING_FILE)
JPEG_FOLDERS = ("train-jpg", "test-jpg", "test-jpg-additional")
TIFF_FOLDERS = ("train-tif-v2", "test-tif-v2")
FOLDERS = (*JPEG_FOLDERS, *TIFF_FOLDERS)
LABELLED_FOLDERS = (JPEG_FOLDERS[0], TIFF_FOLDERS[0])
UNPACKED_PROBLEMS = "unpacked/problems.csv"
"""Where `planet_lib.data.kaggle_archives` says what it left out."""
COMPETITION_CHIPS = {"labelled": 40_479, "unlabelled": 61_191}


def list_read(folder: Path) -> tuple[list[Path], list[Path]]:
    """List the tables and the files of chips that reading a data set depends on."""
    tables = [folder / name for name in (*TABLES, UNPACKED_PROBLEMS)]
    chips = [
        Path(entry.path)
        for name in FOLDERS
        if (folder / name).is_dir()
        for entry in list_visible(folder / name)
    ]
    return list(filter(Path.is_file, tables)), sorted(chips)


def scan_kaggle(folder: Path) -> tuple[pd.DataFrame, list[Problem]]:
    """List the chips of a data set in Kaggle's layout without decoding them.

    Parameters
    ----------
    folder : Path
        ``train_v2.csv``, ``train-jpg/`` and, where there, ``test-jpg/`` and
        ``test-jpg-additional/``; in addition, or instead, ``train-tif-v2/`` and ``test-tif-v2/``
        with ``test_v2_file_mapping.csv``; and ``sample_submission_v2.csv``.

    Returns
    -------
    catalogue : DataFrame
        As of `planet_lib.data.catalogue.scan_dataset`; `LABELLED_FOLDERS` hold its labelled chips.
    problems : list of Problem

    Raises
    ------
    DataError
        The labels file, a column or every labelled chip is missing, or a tag is unknown.
    """
    if not (folder / LABELS_FILE).is_file():
        raise DataError(f"{folder / LABELS_FILE}: no labels file; {_find_other_labels(folder)}")
    labels, problems = read_tags(folder / LABELS_FILE)
    if (noted := folder / UNPACKED_PROBLEMS).is_file():
        problems += read_problems(noted)
    jpegs, tiffs = _find_jpegs(folder), _find_tiffs(folder)
    problems += jpegs.problems + tiffs.problems
    pictures = tiffs.paths | jpegs.paths
    trained = jpegs.list_trained() | tiffs.list_trained()
    present = labels["image_name"].isin(trained)
    if not present.any():
        raise DataError(_explain_no_chip(folder, labels["image_name"], trained, pictures))
    problems += _compare_labels(labels["image_name"], trained, pictures)
    problems += _find_label_problems(labels[present])
    tags = {
        name: " ".join(dict.fromkeys(text.split()))
        for name, text in zip(labels["image_name"][present], labels["tags"][present], strict=True)
    }
    labelled = [name for name, text in tags.items() if text]
    unlabelled = [name for name, text in tags.items() if not text]
    unlabelled += sorted(
        pictures.keys() - trained, key=lambda chip: (chip.split("_")[0] != "test", len(chip), chip)
    )
    problems += _compare_submission(folder / SUBMISSION_FILE, unlabelled)
    problems += [
        Problem(pictures[chip], "a TIFF without its JPEG", "read from the TIFF, stretched")
        for chip in [*labelled, *unlabelled]
        if chip not in jpegs.paths
    ]
    rows = [
        (chip, pictures[chip], tiffs.paths.get(chip, ""), bool(tags.get(chip)), tags.get(chip, ""))
        for chip in [*labelled, *unlabelled]
    ]
    return pd.DataFrame(rows, columns=["chip", "path", "tiff", "labelled", "tags"]), problems


@dataclass
class _Pictures:
    """The chips of one kind of file by name, each with its path relative to the data set."""

    paths: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def add(self, chip: str, path: str) -> None:
        """Add a chip unless another file has its name; labelled ones come first."""
        if chip in self.paths:
            also = self.paths[chip].partition("/")[0]
            self.problems.append(Problem(path, f"a chip of that name is in {also}", "left out"))
        else:
            self.paths[chip] = path

    def list_trained(self) -> set[str]:
        """List the chips in a folder of labelled ones."""
        return {
            chip for chip, path in self.paths.items() if path.partition("/")[0] in LABELLED_FOLDERS
        }


def _find_jpegs(folder: Path) -> _Pictures:
    found = _Pictures()
    for name in filter(lambda name: (folder / name).is_dir(), JPEG_FOLDERS):
        chips, problems = list_chips(folder / name, PICTURE_ENDINGS)
        found.problems += problems
        for chip, path in chips.items():
            found.add(chip, f"{name}/{path.name}")
    return found


def _find_tiffs(folder: Path) -> _Pictures:
    """Find the TIFFs under the names that their chips have as JPEGs."""
    found, mapped = _Pictures(), {}
    mapping: dict[str, str] | None = None
    for name in filter(lambda name: (folder / name).is_dir(), TIFF_FOLDERS):
        if mapping is None:
            table = folder / MAPPING_FILE
            mapping = read_file_mapping(table) if table.exists() else {}
        chips, problems = list_chips(folder / name, TIFF_ENDINGS)
        found.problems += problems
        for stem, path in chips.items():
            chip = Path(mapping.get(f"{stem}.tif", stem)).stem
            if chip in mapped and mapping:
                raise DataError(
                    f"{path}: {MAPPING_FILE} maps it and {mapped[chip]} to {chip}; "
                    "remove the table if the files have been renamed"
                )
            mapped[chip] = f"{name}/{path.name}"
            found.add(chip, mapped[chip])
    return found


def _find_other_labels(folder: Path) -> str:
    """Say where the labels may be."""
    other = [path.name for path in sorted(folder.glob("*.csv")) if has_columns(path)]
    if other := [name for name in other if "submission" not in name.lower()]:
        return f"if {other[0]} has the labels, rename it to {LABELS_FILE}"
    return f"copy {LABELS_FILE} from the competition's data page there"


def _explain_no_chip(
    folder: Path, names: pd.Series, trained: set[str], pictures: dict[str, str]
) -> str:
    """Explain that no labelled chip is there, with the cure."""
    listed = next(iter(names))
    if elsewhere := [name for name in names if name in pictures]:
        others = pictures[elsewhere[0]].partition("/")[0]
        return (
            f"{folder / LABELS_FILE}: lists chips of {others}, such as {elsewhere[0]}, and none of "
            f"{JPEG_FOLDERS[0]}; copy {LABELS_FILE} from the competition's data page there"
        )
    missing = f"{folder / JPEG_FOLDERS[0]}: not one of the {len(names)} labelled chips found"
    if trained:
        return (
            f"{missing}: {LABELS_FILE} lists {listed!r}, the folder has {min(trained)!r}; "
            "use the names of the table"
        )
    return f"{missing}; unpack the competition's chips to {JPEG_FOLDERS[0]}/"


def _compare_labels(
    names: pd.Series, trained: set[str], pictures: dict[str, str]
) -> Iterator[Problem]:
    """Find the labels and the chips to train on that do not have each other."""
    for name in names[~names.isin(trained)]:
        if name in pictures:
            place = pictures[name].partition("/")[0]
            yield Problem(name, f"labelled, but in {place}", "its label is not used")
        else:
            yield Problem(name, "label without a chip", "left out")
    for name in sorted(trained - set(names)):
        yield Problem(name, "chip without a label", "left out")


def _find_label_problems(labels: pd.DataFrame) -> Iterator[Problem]:
    encoded = encode_tags(labels["tags"])
    weather = encoded[:, : len(WEATHER)].sum(axis=1)
    cloudy_land = (encoded[:, INDEX["cloudy"]] == 1) & (encoded[:, len(WEATHER) :].sum(axis=1) > 0)
    for position, (name, tags) in enumerate(zip(labels["image_name"], labels["tags"], strict=True)):
        tags = tags.split()
        if not tags:
            yield Problem(name, "no label at all", "used as an unlabelled chip")
            continue
        if len(set(tags)) < len(tags):
            yield Problem(name, "a tag is repeated", "counted once")
        if weather[position] == 0:
            yield Problem(name, "no weather label", "kept; its weather is masked in training")
        if weather[position] > 1:
            yield Problem(name, "more than one weather label", "kept as it is")
        if cloudy_land[position]:
            yield Problem(name, "cloudy, with land labels", "kept as it is")


def _compare_submission(table: Path, unlabelled: list[str]) -> Iterator[Problem]:
    """Find the chips that Kaggle's form of a submission and the data set do not share."""
    if not table.is_file():
        return
    try:
        asked = dict.fromkeys(read_names(table))
    except DataError as error:
        reason = str(error).removeprefix(f"{table}: ")
        yield Problem(table.name, reason, "the submission is not compared with it")
        return
    present = set(unlabelled)
    for name in filter(lambda name: name not in present, asked):
        yield Problem(name, f"{table.name} asks for it, no such chip", "not in submission.csv")
    for name in unlabelled:
        if name not in asked:
            yield Problem(name, f"{table.name} does not ask for it", "in submission.csv even so")
