"""Run one function of the package as a stage of a report; its arguments are JSON.

python -m planet_lib.report.stage planet_lib.features.statistics:store_statistics '{"run_dir": "."}'
"""

import json
import sys
from collections.abc import Callable
from importlib import import_module

import cv2
from pydantic import validate_call

from planet_lib.errors import PlanetError


def run_command(command: Callable[[], object]) -> int:
    """Call a command and return the exit code; a user's mistake is one line on stderr."""
    cv2.setNumThreads(1)  # many chips at once on one thread each are faster
    try:
        command()
    except PlanetError as error:
        message = f"error: {error}"
    except OSError as error:
        message = f"error: {error.filename or 'a file'}: {error.strerror or error}"
    except KeyboardInterrupt:
        message = "stopped; the same command continues from here"
    else:
        return 0
    print(message, file=sys.stderr)
    return 1


def run_stage(function: str, arguments: str) -> None:
    """Call a function of the package.

    Parameters
    ----------
    function : str
        ``<module>:<name>``.
    arguments : str
        JSON object of the function's arguments; they are converted as its annotations say.
    """
    # Without this, nbformat takes a second to load: jsonschema builds grammars of web addresses,
    # which the schema of notebooks does not use.
    sys.modules["rfc3987_syntax"] = None
    module, _, name = function.partition(":")
    validate_call(getattr(import_module(module), name))(**json.loads(arguments))


if __name__ == "__main__":
    sys.exit(run_command(lambda: run_stage(*sys.argv[1:])))
