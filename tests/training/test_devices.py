"""Several devices: two virtual ones learn what one learns; more than there are is refused."""

import json

import keras
import numpy as np
import pytest
from small_runs import find_results, read_history, run_python, write_store

from planet_lib.errors import ConfigError
from planet_lib.networks.files import load_model
from planet_lib.training.devices import use_devices

TWO_DEVICES = """
import tensorflow
cpu = tensorflow.config.list_physical_devices("CPU")[0]
two = [tensorflow.config.LogicalDeviceConfiguration()] * 2
tensorflow.config.set_logical_device_configuration(cpu, two)
"""
LEARNING = """
import contextlib, json, sys
from pathlib import Path

import keras
import numpy as np
from planet_lib.training.devices import use_devices
from planet_lib.training.feed import feed_batches
from small_runs import stop_after, train

rng = np.random.default_rng(0)
inputs, targets = rng.normal(size=(32, 6)), rng.normal(size=(32, 2))

def repeat():
    while True:
        for start in range(0, 32, 8):
            yield inputs[start : start + 8], targets[start : start + 8]

def learn(devices):
    use_devices(devices)
    keras.utils.set_random_seed(0)
    network = keras.Sequential([keras.Input((6,)), keras.layers.Dense(2)])
    network.compile(keras.optimizers.Adam(0.01), "mse")
    kept = network.fit(feed_batches(repeat), steps_per_epoch=4, epochs=5, shuffle=False, verbose=0)
    return kept.history["loss"], network.predict(inputs, verbose=0).tolist()

learned = [learn(devices) for devices in (1, 2, 1)]
run_dir = Path(sys.argv[1])
with contextlib.suppress(KeyboardInterrupt):
    train(run_dir, devices=2, on_epoch=stop_after(2))
resumed = [row["epoch"] for row in train(run_dir, devices=2)[1]]
print(json.dumps({"learned": learned, "resumed": resumed}))
"""


@pytest.fixture(scope="module")
def two_devices(tmp_path_factory) -> dict:
    """Learn on a CPU that is split into two devices, in a process of its own."""
    run_dir = write_store(tmp_path_factory.mktemp("devices") / "run")
    with run_python(TWO_DEVICES + LEARNING, run_dir) as process:
        output, errors = process.communicate()
    assert process.returncode == 0, errors
    return json.loads(output.split("\n")[-2]) | {"run_dir": run_dir}


@pytest.mark.slow
def test_two_devices_learn_what_one_learns(two_devices):
    (one, predicted), (two, predicted_by_two), again = two_devices["learned"]
    np.testing.assert_allclose(two, one, rtol=1e-5)
    np.testing.assert_allclose(predicted_by_two, predicted, atol=1e-5)
    assert again == [one, predicted]
    assert one[-1] < one[0]


@pytest.mark.slow
def test_training_on_two_devices_resumes_and_leaves_plain_files(two_devices, undisturbed):
    # Batch normalisation uses half a batch on each device, so the curves differ a little.
    assert two_devices["resumed"] == [3, 4]
    run_dir = two_devices["run_dir"]
    histories = [read_history(find_results(x)) for x in (run_dir, undisturbed)]
    two, one = ([row["loss"] for row in history] for history in histories)
    np.testing.assert_allclose(two, one, rtol=0.1)
    networks = [load_model(find_results(x) / "model.keras") for x in (run_dir, undisturbed)]
    assert networks[0].get_config() == networks[1].get_config()


@pytest.mark.parametrize("count", [0, 99])
def test_count_out_of_range_is_refused_with_the_devices(count):
    with pytest.raises(ConfigError, match=rf"devices: {count}; allowed: 1 to 1 \(cpu:0\)"):
        use_devices(count)


def test_other_backends_take_one_device_only(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    use_devices(1)
    with pytest.raises(ConfigError, match="devices: 2; only Keras' backend tensorflow"):
        use_devices(2)
