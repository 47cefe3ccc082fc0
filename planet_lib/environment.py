"""What a report runs on: the checkout's own settings, whatever the user's account holds.

Configurations of Keras, Snakemake, Jupyter, IPython and Matplotlib that serve other work would
change a report or stop it. The processes of a report get folders of their own for them.
"""

import importlib.util
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from planet_lib.errors import ConfigError

BACKENDS = {"tensorflow": "tensorflow", "torch": "torch", "jax": "jax"}
"""Keras' backends, and the module that each needs."""
FOLDERS = {
    "IPYTHONDIR": "ipython",
    "JUPYTER_CONFIG_DIR": "jupyter/config",
    "JUPYTER_DATA_DIR": "jupyter/data",
    "JUPYTER_RUNTIME_DIR": "jupyter/runtime",
    "KERAS_HOME": "keras",
    "MPLCONFIGDIR": "matplotlib",
    "XDG_CACHE_HOME": "cache",
    "XDG_CONFIG_HOME": "config",
}
"""Variables that name a folder of settings or caches, and the folder in its place."""
REMOVED = (
    "JUPYTER_CONFIG_PATH",
    "JUPYTER_PATH",
    "MATPLOTLIBRC",
    "MPLBACKEND",
    "PYTHONHOME",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "SNAKEMAKE_PROFILE",
)
"""Variables of other work that would change what a report's processes do."""


def isolate_environment(folder: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Derive the environment of a report's processes from the user's.

    Parameters
    ----------
    folder : Path
        Where the processes keep settings and caches; made where it is missing.
    environment : mapping of str
        The user's, as of `os.environ`; it is not changed.

    Returns
    -------
    dict of str
        Without the user's settings of Jupyter, IPython, Keras, Matplotlib and Snakemake; text is
        UTF-8 whatever the locale.

    Raises
    ------
    ConfigError
        Keras' backend is unknown or not installed, or the folder cannot be written.
    """
    backend = environment.get("KERAS_BACKEND") or "tensorflow"
    if backend not in BACKENDS:
        raise ConfigError(f"KERAS_BACKEND={backend!r}; allowed: {', '.join(BACKENDS)}")
    if importlib.util.find_spec(BACKENDS[backend]) is None:
        raise ConfigError(
            f"KERAS_BACKEND={backend!r}, but the package {BACKENDS[backend]} is not installed in "
            f"{sys.prefix}; install it, or call: unset KERAS_BACKEND"
        )
    isolated = {name: value for name, value in environment.items() if name not in REMOVED}
    for name, subfolder in FOLDERS.items():
        _make_writable(folder / subfolder)
        isolated[name] = str(folder / subfolder)
    return isolated | {
        "KERAS_BACKEND": backend,
        "PYTHONNOUSERSITE": "1",
        "PYTHONUTF8": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }


def _make_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ConfigError(
            f"{folder}: cannot be written ({os.strerror(error.errno)}); a report needs a checkout "
            "that its user may write to"
        ) from None
