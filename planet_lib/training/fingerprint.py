"""The fingerprint of a result: equal for equal settings, examples and code."""

import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from planet_lib.config import INPUTS
from planet_lib.data.store import load_catalogue
from planet_lib.dependencies import digest_dependencies
from planet_lib.files import read_json


def compute_fingerprint(
    settings: dict, run_dir: Path, input_mode: str, function: Callable[..., object]
) -> str:
    """Digest all that determines what a function learns from a run's chips.

    Parameters
    ----------
    settings : dict
        The function's settings, of values that JSON can write.
    run_dir : Path
        Holds the stores of `planet_lib.data.store`. Their pixels count, not how they were made.
    input_mode : str
        A key of `planet_lib.config.INPUTS`.
    function : callable
        Its module counts with all that this depends on, see `planet_lib.dependencies`.

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    StageError
        A store or the catalogue is missing.
    """
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    digest.update(load_catalogue(run_dir).to_csv().encode())
    for name in INPUTS[input_mode]:
        manifest = read_json(run_dir / "data" / f"{name}.json")
        digest.update(manifest["pixels_sha256"].encode())
    module = Path(sys.modules[function.__module__].__file__)
    digest.update(digest_dependencies(module).encode())
    return digest.hexdigest()


def prepare_folder(parent: Path, kind: str, fingerprint: str) -> Path:
    """Make ``<kind>-<fingerprint>`` or find it again, and delete those of other fingerprints."""
    folder = parent / f"{kind}-{fingerprint[:12]}"
    for other in parent.glob(f"{kind}-*"):
        if other != folder:
            shutil.rmtree(other)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
