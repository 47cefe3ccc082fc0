"""A report as a whole: start its graph, list its pages, gather its results."""

import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from planet_lib.config import load_profile
from planet_lib.data.catalogue import JPEG_FOLDERS, LABELS_FILE, TIFF_FOLDERS, scan_dataset
from planet_lib.data.kaggle import unpack_dataset
from planet_lib.data.store import discard_changed_stores
from planet_lib.errors import ConfigError, DataError, StageError
from planet_lib.files import read_json, write_json
from planet_lib.provenance import identify_commit, list_versions
from planet_lib.report.pages import Link, render_index

ROOT = Path(__file__).parents[2]
SETTINGS = "report.json"


def make_report(name: str, *, data: Path | None, profile: str, cores: int) -> Path:
    """Make a report, or what is not up to date of it.

    Parameters
    ----------
    name : str
        The pages go to ``reports/<name>``, all else to ``runs/<name>``.
    data : Path or None
        A folder with Kaggle's files, packed or not, or one archive; None makes synthetic chips.
    profile : str
        A file of ``config/``, without its ending.
    cores : int
        How many stages run at once, at most.

    Returns
    -------
    Path
        The report's front page.

    Raises
    ------
    ConfigError, DataError
        The name, profile or data set is wrong; nothing was started.
    StageError
        The same report is being made already, or a stage failed; what other stages made stays.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ConfigError(f"NAME={name!r} is no folder name; use letters, digits and dashes")
    settings = {
        "name": name,
        "data": None,
        "source": "synthetic chips",
        "signature": "",
        "profile": load_profile(profile).model_dump(),
    }
    if data is not None and not data.exists():
        raise DataError(f"{data}: no such folder; point DATA at the folder that has {LABELS_FILE}")
    run_dir = ROOT / "runs" / name
    run_dir.mkdir(parents=True, exist_ok=True)
    with _hold(run_dir / "lock", name):
        if data is not None:
            folder = unpack_dataset(data, run_dir / "dataset")
            scan_dataset(folder)
            settings |= {
                "data": str(folder.resolve()),
                "source": data.resolve().name,
                "signature": _sign_files(folder),
            }
        write_json(run_dir / SETTINGS, settings)
        for path in discard_changed_stores(run_dir):
            print(f"{os.path.relpath(path)}: not as it was written; it is made anew")
        _run_graph(run_dir, cores)
    return ROOT / "reports" / name / "index.html"


def list_pages(settings: dict) -> list[Link]:
    """List a report's notebook pages in reading order."""
    profile = settings["profile"]
    runs = [f"{network}-{kind}" for network in profile["networks"] for kind in profile["inputs"]]
    return [
        Link(
            "The chips", "01_explore.html", "Labels, weather, colours, and what is odd in the data"
        ),
        Link("Haze removal", "02_dehaze.html", "How it works, step by step, before and after"),
        *(
            Link(
                f"Training: {run}", f"03_train-{run}.html", "The network, its input and its curves"
            )
            for run in runs
        ),
        *(
            [Link("The ensemble", "03_ensemble.html", "All learners together, step by step")]
            if profile["ensemble"]
            else []
        ),
        Link("Evaluation", "04_evaluate.html", "Label by label, raw against haze-free"),
        Link("Finding mines", "05_find_mines.html", "The chips most likely to hold a mine"),
    ]


def describe_data(settings: dict) -> dict:
    """Say which data a report's pages show, as the pages' own functions take it."""
    note = "synthetic chips" if settings["data"] is None else f"the chips of {settings['source']}"
    return {
        "site": list_pages(settings),
        "report": settings["name"],
        "data_note": note,
        "synthetic": settings["data"] is None,
    }


def publish_index(run_dir: Path, report: Path) -> None:
    """Gather the stages' results into ``results.json`` and write the front page.

    Parameters
    ----------
    run_dir : Path
        Holds the finished stages' files.
    report : Path
        The folder to publish.
    """
    settings = read_json(run_dir / SETTINGS)
    explored, dehazed, evaluated, mines = (
        read_json(run_dir / "results" / f"{stage}.json")
        for stage in ("explore", "dehaze", "evaluate", "find_mines")
    )
    results = {
        "data": {"name": settings["name"], "synthetic": settings["data"] is None} | explored,
        "haze": dehazed,
        **evaluated,
        "mines": mines,
        "provenance": _describe_provenance(run_dir, settings),
    }
    write_json(report / "results.json", results)
    shutil.copyfile(run_dir / "results" / "submission.csv", report / "submission.csv")
    render_index(
        report / "index.html",
        results=results,
        headline=run_dir / "results" / "headline.png",
        headline_alt=evaluated["headline_alt"],
        **describe_data(settings),
    )


@contextmanager
def _hold(path: Path, name: str) -> Iterator[None]:
    """Hold a lock that the system releases however the process ends."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StageError(
                f"{path.parent}: {name!r} is being made already; wait, or choose another NAME"
            ) from None
        yield


def _run_graph(run_dir: Path, cores: int) -> None:
    """Run the graph, showing its progress; the stages themselves write to stdout."""
    at_once = 1 if shutil.which("nvidia-smi") else 2  # two networks would share one GPU's memory
    threads = str(max(1, cores // at_once))
    with subprocess.Popen(
        [
            sys.executable, "-m", "snakemake",
            "--snakefile", ROOT / "Snakefile",
            "--directory", run_dir,
            "--configfile", run_dir / SETTINGS,
            "--cores", str(cores),
            "--resources", f"network={at_once}",
            "--keep-going", "--rerun-incomplete", "--nolock",
        ],
        env=os.environ | {"TF_NUM_INTRAOP_THREADS": threads, "TF_CPP_MIN_LOG_LEVEL": "3"},
        stderr=subprocess.PIPE,
        text=True,
    ) as graph:  # fmt: skip
        said, stage = [], ""
        for line in graph.stderr:
            said.append(line.strip())
            if finished := re.search(r"\(Rule: (\w+)\)", line):
                stage = finished[1]
            if progress := re.match(r"(\d+) of (\d+) steps", line):
                print(f"[{progress[1]}/{progress[2]}] {stage}", flush=True)
    if graph.returncode:
        failed = any(line.startswith("Error in rule") for line in said)
        reason = "see the errors above" if failed else " ".join(said[-3:])
        raise StageError(
            f"{run_dir}: not complete, {reason}; "
            "what is done is kept, the same command goes on from there"
        )
    if any(line.startswith("Nothing to be done") for line in said):
        print("nothing to do: every page is up to date")


def _sign_files(data: Path) -> str:
    """Digest the names, sizes and times of a data set's files, to see when they change."""
    digest = hashlib.sha256()
    folders = [data / name for name in (*JPEG_FOLDERS, *TIFF_FOLDERS)]
    for folder in filter(Path.is_dir, folders):
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            status = entry.stat()
            digest.update(f"{entry.name} {status.st_size} {status.st_mtime_ns}\n".encode())
    digest.update((data / LABELS_FILE).read_bytes())
    return digest.hexdigest()


def _describe_provenance(run_dir: Path, settings: dict) -> dict:
    stages = {
        path.stem: float(pd.read_csv(path, sep="\t")["s"].iloc[0])
        for path in sorted((run_dir / "seconds").glob("*.tsv"))
    }
    return {
        "commit": identify_commit(),
        "seed": settings["profile"]["seed"],
        "config": settings["profile"],
        "versions": list_versions(),
        "host": _describe_host(),
        "stages": stages,
        "seconds": sum(stages.values()),
    }


def _describe_host() -> str:
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory_gib:.0f} GiB, {platform.system()} {platform.machine()}"
