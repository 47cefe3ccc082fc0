"""Every command of the README runs as written, with a small profile."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
import rasterio
from rasterio.transform import from_origin

from planet_lib.synthetic import synthesize_chip

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
COMMANDS = [
    line
    for block in re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    for line in block.splitlines()
    if line
]
NOT_RUN = (
    "make test",  # runs this test
    "make lab",  # has its own test
    "make report DATA=mining-watch",  # downloads; `test_mining_watch_download.py` has a server
    "make report DATA=path/to/chips NAME=my-chips",  # makes the report of `test_build.py`
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (ROOT / ".venv/ready").exists(), reason="needs the .venv of make"),
]


def run(command, **environment):
    return subprocess.run(
        command,
        shell=True,
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def write_scene(path):
    profile = {"driver": "GTiff", "width": 256, "height": 256, "count": 3, "dtype": "uint8"}
    place = {"crs": "EPSG:32721", "transform": from_origin(600_000, 9_000_000, 3, 3)}
    with rasterio.open(path, "w", photometric="rgb", **profile, **place) as file:
        file.write(synthesize_chip(0, 0).image.transpose(2, 0, 1))
    return path


def test_readme_shows_the_two_commands_first():
    assert COMMANDS[:2] == ["make report", "make test"]


@pytest.mark.parametrize("command", [c for c in dict.fromkeys(COMMANDS) if c not in NOT_RUN])
def test_command_runs(command, tmp_path):
    if "path/to/chips" in command:
        run(f".venv/bin/planet synthesize {tmp_path} --chips 120 --unlabelled 12")
        command = command.replace("path/to/chips", str(tmp_path))
        command = command.replace("labels.csv", str(tmp_path / "labels.csv"))
    if "path/to/scene.tif" in command:
        command = command.replace("path/to/scene.tif", str(write_scene(tmp_path / "scene.tif")))
        command = command.replace("--out mines", f"--out {tmp_path / 'mines'}")
    finished = run(command, PROFILE="smoke")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    if command.startswith("make report"):
        assert "report: reports/smoke/index.html" in finished.stdout
        assert (ROOT / "reports/smoke/index.html").exists()
        again = run(command, PROFILE="smoke")
        assert "nothing to do" in again.stdout


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").glob("*.py")), ids=lambda p: p.stem)
def test_benchmark_has_help(path):
    finished = run(f".venv/bin/python {path} --help")
    assert finished.returncode == 0
    assert "usage: " in finished.stdout


def test_lab_serves_the_notebooks():
    with subprocess.Popen(
        ["make", "lab", "LAB_OPTIONS=--no-browser --allow-root --port-retries=50"],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as server:
        started = time.monotonic()
        printed = ""
        while "is running at" not in printed and time.monotonic() - started < 60:
            printed += server.stderr.readline()
        os.killpg(server.pid, signal.SIGTERM)
        server.stderr.read()
    assert "is running at" in printed
    assert str(ROOT / "notebooks") in printed


def test_readme_names_what_exists():
    for path in re.findall(r"`((?:config|docs|notebooks|\.github)/[\w./-]*)`", README):
        assert (ROOT / path).exists(), path
    for module in re.findall(r"planet_lib/[\w/]+(?:`, `[\w/]+)*", README):
        for name in re.split(r"`, `", module.removeprefix("planet_lib/")):
            name = name.rstrip("/")
            found = (ROOT / "planet_lib" / name, ROOT / "planet_lib" / f"{name}.py")
            assert any(path.exists() for path in found), name
    for picture in re.findall(r"!\[.+?\]\((.+?)\)", README):
        assert (ROOT / picture).exists(), picture
