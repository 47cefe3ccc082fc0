"""Several devices: two virtual ones learn as one does, and more than there are is refused."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from test_train import history, results, train, write_store

from planet_lib.errors import ConfigError
from planet_lib.networks.files import load_model
from planet_lib.training.devices import use_devices

TWO_DEVICES = """
import tensorflow
cpu = tensorflow.config.list_physical_devices("CPU")[0]
two = [tensorflow.config.LogicalDeviceConfiguration()] * 2
tensorflow.config.set_logical_device_configuration(cpu, two)
"""
PLAIN = """
import json
import keras
import numpy as np
from planet_lib.training.devices import feed_batches, use_devices

rng = np.random.default_rng(0)
chips, answers = rng.normal(size=(32, 6)), rng.normal(size=(32, 2))

def repeat():
    while True:
        for start in range(0, 32, 8):
            yield chips[start : start + 8], answers[start : start + 8]

def learn(devices):
    use_devices(devices)
    keras.utils.set_random_seed(0)
    network = keras.Sequential([keras.Input((6,)), keras.layers.Dense(2)])
    network.compile(keras.optimizers.Adam(0.01), "mse")
    kept = network.fit(feed_batches(repeat), steps_per_epoch=4, epochs=5, shuffle=False, verbose=0)
    return kept.history["loss"], network.predict(chips, verbose=0).tolist()

print(json.dumps([learn(devices) for devices in (1, 2, 1)]))
"""
TRAINING = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_train import stop_after, train
train(Path(sys.argv[2]), devices=2, on_epoch=stop_after(int(sys.argv[3])))
"""


def run(*code: str, arguments: tuple = ()) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", "\n".join(code), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_two_devices_learn_what_one_learns():
    done = run(TWO_DEVICES, PLAIN)
    assert done.returncode == 0, done.stderr
    (one, said_by_one), (two, said_by_two), again = json.loads(done.stdout.split("\n")[-2])
    np.testing.assert_allclose(two, one, rtol=1e-5)
    np.testing.assert_allclose(said_by_two, said_by_one, atol=1e-5)
    assert again == [one, said_by_one]
    assert one[-1] < one[0]


@pytest.mark.slow
def test_training_on_two_devices_goes_on_and_leaves_plain_files(tmp_path):
    # Batch normalisation sees half a batch on each device, so that the curves differ a little.
    one, two = write_store(tmp_path / "one"), write_store(tmp_path / "two")
    train(one)
    stopped = run(TWO_DEVICES, TRAINING, arguments=(Path(__file__).parent, two, 2))
    assert "KeyboardInterrupt" in stopped.stderr, stopped.stderr
    done = run(TWO_DEVICES, TRAINING, arguments=(Path(__file__).parent, two, 9))
    assert done.returncode == 0, done.stderr
    assert [row["epoch"] for row in history(two)] == [1, 2, 3, 4]
    losses = {run_dir: [row["loss"] for row in history(run_dir)] for run_dir in (one, two)}
    np.testing.assert_allclose(losses[two], losses[one], rtol=0.1)
    for left, right in zip(
        *(load_model(results(run_dir) / "model.keras").get_weights() for run_dir in (one, two)),
        strict=True,
    ):
        assert left.shape == right.shape


@pytest.mark.parametrize("count", [0, 99])
def test_more_devices_than_there_are_is_refused_with_their_number(count):
    with pytest.raises(
        ConfigError, match=rf"devices: {count}; allowed: 1 to 1, for there are cpu:0"
    ):
        use_devices(count)


def test_other_backends_take_one_device_only(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    use_devices(1)
    with pytest.raises(ConfigError, match="devices: 2; only Keras' backend tensorflow"):
        use_devices(2)
