"""What a result depends on, as one digest, and the folder of what is not finished yet."""

import hashlib
import json
import shutil
from collections.abc import Iterable
from pathlib import Path

from planet_lib.config import INPUTS
from planet_lib.data.store import load_catalogue

PACKAGE = Path(__file__).parent


def compute_fingerprint(settings: dict, run_dir: Path, input_mode: str, code: Iterable[str]) -> str:
    """Digest the settings, a run's catalogue and stores, and files of the package.

    Parameters
    ----------
    settings : dict
        Of values that JSON can write.
    run_dir : Path
        Holds the stores of `planet_lib.data.store`.
    input_mode : str
        A key of `planet_lib.config.INPUTS`.
    code : iterable of str
        Files of the package whose content the result depends on.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    digest.update(load_catalogue(run_dir).to_csv().encode())
    for name in INPUTS[input_mode]:
        digest.update((run_dir / "data" / f"{name}.json").read_bytes())
    for name in code:
        digest.update((PACKAGE / name).read_bytes())
    return digest.hexdigest()


def prepare_folder(parent: Path, kind: str, fingerprint: str) -> Path:
    """Make ``<kind>-<fingerprint>`` or find it again; what other fingerprints left is deleted."""
    folder = parent / f"{kind}-{fingerprint[:12]}"
    for other in parent.glob(f"{kind}-*"):
        if other != folder:
            shutil.rmtree(other)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
