"""Search one scene as a job of many: a scene that fails does not stop the others."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from planet_lib.errors import DataError, PlanetError
from planet_lib.files import write_json
from planet_lib.scenes.find import search_scenes
from planet_lib.scenes.folder import OUTCOMES, RESULTS, collect_outcomes
from planet_lib.scenes.gather import merge_scenes
from planet_lib.scenes.options import SearchOptions

FILES = ("model", "boundaries", "compare")  # options that name files


def search_scene(
    scene: Path, out: Path, record: Path, *, options: SearchOptions, stamp: str
) -> None:
    """Search one scene and record how that ended.

    Parameters
    ----------
    scene, out : Path
    record : Path
        JSON with the ``scene``'s name and the ``error``, or null.
    options : SearchOptions
    stamp : str
        Of the files; another one is another job.
    """
    write_json(record, {"scene": scene.stem, "error": _try_search(scene, out, options)})


def merge_searches(
    run_dir: Path, *, searches: Mapping[str, Mapping[str, Any]], boundaries: Path | None
) -> None:
    """Merge what the jobs of a run have found, and write how each of them ended.

    Parameters
    ----------
    run_dir : Path
        Gets the tables and the map in ``scenes/``, and there ``outcomes.json``: the ``finished``
        scenes, and of the ``failed`` ones why, without the folders of the machine.
    searches : mapping
        As from `planet_lib.scenes.folder.plan_searches`.
    boundaries : Path or None
        Areas that are drawn on the map.

    Raises
    ------
    DataError
        No scene could be searched.
    """
    finished, failures = collect_outcomes(run_dir, searches)
    if not finished:
        raise DataError(f"no scene could be searched: {'; '.join(failures.values())}")
    for error in failures.values():
        print(f"not searched: {error}")
    merge_scenes(run_dir / RESULTS, finished, boundaries=boundaries)
    reasons = {
        name: _leave_out_folders(failures[name], search)
        for search in searches.values()
        if (name := Path(search["scene"]).stem) in failures
    }
    write_json(run_dir / RESULTS / OUTCOMES, {"finished": finished, "failed": reasons})


def _leave_out_folders(error: str, search: Mapping[str, Any]) -> str:
    """Leave out of an error the folders of the files that a search names: it is published."""
    named = [search["scene"], *(search.get("options", {}).get(key) for key in FILES)]
    for path in filter(None, named):
        error = error.replace(f"{Path(path).parent}/", "")
    return error


def _try_search(scene: Path, out: Path, options: SearchOptions) -> str | None:
    """Search a scene; return the error, if that is the user's to mend."""
    try:
        search_scenes([str(scene)], out, **vars(options))
    except PlanetError as error:
        return str(error)
    except OSError as error:
        return f"{error.filename or scene}: {error.strerror or error}"
    return None
