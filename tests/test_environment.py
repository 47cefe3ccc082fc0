"""pyproject.toml, requirements.lock and environment.yml describe one environment."""

import re
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = (ROOT / "requirements.lock").read_text()


def read_lock():
    lines = re.findall(r"^([A-Za-z0-9][^\\\n]+?) *\\?$", LOCK, flags=re.MULTILINE)
    locked = {}
    for requirement in map(Requirement, lines):
        locked.setdefault(requirement.name, []).append(requirement)
    return locked


def test_lock_satisfies_every_dependency():
    locked = read_lock()
    extras = PROJECT["optional-dependencies"]
    assert f"{PROJECT['name']}[onnx]" in extras["test"]
    wanted = PROJECT["dependencies"] + extras["onnx"] + extras["test"]
    for requirement in map(Requirement, wanted):
        if requirement.name == PROJECT["name"]:
            continue
        versions = [next(iter(r.specifier)).version for r in locked[requirement.name]]
        assert all(requirement.specifier.contains(v) for v in versions), requirement


def test_lock_is_exact_and_hashed():
    for requirements in read_lock().values():
        for requirement in requirements:
            assert str(requirement.specifier).startswith("=="), requirement
    assert LOCK.count("--hash=sha256:") >= len(read_lock())


def test_lock_contains_no_address():
    assert "://" not in LOCK
    assert "--index-url" not in LOCK
    assert "--find-links" not in LOCK


def test_lock_has_one_backend_for_the_cpu():
    assert read_lock().keys().isdisjoint({"jax", "timm", "torch"})
    assert not any(name.startswith("nvidia") for name in read_lock())


def test_conda_environment_reads_the_lock():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python, pip, from_pip = environment["dependencies"]
    assert SpecifierSet(PROJECT["requires-python"]).contains(python.removeprefix("python=") + ".0")
    assert pip == "pip"
    assert from_pip == {"pip": ["--requirement requirements.lock"]}
    assert environment["name"] == PROJECT["name"]


def test_only_one_opencv_and_one_tensorflow():
    names = read_lock().keys()
    assert [name for name in names if name.startswith("opencv")] == ["opencv-python-headless"]
    markers = [
        str(r.marker) for name in ("tensorflow", "tensorflow-cpu") for r in read_lock()[name]
    ]
    assert len(set(markers)) == len(markers)
