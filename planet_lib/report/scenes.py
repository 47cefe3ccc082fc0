"""Search all scenes of a folder, one job a scene, and merge what was found."""

import os
import shutil
import sys
from pathlib import Path

import geopandas as gpd

from planet_lib.environment import isolate_environment
from planet_lib.errors import StageError
from planet_lib.files import write_json
from planet_lib.report.build import name_report
from planet_lib.report.graph import ROOT, check_name, hold_run, run_graph
from planet_lib.scenes.folder import (
    RESULTS,
    collect_outcomes,
    forget_unfinished,
    plan_searches,
)
from planet_lib.scenes.options import SearchOptions

SETTINGS = "scenes.json"


def make_scenes(
    folder: Path,
    name: str | None = None,
    *,
    options: SearchOptions,
    cores: int,
    cluster: Path | None = None,
) -> tuple[gpd.GeoDataFrame, Path]:
    """Search all scenes of a folder, or go on with it.

    Parameters
    ----------
    folder : Path
    name : str, optional
        Of the folder ``runs/<name>``; by default that of `folder`.
    options : SearchOptions
    cores : int
        Largest number of cores in use at once; a scene takes one.
    cluster : Path, optional
        Folder of a Snakemake profile, see docs/cluster.md.

    Returns
    -------
    sites : GeoDataFrame
        Of all scenes.
    results : Path
        The folder with the tables.

    Raises
    ------
    ConfigError, DataError
        The name, the folder or an option is wrong; nothing was started.
    StageError
        Some scenes failed; what the others show is merged.
    """
    name = name_report(folder, None) if name is None else name
    check_name(name)
    run_dir = ROOT / "runs" / name
    searches = plan_searches(folder, options)
    environment = isolate_environment(ROOT / "runs" / ".settings", os.environ)
    stopped = None
    with hold_run(run_dir) as lock:
        write_json(run_dir / SETTINGS, {"searches": searches})
        forget_unfinished(run_dir, searches)
        try:
            run_graph(
                ROOT / "scenes.smk",
                run_dir / SETTINGS,
                result=os.path.relpath(run_dir / RESULTS),
                cores=cores,
                at_once=1 if shutil.which("nvidia-smi") else cores,
                cluster=cluster,
                environment=environment,
                lock=lock,
            )
        except StageError as error:
            stopped = error
        finished, failures = collect_outcomes(run_dir, searches)
        results = run_dir / RESULTS
        sites = None
        if finished:
            from planet_lib.scenes.gather import merge_scenes  # loads TensorFlow

            sites = merge_scenes(results, finished, boundaries=options.boundaries)
    if stopped and not failures:
        raise stopped
    if failures:
        report_failures(failures, len(searches))
    return sites, results


def report_failures(failures: dict[str, str], scenes: int) -> None:
    """Print why each scene failed.

    Raises
    ------
    StageError
        Always, with their names.
    """
    for error in failures.values():
        print(error, file=sys.stderr)
    others = "what the others show is merged, " if len(failures) < scenes else ""
    raise StageError(
        f"{len(failures)} of {scenes} scenes failed: {', '.join(failures)}; {others}the same "
        "command tries the failed ones again"
    )
