"""What goes wrong beside a training: memory, disk, damaged checkpoints. No whole epoch is lost."""

import errno
import json
import os
import resource
import shutil
import signal
from pathlib import Path

import keras
import numpy as np
import pytest
from test_train import DROPPING, history, probabilities, results, stop_after, train, write_store

import planet_lib.training.callbacks
from planet_lib.errors import StageError
from planet_lib.networks.architectures import build_model
from planet_lib.networks.files import load_model, save_model
from planet_lib.training.checkpoints import load_state, save_state
from planet_lib.training.failures import explain_failures

DAMAGES = {
    "empty": lambda content: b"",
    "half": lambda content: content[: len(content) // 2],
    "garbage": lambda content: np.random.default_rng(0).bytes(len(content)),
    "one byte": lambda content: content[:2000] + bytes([content[2000] ^ 255]) + content[2001:],
}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    run_dir = write_store(tmp_path_factory.mktemp("undisturbed"))
    train(run_dir)
    return run_dir


@pytest.fixture(scope="module")
def stopped(tmp_path_factory) -> Path:
    run_dir = write_store(tmp_path_factory.mktemp("stopped"))
    with pytest.raises(KeyboardInterrupt):
        train(run_dir, on_epoch=stop_after(3))
    return run_dir


def checkpoints(run_dir: Path) -> Path:
    return next(results(run_dir).glob("checkpoints-*"))


def epochs_on_disk(run_dir: Path) -> list[int]:
    return [
        row["epoch"]
        for row in json.loads((checkpoints(run_dir) / "history.json").read_text())["epochs"]
    ]


def assert_one_line(refused, *words: str) -> None:
    message = str(refused.value)
    assert "\n" not in message
    assert all(word in message for word in words), message


def assert_ends_as(run_dir: Path, undisturbed: Path) -> None:
    np.testing.assert_array_equal(probabilities(run_dir), probabilities(undisturbed))
    for left, right in zip(history(run_dir), history(undisturbed), strict=True):
        assert left | {"seconds": 0} == right | {"seconds": 0}


def build_compiled(**options) -> keras.Model:
    network = build_model("densenet", 32, **DROPPING | options)
    network.compile("adam", "mse")
    network.optimizer.build(network.trainable_variables)
    return network


def exhaust_memory(row: dict) -> None:
    if row["epoch"] == 2:
        keras.ops.zeros((10**7, 10**7))


def test_full_memory_names_the_cure_and_the_rerun_goes_on(tmp_path, undisturbed):
    run_dir = write_store(tmp_path / "run")
    with pytest.raises(StageError) as refused:
        train(run_dir, on_epoch=exhaust_memory)
    assert_one_line(refused, str(run_dir), "lower batch_size or image_px", "are kept")
    assert epochs_on_disk(run_dir) == [1, 2]
    _, rows = train(run_dir)
    assert [row["epoch"] for row in rows] == [3, 4]
    assert_ends_as(run_dir, undisturbed)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 4 bytes."),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    ],
    ids=["python", "jax", "torch"],
)
def test_full_memory_of_other_backends_is_known_by_its_words(tmp_path, error):
    def fail(run_dir):
        raise error

    with pytest.raises(StageError, match="lower batch_size or image_px"):
        explain_failures(fail)(tmp_path)


@pytest.mark.parametrize("error", [ValueError("no"), PermissionError(errno.EACCES, "no")], ids=str)
def test_other_errors_stay_as_they_are(tmp_path, error):
    def fail(run_dir):
        raise error

    with pytest.raises(type(error)) as raised:
        explain_failures(fail)(tmp_path)
    assert raised.value is error


