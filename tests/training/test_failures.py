"""Full memory, full disk and damaged checkpoints: no finished epoch is lost."""

import errno
import os
import resource
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from small_runs import (
    DROPOUT,
    assert_same_results,
    find_checkpoints,
    find_results,
    read_history,
    train,
    write_store,
)

from planet_lib.errors import StageError
from planet_lib.networks.architectures import build_model
from planet_lib.networks.files import load_model, save_model
from planet_lib.training.callbacks import EpochKeeper
from planet_lib.training.checkpoints import load_state, save_state
from planet_lib.training.failures import explain_failures

DAMAGES = {
    "empty": lambda content: b"",
    "half": lambda content: content[: len(content) // 2],
    "garbage": lambda content: np.random.default_rng(0).bytes(len(content)),
    "one byte": lambda content: content[:2000] + bytes([content[2000] ^ 255]) + content[2001:],
}


def assert_one_line(error: StageError, *words: str) -> None:
    message = str(error)
    assert "\n" not in message
    assert all(word in message for word in words), message


def assert_same_checkpoints(left: Path, right: Path) -> None:
    """Compare the histories and all arrays of two runs' checkpoints to the bit."""
    left, right = find_checkpoints(left), find_checkpoints(right)
    names = sorted(path.name for path in left.iterdir())
    assert names == sorted(path.name for path in right.iterdir())
    assert read_history(left) == read_history(right)
    for name in names:
        if name.endswith(".npz"):
            with np.load(left / name) as one, np.load(right / name) as other:
                for array in one.files:
                    np.testing.assert_array_equal(one[array], other[array])


def build_compiled(**options: object) -> keras.Model:
    network = build_model("densenet", 32, **DROPOUT | options)
    network.compile("adam", "mse")
    network.optimizer.build(network.trainable_variables)
    return network


@pytest.fixture
def limit_files():
    """Give a function that limits the size of files, so that writing fails as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    def limit(size: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))

    yield limit
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, ignored)


def after_second_epoch(act: Callable[[], object]) -> Callable[[dict], None]:
    return lambda row: act() if row["epoch"] == 2 else None


@pytest.mark.slow  # TensorFlow waits ten seconds for memory
def test_full_memory_names_the_cure_and_keeps_the_epochs(tmp_path, interrupted):
    run_dir = write_store(tmp_path / "run")
    allocate = after_second_epoch(lambda: keras.ops.zeros((10**7, 10**7)))
    with pytest.raises(StageError) as raised:
        train(run_dir, on_epoch=allocate)
    assert_one_line(raised.value, str(run_dir), "lower batch_size or image_px", "are kept")
    assert_same_checkpoints(run_dir, interrupted)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 4 bytes."),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    ],
    ids=["python", "jax", "torch"],
)
def test_full_memory_of_other_backends_is_recognised_by_its_message(tmp_path, error):
    def fail(run_dir):
        raise error

    with pytest.raises(StageError, match="lower batch_size or image_px"):
        explain_failures(fail)(tmp_path)


def test_other_errors_stay_as_they_are(tmp_path):
    error = PermissionError(errno.EACCES, "no")

    def fail(run_dir):
        raise error

    with pytest.raises(PermissionError) as raised:
        explain_failures(fail)(tmp_path)
    assert raised.value is error


@pytest.mark.slow
def test_full_disk_names_the_folder_and_keeps_the_epochs(tmp_path, interrupted, limit_files):
    run_dir = write_store(tmp_path / "run")
    with pytest.raises(StageError) as raised:
        train(run_dir, on_epoch=after_second_epoch(lambda: limit_files(20_000)))
    limit_files(resource.RLIM_INFINITY)
    assert_one_line(raised.value, str(run_dir), "the disk is full; free some space", "are kept")
    assert_same_checkpoints(run_dir, interrupted)


@pytest.mark.slow
def test_disk_full_at_the_end_keeps_the_training(interrupted, undisturbed, tmp_path, limit_files):
    run_dir = shutil.copytree(interrupted, tmp_path / "run")

    def fill_disk(row: dict) -> None:
        if row["epoch"] == 4:
            limit_files(50_000)

    with pytest.raises(StageError, match="the disk is full"):
        train(run_dir, on_epoch=fill_disk)
    limit_files(resource.RLIM_INFINITY)
    assert not list(find_results(run_dir).glob("*model*"))
    _, rows = train(run_dir)
    assert rows == []
    assert_same_results(run_dir, undisturbed)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_small_disk_fails_as_the_limit_of_file_sizes_does(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.system(f"mount -t tmpfs -o size=64k tmpfs {disk} 2>/dev/null"):
        pytest.skip("this machine cannot mount a file system")
    try:
        network = build_compiled(filters=64)
        with pytest.raises(OSError, match="No space left on device"):
            save_state(network, disk / "epoch-001.npz")
        with pytest.raises(OSError, match="No space left on device"):
            save_model(network, disk)
        assert not list(disk.iterdir())
    finally:
        os.system(f"umount {disk}")


def test_full_disk_leaves_the_earlier_model(tmp_path, limit_files):
    network = build_compiled()
    files = save_model(network, tmp_path)
    limit_files(1000)
    with pytest.raises(OSError, match="File too large"):
        save_model(network, tmp_path)
    limit_files(resource.RLIM_INFINITY)
    assert sorted(tmp_path.iterdir()) == sorted(files)
    assert all(load_model(file).output for file in files)


@pytest.mark.slow
def test_damaged_last_epoch_is_reported_and_an_earlier_one_used(
    interrupted, undisturbed, tmp_path, capsys
):
    run_dir = shutil.copytree(interrupted, tmp_path / "run")
    last = find_checkpoints(run_dir) / "epoch-002.npz"
    last.write_bytes(DAMAGES["one byte"](last.read_bytes()))
    _, rows = train(run_dir)
    assert [row["epoch"] for row in rows] == [2, 3, 4]
    printed = capsys.readouterr().out
    assert f"{last}: damaged" in printed
    assert "resuming after epoch 1" in printed
    assert_same_results(run_dir, undisturbed)


@pytest.mark.slow
def test_without_a_whole_epoch_the_error_names_the_folder_to_delete(interrupted, tmp_path):
    run_dir = shutil.copytree(interrupted, tmp_path / "run")
    for path in find_checkpoints(run_dir).glob("*.npz"):
        path.write_bytes(b"")
    with pytest.raises(StageError) as raised:
        train(run_dir)
    folder = find_checkpoints(run_dir)
    assert_one_line(raised.value, f"delete {folder} and run again", "epoch-002.npz")


@pytest.mark.slow
def test_damaged_history_is_reported_in_one_line(interrupted, tmp_path):
    run_dir = shutil.copytree(interrupted, tmp_path / "run")
    path = find_checkpoints(run_dir) / "history.json"
    path.write_text(path.read_text()[:50])
    with pytest.raises(StageError) as raised:
        train(run_dir)
    assert_one_line(raised.value, f"{path}: damaged", "delete it and run again")


def test_best_and_last_two_epochs_are_on_disk(tmp_path):
    losses = iter([0.5, 0.1, 0.4, 0.3, 0.2])
    keeper = EpochKeeper(tmp_path, patience=9, seed=0)
    keeper.set_model(build_compiled())
    for epoch in range(5):
        keeper.on_epoch_begin(epoch)
        keeper.on_epoch_end(epoch, {"loss": 1.0, "val_loss": next(losses)})
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["epoch-002.npz", "epoch-004.npz", "epoch-005.npz", "history.json"]


def test_state_is_weights_and_optimizer_to_the_bit(tmp_path):
    network, other = build_compiled(), build_compiled()
    rng = np.random.default_rng(0)
    for variable in (*network.weights, *network.optimizer.variables):
        variable.assign(rng.uniform(0, 9, variable.shape).astype(variable.dtype))
    save_state(network, tmp_path / "state.npz")
    load_state(other, tmp_path / "state.npz")
    for left, right in zip(
        (*network.weights, *network.optimizer.variables),
        (*other.weights, *other.optimizer.variables),
        strict=True,
    ):
        np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_state_changes_no_weight(tmp_path, damage):
    network = build_compiled()
    path = tmp_path / "state.npz"
    save_state(network, path)
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    before = network.get_weights()
    with pytest.raises(StageError, match=r"state\.npz: damaged"):
        load_state(network, path)
    for left, right in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


def test_state_of_another_network_is_refused(tmp_path):
    save_state(build_compiled(filters=8), tmp_path / "state.npz")
    with pytest.raises(StageError, match="not the state of this network"):
        load_state(build_compiled(), tmp_path / "state.npz")
