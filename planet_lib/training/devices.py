"""Training on several devices of one machine: each takes a part of every batch.

Keras' own `DataParallel` does not know TensorFlow, so that this module speaks to TensorFlow.
"""

from collections.abc import Callable, Iterator

import keras

from planet_lib.errors import ConfigError


def use_devices(count: int) -> None:
    """Share the batches of networks that are built from here on over the machine's devices.

    The gradients are summed, so that a step stays the step of one batch; only batch
    normalisation sees the part of its own device.

    Parameters
    ----------
    count : int
        1 is training as usual.

    Raises
    ------
    ConfigError
        There are fewer devices, or this backend of Keras cannot share.
    """
    if keras.backend.backend() != "tensorflow":
        if count != 1:
            raise ConfigError(f"devices: {count}; only Keras' backend tensorflow takes more than 1")
        return
    found = keras.distribution.list_devices()
    if not 1 <= count <= len(found):
        raise ConfigError(
            f"devices: {count}; allowed: 1 to {len(found)}, for there are {', '.join(found)}"
        )
    from tensorflow import distribute

    strategy = distribute.MirroredStrategy(found[:count]) if count > 1 else None
    distribute.experimental_set_strategy(strategy)


def feed_batches(make_stream: Callable[..., Iterator[tuple]], *values: object, **settings: object):
    """Make a stream of batches as `fit` takes it, on one device or several.

    For several, Keras looks at a batch and starts the data again. A generator would go on and
    skip what was fetched ahead, so that it gets a data set that calls `make_stream` anew.

    Parameters
    ----------
    make_stream : callable
        Called with the values and settings; yields (chips, targets) as
        `planet_lib.networks.batches.stream_batches` does.

    Returns
    -------
    iterator or tensorflow.data.Dataset
    """
    stream = make_stream(*values, **settings)
    if keras.backend.backend() != "tensorflow":
        return stream
    import tensorflow

    if not tensorflow.distribute.has_strategy():
        return stream
    signature = keras.tree.map_structure(
        lambda array: tensorflow.TensorSpec((None, *array.shape[1:]), array.dtype), next(stream)
    )
    return tensorflow.data.Dataset.from_generator(
        lambda: make_stream(*values, **settings), output_signature=signature
    )