@pytest.fixture
def limit_files():
    """Give a function that bounds the size of files, which fails writing as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    def limit(size: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))

    yield limit
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, ignored)


@pytest.mark.parametrize("size", [100, 20_000], ids=["history", "state"])
def test_full_disk_names_the_folder_and_the_rerun_goes_on(tmp_path, undisturbed, limit_files, size):
    run_dir = write_store(tmp_path / "run")

    def fill_disk(row: dict) -> None:
        if row["epoch"] == 2:
            limit_files(size)

    with pytest.raises(StageError) as refused:
        train(run_dir, on_epoch=fill_disk)
    limit_files(resource.RLIM_INFINITY)
    assert_one_line(refused, str(run_dir), "the disk is full; make room", "are kept")
    assert epochs_on_disk(run_dir) == [1, 2]
    assert not list(checkpoints(run_dir).glob("partial-*"))
    _, rows = train(run_dir)
    assert [row["epoch"] for row in rows] == [3, 4]
    assert_ends_as(run_dir, undisturbed)


def test_disk_full_at_the_end_keeps_the_training(tmp_path, undisturbed, limit_files):
    run_dir = write_store(tmp_path / "run")

    def fill_disk(row: dict) -> None:
        if row["epoch"] == 4:
            limit_files(50_000)

    with pytest.raises(StageError, match="the disk is full"):
        train(run_dir, on_epoch=fill_disk)
    limit_files(resource.RLIM_INFINITY)
    assert not list(results(run_dir).glob("*model*"))
    _, rows = train(run_dir)
    assert rows == []
    assert_ends_as(run_dir, undisturbed)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk takes root")
def test_small_disk_fails_as_the_limit_of_file_sizes_does(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.system(f"mount -t tmpfs -o size=64k tmpfs {disk} 2>/dev/null"):
        pytest.skip("this machine mounts nothing")
    try:
        network = build_compiled(filters=64)
        with pytest.raises(OSError, match="No space left on device"):
            save_state(network, disk / "epoch-001.npz")
        with pytest.raises(OSError, match="No space left on device"):
            save_model(network, disk)
        assert not list(disk.iterdir())
    finally:
        os.system(f"umount {disk}")


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_last_epoch_is_told_and_an_earlier_one_taken(
    stopped, undisturbed, tmp_path, capsys, damage
):
    run_dir = shutil.copytree(stopped, tmp_path / "run")
    last = checkpoints(run_dir) / "epoch-003.npz"
    last.write_bytes(DAMAGES[damage](last.read_bytes()))
    _, rows = train(run_dir)
    assert [row["epoch"] for row in rows] == [3, 4]
    said = capsys.readouterr().out
    assert f"{last}: damaged" in said
    assert "going on after epoch 2" in said
    assert_ends_as(run_dir, undisturbed)


def test_no_good_epoch_says_which_folder_to_delete(stopped, tmp_path):
    run_dir = shutil.copytree(stopped, tmp_path / "run")
    for path in checkpoints(run_dir).glob("*.npz"):
        path.write_bytes(b"")
    with pytest.raises(StageError) as refused:
        train(run_dir)
    assert_one_line(refused, f"delete {checkpoints(run_dir)} and run again", "epoch-003.npz")


def test_damaged_history_is_one_line(stopped, tmp_path):
    run_dir = shutil.copytree(stopped, tmp_path / "run")
    path = checkpoints(run_dir) / "history.json"
    path.write_text(path.read_text()[:50])
    with pytest.raises(StageError) as refused:
        train(run_dir)
    assert_one_line(refused, f"{path}: damaged", "delete it and run again")


def test_best_and_the_last_two_epochs_are_on_disk(tmp_path):
    losses = iter([0.5, 0.1, 0.4, 0.3, 0.2])
    keeper = planet_lib.training.callbacks.EpochKeeper(tmp_path, patience=9, seed=0)
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


def test_full_disk_leaves_the_model_that_was_there(tmp_path, limit_files):
    network = build_compiled()
    files = save_model(network, tmp_path)
    limit_files(1000)
    with pytest.raises(OSError, match="File too large"):
        save_model(network, tmp_path)
    limit_files(resource.RLIM_INFINITY)
    assert sorted(tmp_path.iterdir()) == sorted(files)
    assert all(load_model(file).output for file in files)
