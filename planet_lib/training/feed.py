"""Feed batches to `fit`."""

from collections.abc import Callable, Iterator

import keras

PREFETCHED = 2  # batches that wait while the network learns


def feed_batches(make_stream: Callable[..., Iterator[tuple]], *values: object, **settings: object):
    """Make a stream of batches for `fit`, on one device or several.

    TensorFlow gets a data set whose pipeline is not tuned: at the end of a fit the tuner sleeps
    until its next look at the pipeline, up to as long as the fit took. Keras tunes what it makes of
    a generator. With several devices it also reads a batch and then restarts the data, and a
    generator would skip that batch.

    Parameters
    ----------
    make_stream : callable
        Called with the values and settings, more than once; yields (chips, targets) as
        `planet_lib.networks.batches.stream_batches` does.

    Returns
    -------
    iterator or tensorflow.data.Dataset
    """
    stream = make_stream(*values, **settings)
    if keras.backend.backend() != "tensorflow":
        return stream
    from tensorflow import TensorSpec, data

    signature = keras.tree.map_structure(
        lambda array: TensorSpec((None, *array.shape[1:]), array.dtype), next(stream)
    )
    batches = data.Dataset.from_generator(
        lambda: make_stream(*values, **settings), output_signature=signature
    )
    options = data.Options()
    options.autotune.enabled = False
    return batches.prefetch(PREFETCHED).with_options(options)
