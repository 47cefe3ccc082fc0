"""Train on several devices of one machine; each takes a part of every batch.

Keras' `DataParallel` does not support TensorFlow, so this module uses TensorFlow directly.
"""

from collections.abc import Callable, Iterator

import keras

from planet_lib.errors import ConfigError


def use_devices(count: int) -> None:
    """Distribute the batches of networks that are built after this call over several devices.

    Gradients are summed, so a step is still a step on the whole batch. Only batch normalisation
    uses the part on its own device.

    Parameters
    ----------
    count : int
        Number of devices; 1 turns distribution off.

    Raises
    ------
    ConfigError
        There are fewer devices, or Keras' backend does not support more than one.
    """
    if keras.backend.backend() != "tensorflow":
        if count != 1:
            raise ConfigError(
                f"devices: {count}; only Keras' backend tensorflow supports more than 1"
            )
        return
    found = keras.distribution.list_devices()
    if not 1 <= count <= len(found):
        raise ConfigError(f"devices: {count}; allowed: 1 to {len(found)} ({', '.join(found)})")
    from tensorflow import distribute

    strategy = distribute.MirroredStrategy(found[:count]) if count > 1 else None
    distribute.experimental_set_strategy(strategy)


def feed_batches(make_stream: Callable[..., Iterator[tuple]], *values: object, **settings: object):
    """Make a stream of batches for `fit`, on one device or several.

    With several devices Keras reads a batch and then restarts the data. A generator cannot
    restart and would skip batches, so Keras gets a data set that calls `make_stream` again.

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
