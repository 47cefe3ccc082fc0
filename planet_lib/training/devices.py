"""Train on several devices of one machine; each takes a part of every batch.

Keras' `DataParallel` does not support TensorFlow, so this module uses TensorFlow directly.
"""

import functools

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

    strategy = _mirror_devices(tuple(found[:count])) if count > 1 else None
    distribute.experimental_set_strategy(strategy)


@functools.cache  # the collective operations of a second strategy would clash with the first's
def _mirror_devices(devices: tuple[str, ...]):
    from tensorflow import distribute

    return distribute.MirroredStrategy(devices)
