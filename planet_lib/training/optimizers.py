"""Adam on one concatenated vector of all weights, with a much smaller graph than Keras' own."""

import itertools
import math
from collections.abc import Sequence

import keras
from keras import ops


class FlatAdam(keras.optimizers.Optimizer):
    """Adam that concatenates all gradients and updates all weights at once.

    Keras' Adam adds about thirty operations to the graph for each variable, this one five, so a
    network with hundreds of variables reaches its first step sooner. The steps are the same.

    For a single device only: gradients are not summed over the replicas of `tf.distribute`.

    Parameters
    ----------
    learning_rate : float or LearningRateSchedule
    beta_1, beta_2 : float
        Decay per step of the running means of the gradient and of its square.
    epsilon : float
        Added to the root of the mean square, for numerical stability.

    References
    ----------
    D. Kingma and J. Ba, Adam: A Method for Stochastic Optimization, ICLR 2015, section 2; defaults
    as in `keras.optimizers.Adam`.
    """

    def __init__(
        self,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule,
        *,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
    ) -> None:
        super().__init__(learning_rate)
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Create the running means of the gradients of `variables`."""
        if self.built:
            return
        super().build(variables)
        sizes = [math.prod(variable.shape) for variable in variables]
        self._bounds = list(itertools.accumulate(sizes))
        self._mean, self._mean_square = (
            self.add_variable((sum(sizes),), name=name) for name in ("mean", "mean_square")
        )

    def apply(
        self,
        grads: Sequence[keras.KerasTensor],
        trainable_variables: Sequence[keras.Variable] | None = None,
    ) -> None:
        """Update all weights by one step; `grads` are in the order of the variables of `build`."""
        if trainable_variables is None:
            trainable_variables = self._trainable_variables
        self.build(trainable_variables)
        self._check_variables_are_known(trainable_variables)
        if not len(grads) == len(trainable_variables) == len(self._bounds):
            raise ValueError(f"{len(grads)} gradients for {len(self._bounds)} variables")
        gradient = ops.concatenate([ops.reshape(grad, (-1,)) for grad in grads])
        step = ops.cast(self.iterations + 1, gradient.dtype)
        rate = ops.cast(self.learning_rate, gradient.dtype)
        rate *= ops.sqrt(1 - ops.power(self.beta_2, step)) / (1 - ops.power(self.beta_1, step))
        mean = self._mean + (1 - self.beta_1) * (gradient - self._mean)
        mean_square = self._mean_square + (1 - self.beta_2) * (
            ops.square(gradient) - self._mean_square
        )
        self.assign(self._mean, mean)
        self.assign(self._mean_square, mean_square)
        change = rate * mean / (ops.sqrt(mean_square) + self.epsilon)
        *pieces, _ = ops.split(change, self._bounds)
        for variable, piece in zip(trainable_variables, pieces, strict=True):
            self.assign_sub(variable, ops.reshape(piece, variable.shape))
        self._iterations.assign_add(1)
