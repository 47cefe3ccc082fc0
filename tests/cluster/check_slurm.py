"""Search 20 scenes on a SLURM cluster of one node, and kill a worker in the middle.

`make test-cluster` runs it: nothing may be lost, and nothing done twice.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path

import geopandas as gpd
import numpy as np
import yaml
from one_node import run_cluster
from shapely.geometry import Point

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "scenes"))

from made_scenes import (  # noqa: E402
    GROUND_DISTANCE_M,
    ORIGIN,
    UTM,
    paint_scene,
    write_geotiff,
    write_network,
)

from planet_lib.files import read_json  # noqa: E402
from planet_lib.report.stage import run_command  # noqa: E402

NAME = "cluster-test"
LOGS = ".snakemake/slurm_logs"
SCENES = 20
SIDE_PX = 160
LONG, LONG_PX = "long", (9000, 4000)  # three bands: one can be finished when its worker is killed
LONG_MINES = ((1000, 700), (4400, 3100), (8200, 1900))
FASTER = {  # than the profile for a real cluster, and without its accounting
    "slurm-status-command": "squeue",
    "slurm-init-seconds-before-status-checks": 5,
    "seconds-between-status-checks": 5,
    "slurm-keep-successful-logs": True,
    "latency-wait": 10,
}


class Watch(threading.Thread):
    """Notes every version of every finished band, and kills the worker of the long scene once."""

    def __init__(self, results: Path, environment: dict[str, str]) -> None:
        super().__init__(daemon=True)
        self.results, self.environment = results, environment
        self.versions: dict[str, set] = defaultdict(set)
        self.killed: str | None = None
        self.kept: list[str] = []
        self.ended = threading.Event()

    def run(self) -> None:
        while not self.ended.wait(0.02):
            for path in self.results.glob(".*.partial/bands/[0-9]*.npz"):
                try:
                    stat = path.stat()
                except FileNotFoundError:
                    continue  # its scene is finished
                name = str(path.relative_to(self.results))
                self.versions[name].add((stat.st_ino, stat.st_mtime_ns))
            if self.killed is None and f".{LONG}.partial/bands/00000.npz" in self.versions:
                self.kill()

    def kill(self) -> None:
        jobs = self.call("squeue", "--noheader", "--states=running", "--format=%i %k")
        (self.killed,) = (line.split()[0] for line in jobs.splitlines() if line.endswith(LONG))
        self.call("scancel", "--signal=KILL", "--full", self.killed)
        while self.killed in self.call("squeue", "--noheader", "--states=running", "--format=%i"):
            time.sleep(0.1)
        bands = self.results / f".{LONG}.partial" / "bands"
        self.kept = sorted(path.name for path in bands.glob("[0-9]*.npz"))
        print(f"killed job {self.killed}, scene {LONG}, with {len(self.kept)} bands finished")

    def call(self, *command: str) -> str:
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=True
        ).stdout


def write_scenes(folder: Path) -> list[Point]:
    """Write 19 small scenes with a mine each and a long one with three; return their places."""
    folder.mkdir()
    places = []
    for number in range(SCENES - 1):
        north = ORIGIN[1] - number * SIDE_PX * GROUND_DISTANCE_M
        values = paint_scene(SIDE_PX, SIDE_PX, [(SIDE_PX // 2, SIDE_PX // 2)])
        write_geotiff(folder / f"scene_{number:02d}.tif", values, north=north)
        places.append(place_mine(north, SIDE_PX // 2, SIDE_PX // 2))
    north = ORIGIN[1] - SCENES * SIDE_PX * GROUND_DISTANCE_M
    forest, earth = paint_scene(200, 200), paint_scene(32, 32, [(16, 16)])
    values = np.tile(forest, (LONG_PX[0] // 200, LONG_PX[1] // 200, 1))
    for row, column in LONG_MINES:
        values[row - 16 : row + 16, column - 16 : column + 16] = earth
        places.append(place_mine(north, row, column))
    write_geotiff(folder / f"{LONG}.tif", values, north=north)
    return places


def place_mine(north: float, row: int, column: int) -> Point:
    """Return the place of a mine in the scenes' CRS."""
    return Point(ORIGIN[0] + GROUND_DISTANCE_M * column, north - GROUND_DISTANCE_M * row)


def write_profile(folder: Path) -> Path:
    """Write the profile of docs/cluster/slurm with `FASTER` settings."""
    shipped = yaml.safe_load((ROOT / "docs/cluster/slurm/config.yaml").read_text())
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump(shipped | FASTER))
    return folder


def check_results(run_dir: Path, places: list[Point], watch: Watch) -> None:
    """Check that nothing is lost and nothing was done twice."""
    records = [read_json(path) for path in (run_dir / "searched").glob("*.json")]
    assert len(records) == SCENES, f"{len(records)} records"
    assert {record["error"] for record in records} == {None}, records
    finished = sorted(path.parent.name for path in run_dir.glob("scenes/*/scene.json"))
    assert len(finished) == SCENES, finished
    sites = gpd.read_file(run_dir / "scenes" / "sites.geojson").to_crs(UTM)
    assert len(sites) == len(places), f"{len(sites)} sites of {len(places)} mines"
    for place in places:
        assert sites.contains(place).sum() == 1, place
    page = (run_dir / "scenes" / "map.html").read_text()
    assert all(f"{name}-00001" in page for name in finished), "a scene is not on the map"
    print(f"{len(finished)} scenes searched, {len(sites)} of {len(places)} mines on the map")

    states = watch.call("squeue", "--noheader", "--states=all", "--format=%T %k").splitlines()
    jobs = Counter(line.split()[-1].rpartition("_")[2] for line in states)
    assert len(states) == SCENES + 1, states
    assert jobs[LONG] == 2, jobs
    said = "".join(path.read_text() for path in (run_dir / LOGS).rglob("*.log"))
    ends = Counter(re.findall(r"^(\w+): \d+ sites?\b", said, flags=re.MULTILINE))
    assert ends == dict.fromkeys(finished, 1), ends
    written = {name: len(versions) for name, versions in watch.versions.items()}
    assert set(written.values()) == {1}, f"bands that were searched again: {written}"
    assert watch.kept, "the worker was killed before its first band"
    print(
        f"{len(states)} jobs: {len(states) - 1} completed, 1 killed; bands that it had finished: "
        f"{len(watch.kept)}, kept; bands seen: {len(written)}, each written once"
    )


def main() -> None:
    """Run the test; an assertion fails where it does not hold."""
    run_dir = ROOT / "runs" / NAME
    shutil.rmtree(run_dir, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="planet-cluster-") as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)  # MUNGE's socket must be open to all
        places = write_scenes(folder / "scenes")
        network = write_network(folder / "network")
        profile = write_profile(folder / "profile")
        with run_cluster(folder / "slurm") as environment:
            watch = Watch(run_dir / "scenes", environment)
            watch.start()
            start = time.monotonic()
            made = subprocess.run(
                ["make", "scenes", f"SCENES={folder / 'scenes'}", f"NAME={NAME}",
                 f"CLUSTER={profile}", f"OPTIONS=--model={network}"],
                cwd=ROOT, env=environment, check=False,
            )  # fmt: skip
            print(f"make scenes ended with {made.returncode}, {time.monotonic() - start:.0f} s")
            watch.ended.set()
            watch.join()
            assert made.returncode == 0, f"see the logs in {run_dir / LOGS}"
            check_results(run_dir, places, watch)
    print("nothing lost, nothing done twice")


if __name__ == "__main__":
    sys.exit(run_command(main))
