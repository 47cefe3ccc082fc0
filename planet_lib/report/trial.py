"""Where a notebook reads and writes: the report's run, or a trial that leaves the report alone.

A notebook that is run by hand, in JupyterLab or with papermill, is a trial. It works on a copy of
the run's networks and results beside the run's own chips and scenes, in
``runs/<name>/trials/<state>/``, where ``<state>`` stands for the report that was copied.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import nbformat
from IPython.display import Markdown, display

from planet_lib.errors import ConfigError, StageError
from planet_lib.files import suggest_stage

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
STAGE_VARIABLE = "PLANET_STAGE"
COPIED = ("models", "results")
LINKED = ("data", "scenes")


def open_run(run_dir: str, page: str, parameters: Mapping[str, object]) -> Path:
    """Open the folder that a notebook reads and writes.

    Parameters
    ----------
    run_dir : str
        The run of a report; a relative path starts in ``notebooks/``, wherever the notebook runs.
    page : str
        Name of the notebook's page in the report, such as ``03_train-cnn-raw``.
    parameters : mapping
        The notebook's variables; a trial displays which of its parameters differ from the report's.

    Returns
    -------
    Path
        `run_dir` in a stage of a report, else the folder of the trial.

    Raises
    ------
    StageError
        The run has no chips yet.
    """
    run = (NOTEBOOKS / run_dir).resolve()
    if not (run / "data" / "raw.json").exists():
        raise StageError(f"{run / 'data'}: not there yet; {suggest_stage(run / 'data')}")
    if os.environ.get(STAGE_VARIABLE):
        return run
    trial = _prepare_trial(run)
    display(Markdown(_describe_trial(run, trial, page, parameters)))
    return trial


@contextmanager
def mark_stage() -> Iterator[None]:
    """Mark the notebooks that are executed meanwhile as stages of a report."""
    earlier = os.environ.get(STAGE_VARIABLE)
    os.environ[STAGE_VARIABLE] = "yes"
    try:
        yield
    finally:
        os.environ.pop(STAGE_VARIABLE)
        if earlier is not None:
            os.environ[STAGE_VARIABLE] = earlier


def check_parameter(name: str, value: object, stored: object) -> None:
    """Refuse a parameter that contradicts what the run's stored data were made with.

    Raises
    ------
    ConfigError
        The values differ.
    """
    if value != stored:
        raise ConfigError(
            f"{name} is {value!r}, but the run's data were made with {stored!r}; "
            f"change {name} in a profile of config/ and make a report with it"
        )


def _prepare_trial(run: Path) -> Path:
    """Copy a run's networks and results, and link its chips, once for each state of the report."""
    trial = run / "trials" / _digest_state(run)
    if not trial.exists():
        partial = trial.with_name(f"partial-{trial.name}")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        for folder in COPIED:
            if (run / folder).exists():
                shutil.copytree(run / folder, partial / folder)
        for folder in LINKED:
            (partial / folder).symlink_to(f"../../{folder}")
        os.replace(partial, trial)
    return trial


def _digest_state(run: Path) -> str:
    """Digest the manifests of a run: another state of the report gives another digest."""
    digest = hashlib.sha256()
    for path in sorted([*run.glob("data/*.json"), *run.glob("models/*/run.json")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:8]


def _describe_trial(run: Path, trial: Path, page: str, parameters: Mapping[str, object]) -> str:
    place = f"**Trial** in `runs/{run.name}/trials/{trial.name}`; the report stays as it is."
    executed = run / "notebooks" / f"{page}.ipynb"
    if not executed.exists():
        return f"{place} The report has no page `{page}` to compare with."
    report = _read_parameters(executed)
    changes = [
        f"`{name} = {parameters[name]!r}` (report: `{value!r}`)"
        for name, value in report.items()
        if name != "run_dir" and parameters.get(name) != value
    ]
    return f"{place} {'; '.join(changes) or 'Its parameters are those of the report'}."


def _read_parameters(executed: Path) -> dict[str, object]:
    """Read the parameters that papermill executed a notebook with."""
    return dict(nbformat.read(executed, as_version=4).metadata["papermill"]["parameters"])
