"""A report runs on settings of its own, whatever the user's account holds."""

import json
import os
import subprocess
import sys

import pytest

from planet_lib.environment import isolate_environment
from planet_lib.errors import ConfigError


def run_python(code, environment):
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()


def test_users_variables_are_kept_but_those_of_other_work(tmp_path):
    user = {"PATH": "/bin", "CUDA_VISIBLE_DEVICES": "1", "SNAKEMAKE_PROFILE": "slurm"}
    before = dict(user)
    isolated = isolate_environment(tmp_path, user)
    assert isolated["CUDA_VISIBLE_DEVICES"] == "1"
    assert "SNAKEMAKE_PROFILE" not in isolated
    assert user == before


@pytest.mark.slow
def test_old_settings_of_keras_are_not_read(tmp_path):
    home = tmp_path / "home"
    (home / ".keras").mkdir(parents=True)
    (home / ".keras" / "keras.json").write_text(json.dumps({"backend": "theano"}))
    user = {"PATH": os.environ["PATH"], "HOME": str(home)}
    code = "import keras; print(keras.backend.backend())"
    assert run_python(code, isolate_environment(tmp_path / "own", user)) == "tensorflow"


def test_home_that_cannot_be_written_is_not_needed(tmp_path):
    user = {"PATH": os.environ["PATH"], "HOME": "/proc/nowhere", "LC_ALL": "C"}
    code = (
        "import matplotlib, pathlib, jupyter_core.paths, snakemake\n"
        "print('\\u00e9', pathlib.Path(matplotlib.get_configdir()).name)"
    )
    assert run_python(code, isolate_environment(tmp_path, user)) == "é matplotlib"


def test_kernels_of_the_account_are_not_taken(tmp_path):
    kernel = tmp_path / "home" / ".local/share/jupyter/kernels/python3"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text(json.dumps({"argv": ["false"], "language": "python"}))
    user = {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "home")}
    code = (
        "from jupyter_client.kernelspec import KernelSpecManager\n"
        "print(KernelSpecManager().get_kernel_spec('python3').argv[0])"
    )
    assert run_python(code, isolate_environment(tmp_path / "own", user)) != "false"


@pytest.mark.parametrize(
    ("backend", "message"),
    [("theano", "'theano'; allowed: tensorflow, torch, jax"), ("torch", "unset KERAS_BACKEND")],
)
def test_backend_that_cannot_be_had_is_one_line(tmp_path, monkeypatch, backend, message):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=message):
        isolate_environment(tmp_path, {"KERAS_BACKEND": backend})


def test_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "own").write_text("a file")
    with pytest.raises(ConfigError, match=r"own.*cannot be written"):
        isolate_environment(tmp_path / "own", {})
