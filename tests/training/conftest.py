"""Trained runs, made once a session; a test that changes one works on a copy."""

from pathlib import Path

import pytest
from small_runs import SMALLEST, stop_after, train, write_store


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory) -> Path:
    """Give a run that was trained without interruption."""
    run_dir = write_store(tmp_path_factory.mktemp("undisturbed") / "run")
    train(run_dir)
    return run_dir


@pytest.fixture(scope="session")
def interrupted(tmp_path_factory) -> Path:
    """Give a run that was interrupted after the second of four epochs."""
    run_dir = write_store(tmp_path_factory.mktemp("interrupted") / "run")
    with pytest.raises(KeyboardInterrupt):
        train(run_dir, on_epoch=stop_after(2))
    return run_dir


@pytest.fixture(scope="session")
def trained_on_both(tmp_path_factory) -> Path:
    """Give a run that was trained on the raw and the haze-free picture, for two epochs."""
    run_dir = write_store(tmp_path_factory.mktemp("both") / "run")
    train(run_dir, epochs=2, options=SMALLEST, input_mode="both")
    return run_dir
