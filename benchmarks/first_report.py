"""Measure the first `make report`: its wall and CPU time, the time of each stage, and its scores.

python benchmarks/first_report.py --profile smoke
"""

import argparse
import resource
import shutil
import time
from pathlib import Path

from planet_lib.files import count_cores, read_json
from planet_lib.report.build import ROOT, make_report

NAME = "benchmark-first-report"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="default", help="a file of config/")
    parser.add_argument("--cores", type=int, default=count_cores(), help="default: all")
    options = parser.parse_args()
    for folder in ("runs", "reports"):
        shutil.rmtree(ROOT / folder / NAME, ignore_errors=True)
    started = time.perf_counter()
    page = make_report(NAME, data=None, profile=options.profile, cores=options.cores)
    print_times(page, time.perf_counter() - started, options)


def print_times(page: Path, wall: float, options: argparse.Namespace) -> None:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    results = read_json(page.parent / "results.json")
    print(f"profile {options.profile}, {options.cores} cores")
    print(f"wall {wall / 60:.1f} min, CPU {(used.ru_utime + used.ru_stime) / 60:.1f} min")
    print("stage, seconds")
    for stage, seconds in results["provenance"]["stages"].items():
        print(f"  {stage:28s} {seconds:6.0f}")
    print("mean F2 per test chip, 95 % interval")
    for name, run in results["runs"].items():
        low, high = run["f2_interval"]
        print(f"  {name:28s} {run['f2']:.3f} ({low:.3f} to {high:.3f})")


if __name__ == "__main__":
    main()
