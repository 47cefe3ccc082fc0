"""What a report contains: its runs, its pages in reading order, and the names that readers see."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from planet_lib.data.labels import MINE

HOME = "index.html"
LONGEST_NAME = 20
SYNTHETIC_SOURCE = "synthetic chips"
NETWORK_NAMES = {
    "cnn": "Plain CNN",
    "densenet": "DenseNet",
    "densenet121": "DenseNet-121",
    "resnet": "ResNet",
    "ensemble": "Ensemble",
}
INPUT_NAMES = {"raw": "as taken", "dehazed": "haze removed", "both": "both versions"}
ENSEMBLE = "ensemble-both"


@dataclass(frozen=True)
class Page:
    """One page of a report."""

    name: str  # of its file, and of its executed notebook, without the ending
    title: str
    summary: str

    @property
    def href(self) -> str:
        """Address of the page, relative to the front page."""
        return f"{self.name}.html"


def list_trainings(profile: Mapping[str, Any]) -> list[str]:
    """List the trainings of single networks, as ``<network>-<input>``.

    Parameters
    ----------
    profile : mapping
        The content of a `planet_lib.config.Profile`.
    """
    return [f"{network}-{kind}" for network in profile["networks"] for kind in profile["inputs"]]


def list_runs(profile: Mapping[str, Any]) -> list[str]:
    """List all runs that the evaluation compares: the trainings and, if any, the ensemble."""
    return list_trainings(profile) + ([ENSEMBLE] if profile["ensemble"] else [])


def is_detection(labels: Sequence[str]) -> bool:
    """Tell whether the mine is all that is known of the chips, so that it alone is evaluated."""
    return list(labels) == [MINE]


def name_data(source: str, credit: str) -> str:
    """Describe the data of a report for its pages.

    >>> name_data("synthetic chips", ""), name_data("amazon", "")
    ('synthetic chips', 'the chips of amazon')
    """
    note = source if source == SYNTHETIC_SOURCE else f"the chips of {source}"
    return f"{note} ({credit})" if credit else note


def list_pages(
    profile: Mapping[str, Any], *, detection: bool = False, scenes: bool = False
) -> list[Page]:
    """List the notebooks' pages in reading order, without the front page.

    Parameters
    ----------
    profile : mapping
        The content of a `planet_lib.config.Profile`.
    detection : bool
        Whether the mine alone is known, as `is_detection` tells.
    scenes : bool
        Whether scenes are searched.
    """
    compared = ", for each kind of input" if len(profile["inputs"]) > 1 else ""
    pages = [
        Page("01_places", "The chips", "Mines and look-alikes, where they lie, and oddities")
        if detection
        else Page("01_explore", "The chips", "Labels, weather, colours, and oddities of the data"),
        Page("02_dehaze", "Haze removal", "Three methods step by step, before and after"),
    ]
    pages += [
        Page(
            f"03_train-{run}",
            f"Training: {name_run(run)}",
            "The network, its learning curves, its mistakes",
        )
        for run in list_trainings(profile)
    ]
    if profile["ensemble"]:
        pages.append(
            Page("03_ensemble", "The ensemble", "What its members see, add and disagree about")
        )
    if detection:
        what = "What is found, what is taken for a mine, and what is missed, and where"
        pages.append(Page("04_detection", "The detector", what))
    else:
        what = f"Precision, recall and F2 of every label{compared}"
        pages.append(Page("04_evaluate", "Evaluation", what))
        what = "The chips most likely to have a mine, and how far to look"
        pages.append(Page("05_find_mines", "Finding mines", what))
    if scenes:
        what = "Mines in whole scenes: the sites, how sure they are, and what was not assessed"
        pages.append(Page("06_scenes", "Scenes", what))
    return pages


def list_stages(
    profile: Mapping[str, Any], pages: Sequence[Page], *, synthetic: bool, scenes: bool
) -> list[str]:
    """List the stages whose time is measured: those without a page, then those of the pages.

    Parameters
    ----------
    profile : mapping
        The content of a `planet_lib.config.Profile`.
    pages : sequence of Page
        As from `list_pages`.
    synthetic, scenes : bool
        Whether chips are made, and whether scenes are searched.
    """
    return [
        *(["synthesize_chips"] if synthetic else []),
        *("store_chips", "describe_chips", "remove_haze"),
        *(["cross_validate"] if profile["cross_validation"] else []),
        *(["merge_scenes"] if scenes else []),
        *(page.name for page in pages),
    ]


def name_run(run: str) -> str:
    """Write a run's name for the reader.

    Examples
    --------
    >>> name_run("densenet-dehazed")
    'DenseNet, haze removed'
    """
    network, kind = run.split("-")
    return f"{NETWORK_NAMES[network]}, {INPUT_NAMES[kind]}"


def name_label(label: str) -> str:
    """Write a label for the reader, with the competition's misspelling corrected.

    Examples
    --------
    >>> name_label("artisinal_mine")
    'artisanal mine'
    """
    return label.replace("artisinal", "artisanal").replace("_", " ")


def name_chip(chip: str) -> str:
    """Shorten a long name of a chip so that it fits above its picture.

    >>> name_chip("train_40478"), name_chip("v2.4_amazon_positives_S2L1C_clear0.75_0012")
    ('train_40478', 'v2.4_amazo…0.75_0012')
    """
    return chip if len(chip) <= LONGEST_NAME else f"{chip[:10]}…{chip[-9:]}"


def name_labels(tags: str) -> str:
    """Write a chip's tags for the reader.

    Examples
    --------
    >>> name_labels("partly_cloudy primary")
    'partly cloudy, primary'
    """
    return ", ".join(map(name_label, tags.split()))
