"""FlatAdam takes the steps of Keras' Adam, and resumes from a saved state."""

import keras
import numpy as np
import pytest

from planet_lib.training.optimizers import FlatAdam


def build_network(optimizer) -> keras.Model:
    """Build a small network with weights of ranks 1, 2 and 4."""
    keras.utils.set_random_seed(3)
    network = keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            keras.layers.Conv2D(3, 3, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Flatten(),
            keras.layers.Dense(2),
        ]
    )
    network.compile(optimizer, loss="mse")
    return network


def schedule() -> keras.optimizers.schedules.LearningRateSchedule:
    return keras.optimizers.schedules.CosineDecay(
        0.001, 12, warmup_target=0.01, warmup_steps=4, alpha=0.1
    )


def train(network: keras.Model, steps: int, *, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        network.train_on_batch(rng.normal(size=(8, 6, 6, 2)), rng.normal(size=(8, 2)))
    return network.get_weights()


def assert_same_weights(left: list[np.ndarray], right: list[np.ndarray], **tolerance) -> None:
    for one, other in zip(left, right, strict=True):
        np.testing.assert_allclose(one, other, **tolerance)


def test_steps_equal_those_of_keras_adam():
    untrained = build_network(FlatAdam(schedule())).get_weights()
    flat = train(build_network(FlatAdam(schedule())), 15)
    reference = train(build_network(keras.optimizers.Adam(schedule())), 15)
    assert_same_weights(flat, reference, rtol=1e-4, atol=1e-5)
    moved = [np.abs(new - old).max() for new, old in zip(flat, untrained, strict=True)]
    assert min(moved) > 0.01


def test_settings_mean_the_same_as_in_keras_adam():
    settings = {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 0.1}
    flat = train(build_network(FlatAdam(0.01, **settings)), 5)
    reference = train(build_network(keras.optimizers.Adam(0.01, **settings)), 5)
    assert_same_weights(flat, reference, rtol=1e-4, atol=1e-6)


def test_first_step_has_the_length_of_the_learning_rate():
    weight = keras.Variable(np.array([[1.0, -2.0]], np.float32))
    FlatAdam(0.1).apply([keras.ops.convert_to_tensor([[5.0, -0.01]])], [weight])
    np.testing.assert_allclose(weight, [[0.9, -1.9]], rtol=1e-4)


def test_saved_optimizer_resumes_as_if_not_interrupted(tmp_path):
    undisturbed = build_network(FlatAdam(schedule()))
    train(undisturbed, 4)
    undisturbed.save_weights(tmp_path / "four.weights.h5")
    resumed = build_network(FlatAdam(schedule()))
    resumed.optimizer.build(resumed.trainable_variables)
    resumed.load_weights(tmp_path / "four.weights.h5")
    assert int(resumed.optimizer.iterations) == 4
    assert_same_weights(train(resumed, 4, seed=1), train(undisturbed, 4, seed=1), rtol=0)


def test_gradients_of_other_variables_are_refused():
    optimizer = FlatAdam(0.1)
    variables = [keras.Variable(np.zeros(2, np.float32)) for _ in range(2)]
    optimizer.build(variables)
    with pytest.raises(ValueError, match="Unknown variable"):
        optimizer.apply([keras.ops.zeros(2)], [keras.Variable(np.zeros(2, np.float32))])
    with pytest.raises(ValueError, match="1 gradients for 2 variables"):
        optimizer.apply([keras.ops.zeros(2)], variables[:1])
