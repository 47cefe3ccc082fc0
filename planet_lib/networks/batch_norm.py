"""Batch normalisation as one fused TensorFlow operation, for faster training."""

import keras


class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalisation with one operation for the training step and one for its gradient.

    Keras composes them from about a hundred operations. Each is a pass over the feature maps, and
    a node that is traced and optimised before the first step. The moving variance is the sample
    variance (divided by n - 1), unlike that of Keras; prediction is the same as in Keras.
    """

    def call(self, inputs, training=None, mask=None):
        if not training or not self.trainable:
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        normalised, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma.value,
            offset=self.beta.value,
            mean=self.moving_mean.value,
            variance=self.moving_variance.value,
            epsilon=self.epsilon,
            exponential_avg_factor=1 - self.momentum,
        )
        self.moving_mean.assign(mean)
        self.moving_variance.assign(variance)
        return normalised


def fuse_batch_norms(network: keras.Model) -> keras.Model:
    """Copy a network, with fused batch normalisation if the backend is TensorFlow.

    The copy is for training. It has the same weights in the same order:
    ``network.set_weights(copy.get_weights())`` returns them to layers that plain Keras can load.
    Other backends train the network itself, which is returned.
    """
    if keras.backend.backend() != "tensorflow":
        return network
    copy = keras.models.clone_model(network, clone_function=_fuse_layer, recursive=True)
    copy.set_weights(network.get_weights())
    return copy


def _fuse_layer(layer: keras.Layer) -> keras.Layer:
    is_plain = type(layer) is keras.layers.BatchNormalization
    return (FusedBatchNormalization if is_plain else type(layer)).from_config(layer.get_config())
