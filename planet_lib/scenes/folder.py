"""The scenes of a folder as jobs, one a scene: their plan, and how they ended."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from planet_lib.errors import ConfigError, DataError, PlanetError
from planet_lib.files import read_json
from planet_lib.networks.card import CARD
from planet_lib.networks.locate import MODEL, check_network, name_network
from planet_lib.scenes.options import SearchOptions
from planet_lib.scenes.source import describe_source, read_stamp

ENDINGS = (".tif", ".tiff", ".jp2", ".img", ".vrt")
RESULTS = Path("scenes")
"""Folder of the results in that of a run."""
RECORDS = Path("searched")
"""Folder in that of a run with the outcome of each job."""
OUTCOMES = "outcomes.json"
SUMMARY = "scene.json"
"""What describes a finished scene, in its folder."""
LONGEST_KEY = 60


def list_scenes(folder: Path) -> dict[str, Path]:
    """List the scenes of a folder by name, or the one of a file; hidden files are none.

    Raises
    ------
    DataError
        The folder is missing or holds no scene.
    ConfigError
        Two scenes have the same name.
    """
    if folder.is_file():
        return {folder.stem: folder}
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; point SCENES at a scene or a folder of scenes")
    scenes: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in ENDINGS or path.name.startswith(".") or path.is_dir():
            continue
        if path.stem in scenes:
            raise ConfigError(
                f"{path}: {scenes[path.stem].name} has the same name but for its ending; rename one"
            )
        scenes[path.stem] = path
    if not scenes:
        raise DataError(f"{folder}: no scenes in it (files that end in {', '.join(ENDINGS)})")
    return scenes


def plan_searches(folder: Path, options: SearchOptions) -> dict[str, dict[str, Any]]:
    """Plan one search a scene, as jobs that run in the folder of a run.

    Returns
    -------
    dict
        Of each job, by a key that is safe in any path: the arguments of
        `planet_lib.scenes.job.search_scene`, as JSON holds them.

    Raises
    ------
    DataError, ConfigError
        The folder holds no scenes, two of one name, or a file that the options name is missing.
    """
    scenes = list_scenes(folder.resolve())
    shared = []
    if options.model is not None:
        network = check_network(name_network(options.model)).resolve()
        options = replace(options, model=str(network))
        shared = [path for name in (MODEL, CARD) if (path := network / name).exists()]
    for name in ("boundaries", "compare"):
        if path := getattr(options, name):
            if not path.is_file():
                raise DataError(f"{path}: no such file")
            options = replace(options, **{name: path.resolve()})
            shared.append(path)
    return {
        key: {
            "scene": str(path),
            "out": str(RESULTS),
            "record": str(RECORDS / f"{key}.json"),
            "options": json.loads(json.dumps(asdict(options), default=str)),
            "stamp": _stamp(path, shared, bands=options.bands),
        }
        for name, path in scenes.items()
        for key in [_make_key(name)]
    }


def forget_unfinished(run_dir: Path, searches: Mapping[str, Mapping[str, Any]]) -> None:
    """Remove the records of failures, and of results that are gone, so that the jobs run again."""
    for search in searches.values():
        record, name = run_dir / search["record"], Path(search["scene"]).stem
        if record.exists() and not (
            read_json(record)["error"] is None and (run_dir / RESULTS / name).is_dir()
        ):
            record.unlink()


def collect_outcomes(
    run_dir: Path, searches: Mapping[str, Mapping[str, Any]]
) -> tuple[list[str], dict[str, str]]:
    """Collect which scenes are searched, and of each of the others why it is not."""
    finished, failures = [], {}
    for search in searches.values():
        record, scene = run_dir / search["record"], Path(search["scene"])
        error = read_json(record)["error"] if record.exists() else f"{scene}: see its error above"
        if error is None:
            finished.append(scene.stem)
        else:
            failures[scene.stem] = error
    return finished, failures


def _make_key(name: str) -> str:
    key = re.sub(r"[^A-Za-z0-9_.-]+", "_", name)[:LONGEST_KEY]
    if key == name:
        return key
    return f"{key}-{hashlib.sha256(name.encode(errors='surrogateescape')).hexdigest()[:8]}"


def _stamp(scene: Path, shared: Sequence[Path], *, bands: Sequence[int] | None) -> str:
    """Stamp all files that a search reads; short, since a virtual file may refer to thousands."""
    try:
        source = describe_source(str(scene), bands=bands)
    except PlanetError:  # the search says why
        stamps = [read_stamp([scene, *shared])]
    else:
        stamps = [source.stamp, source.describe_values(), read_stamp(shared)]
    return hashlib.sha256(json.dumps(stamps).encode()).hexdigest()[:16]
