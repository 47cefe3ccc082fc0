"""Make a report: check what the user asks for and run the graph of its stages."""

import os
import re
import shutil
from pathlib import Path

from planet_lib.config import BASE_PROFILE, load_profile
from planet_lib.data.archives import name_contents
from planet_lib.data.catalogue import LABELS_FILE, scan_dataset, sign_dataset
from planet_lib.data.labels import LABELS
from planet_lib.data.mining_watch import UNFINISHED
from planet_lib.data.mining_watch_download import fetch_gallery
from planet_lib.data.problems import summarize_problems
from planet_lib.data.readers import find_reader, prepare_dataset
from planet_lib.data.store import discard_changed_stores
from planet_lib.environment import isolate_environment
from planet_lib.errors import ConfigError, DataError
from planet_lib.files import read_json, write_json
from planet_lib.report.graph import ROOT, check_name, hold_run, run_graph
from planet_lib.scenes.folder import forget_unfinished, plan_searches
from planet_lib.scenes.options import SearchOptions

SETTINGS = "report.json"
FETCHED = Path("mining-watch")
"""The value of DATA that stands for the data set of Amazon Mining Watch."""


def name_report(data: Path | None, profile: str | None) -> str:
    """Name a report after its data and, where the user names one, its profile.

    >>> name_report(None, None), name_report(None, "smoke")
    ('default', 'smoke')
    >>> name_report(Path("kaggle/My chips.zip"), None), name_report(Path("amazon"), "smoke")
    ('my-chips', 'amazon-smoke')
    """
    if data is None:
        return profile or BASE_PROFILE
    stem = (
        re.sub(r"[^a-z0-9.]+", "-", name_contents(data.resolve().name).lower()).strip("-.")
        or "chips"
    )
    return stem if profile in (None, BASE_PROFILE) else f"{stem}-{profile}"


def make_report(
    name: str | None,
    *,
    data: Path | None,
    profile: str | None,
    cores: int,
    replace: bool = False,
    cluster: Path | None = None,
    scenes: Path | None = None,
    search: SearchOptions | None = None,
) -> Path:
    """Make a report, or bring it up to date.

    Parameters
    ----------
    name : str or None
        Of the folder ``reports/<name>`` for the pages and ``runs/<name>`` for all else; None
        names it after the data and the profile.
    data : Path or None
        A folder with Kaggle's files, packed or not, or one archive; a folder in the layout of
        Amazon Mining Watch; ``mining-watch``, to download that on first use; None makes synthetic
        chips.
    profile : str or None
        Name of a file in ``config/``, without its ending; None takes the one for the data.
    cores : int
        Largest number of stages that run at once.
    replace : bool
        Whether the report takes the place of one of that name with another profile or other data.
    cluster : Path, optional
        Folder of a Snakemake profile, see docs/cluster.md.
    scenes : Path, optional
        A scene, or a folder of scenes, to search for mines.
    search : SearchOptions, optional
        Of the search of `scenes`.

    Returns
    -------
    Path
        The report's front page.

    Raises
    ------
    ConfigError, DataError
        The name, the profile, the data set or the environment is wrong, or another report has the
        name; nothing was started.
    StageError
        The same report is already being made, or a stage failed; finished stages are kept.
    """
    if profile:
        load_profile(profile)  # first, for a wrong profile gives a wrong name
    name = name_report(data, profile) if name is None else name
    check_name(name)
    if data == FETCHED and not data.exists():
        data = _fetch_once(ROOT / "downloads" / FETCHED)
    reader = find_reader(data) if data else None
    profile = profile or (reader.profile if reader else BASE_PROFILE)
    loaded = load_profile(profile)
    if reader and reader.labels != LABELS and loaded.ensemble:
        raise ConfigError(
            f"{data}: its chips tell only {', '.join(reader.labels)}, and the ensemble learns all "
            f"labels; take PROFILE={reader.profile}, or set ensemble: null"
        )
    if reader and reader.labels != LABELS and not loaded.keep_neighbours:
        raise ConfigError(
            f"{data}: a detector is tested at places where it was not trained; "
            "set keep_neighbours: true"
        )
    search = search or SearchOptions()
    if scenes is None and search != SearchOptions():
        given = ", ".join(key for key, value in vars(search).items() if value is not None)
        raise ConfigError(f"{given}: for the search of scenes only; give SCENES too")
    searches = plan_searches(scenes, search) if scenes else {}
    boundaries = search.boundaries and str(search.boundaries.resolve())
    settings = {
        "name": name,
        "labels": list(reader.labels if reader else LABELS),
        "credit": reader.credit if reader else "",
        "given": None if data is None else str(data.resolve()),
        "data": None,
        "source": "synthetic chips",
        "signature": "",
        "profile_name": profile,
        "profile": loaded.model_dump(),
        "searches": searches,
        "boundaries": boundaries,
    }
    if data is not None and not data.exists():
        raise DataError(f"{data}: no such folder; point DATA at the folder that has {LABELS_FILE}")
    run_dir = ROOT / "runs" / name
    environment = isolate_environment(ROOT / "runs" / ".settings", os.environ)
    with hold_run(run_dir) as lock:
        if not replace:
            _refuse_other(run_dir / SETTINGS, settings)
        if data is not None:
            folder = prepare_dataset(data, run_dir / "dataset")
            _, problems = scan_dataset(folder)
            for kind in summarize_problems(problems).itertuples():
                print(f"{kind.example}{_count_others(kind.files)}: {kind.problem}; {kind.action}")
            settings |= {
                "data": str(folder.resolve()),
                "source": data.resolve().name,
                "signature": sign_dataset(folder),
            }
        write_json(run_dir / SETTINGS, settings)
        forget_unfinished(run_dir, searches)
        for path in discard_changed_stores(run_dir):
            print(f"{os.path.relpath(path)}: changed since it was written; it is made again")
        run_graph(
            ROOT / "Snakefile",
            run_dir / SETTINGS,
            result=os.path.relpath(_locate_page(name)),
            cores=cores,
            at_once=1 if shutil.which("nvidia-smi") else 2,  # two would share one GPU's memory
            cluster=cluster,
            environment=environment,
            lock=lock,
        )
    return _locate_page(name)


def _locate_page(name: str) -> Path:
    return ROOT / "reports" / name / "index.html"


def _fetch_once(folder: Path) -> Path:
    """Download the data of Amazon Mining Watch unless a call before has done so."""
    if not folder.exists() or (folder / UNFINISHED).exists():
        fetch_gallery(folder)
    return folder


def _refuse_other(path: Path, settings: dict) -> None:
    """Refuse to replace a report of another profile or other data."""
    if not path.exists():
        return
    earlier = read_json(path)
    for key, option in (("profile_name", "PROFILE"), ("given", "DATA")):
        if earlier.get(key, settings[key]) != settings[key]:
            raise ConfigError(
                f"reports/{settings['name']} was made with {option}={earlier[key] or '(synthetic)'}"
                f", not {settings[key] or '(synthetic)'}; choose another NAME, or replace it with "
                "REPLACE=yes"
            )


def _count_others(files: int) -> str:
    """Count the files of a kind beside its example."""
    return f" and {files - 1:,} more" if files > 1 else ""
