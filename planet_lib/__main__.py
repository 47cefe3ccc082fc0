"""Run the command line as ``python -m planet_lib``."""

import sys

from planet_lib.cli import main

sys.exit(main())
