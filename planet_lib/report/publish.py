"""Gather the results of a finished run and publish them with the front page."""

import os
import platform
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import pandas as pd

from planet_lib.data.store import load_catalogue, open_store
from planet_lib.files import read_json, write_json
from planet_lib.provenance import identify_commit, list_versions
from planet_lib.report.contents import Page, list_stages
from planet_lib.report.pages import CANDIDATES_PICTURED, HOME, render_detection, render_index
from planet_lib.scenes.folder import OUTCOMES, RESULTS, SUMMARY

SUBMISSION = "submission.csv"


def publish_index(
    run_dir: Path,
    report_dir: Path,
    *,
    profile: Mapping[str, Any],
    site: Sequence[Page],
    report: str,
    data_note: str,
    synthetic: bool,
    detection: bool,
    scenes: bool,
) -> None:
    """Write ``results.json``, ``submission.csv`` and the front page of a report.

    The report of a detector has no ``submission.csv``.

    Pages that are not of this report, as of an earlier profile, are removed.

    Parameters
    ----------
    run_dir : Path
        Holds the files of the finished stages.
    report_dir : Path
        The folder to publish.
    profile : mapping
        The content of a `planet_lib.config.Profile`.
    site, report, data_note, synthetic
        As for `planet_lib.report.pages.render_index`.
    detection : bool
        Whether the mine alone is known, see `planet_lib.report.contents.is_detection`.
    scenes : bool
        Whether scenes were searched; their files are published in the folder ``scenes``.

    Raises
    ------
    StageError
        A result of a stage is missing or damaged.
    """
    explored, dehazed, evaluated = (
        read_json(run_dir / "results" / f"{stage}.json")
        for stage in ("explore", "dehaze", "evaluate")
    )
    stages = list_stages(profile, site, synthetic=synthetic, scenes=scenes)
    results = {
        "data": {"name": report, "synthetic": synthetic} | explored,
        "haze": dehazed,
        **evaluated,
        "provenance": _describe_provenance(profile, time_stages(run_dir, stages)),
    }
    shutil.rmtree(report_dir / RESULTS, ignore_errors=True)
    if scenes:
        results["scenes"] = read_json(run_dir / "results" / "scenes.json")
        publish_scenes(run_dir / RESULTS, report_dir / RESULTS)
    published = {HOME, *(page.href for page in site)}
    for page in report_dir.glob("*.html"):
        if page.name not in published:
            page.unlink()
    (report_dir / SUBMISSION).unlink(missing_ok=True)
    if detection:
        write_json(report_dir / "results.json", results)
        render_detection(
            report_dir / "index.html",
            results=results,
            pictures=_picture_chips(run_dir, [chip["chip"] for chip in evaluated["mistaken"]]),
            site=site,
            report=report,
            data_note=data_note,
        )
        return
    mines = read_json(run_dir / "results" / "find_mines.json")
    results["mines"] = mines
    write_json(report_dir / "results.json", results)
    shutil.copyfile(run_dir / "results" / SUBMISSION, report_dir / SUBMISSION)
    pictured = [candidate["chip"] for candidate in mines["candidates"][:CANDIDATES_PICTURED]]
    render_index(
        report_dir / "index.html",
        results=results,
        pictures=_picture_chips(run_dir, pictured),
        site=site,
        report=report,
        data_note=data_note,
        synthetic=synthetic,
    )


def publish_scenes(results: Path, published: Path) -> None:
    """Copy the tables and the map of all scenes, and the files of each that was searched.

    Published files name those of the scenes without their folders, which tell about the machine.

    Parameters
    ----------
    results : Path
        As `planet_lib.scenes.job.merge_searches` leaves it.
    published : Path
        A folder that does not exist yet.
    """
    published.mkdir(parents=True)
    for path in results.iterdir():
        if path.is_file() and path.name != OUTCOMES:
            shutil.copyfile(path, published / path.name)
    for name in read_json(results / OUTCOMES)["finished"]:
        shutil.copytree(results / name, published / name)
        summary = read_json(published / name / SUMMARY)
        summary["plan"]["files"] = [Path(file).name for file in summary["plan"]["files"]]
        write_json(published / name / SUMMARY, summary)


def time_stages(run_dir: Path, stages: Sequence[str]) -> dict[str, float]:
    """Return the seconds of stages; the run may also hold those of an earlier report's stages."""
    files = {stage: run_dir / "seconds" / f"{stage}.tsv" for stage in stages}
    return {
        stage: float(pd.read_csv(path, sep="\t")["s"].iloc[0])
        for stage, path in files.items()
        if path.exists()
    }


def _picture_chips(run_dir: Path, names: Sequence[str]) -> dict[str, bytes]:
    chips = open_store(run_dir, "raw")
    rows = pd.Index(load_catalogue(run_dir)["chip"]).get_indexer(names)
    pictures = {}
    for name, row in zip(names, rows, strict=True):
        bgr = cv2.cvtColor(chips[row], cv2.COLOR_RGB2BGR)
        pictures[name] = cv2.imencode(".webp", bgr, [cv2.IMWRITE_WEBP_QUALITY, 85])[1].tobytes()
    return pictures


def _describe_provenance(profile: Mapping[str, Any], stages: dict[str, float]) -> dict:
    return {
        "commit": identify_commit(),
        "seed": profile["seed"],
        "config": profile,
        "versions": list_versions(),
        "host": _describe_host(),
        "stages": stages,
        "seconds": sum(stages.values()),
    }


def _describe_host() -> str:
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory_gib:.0f} GiB, {platform.system()} {platform.machine()}"
