"""A network in a table: its stages, their size and their weights."""

from collections.abc import Iterator
from itertools import groupby

import keras
import pandas as pd

from planet_lib.networks.architectures import HEADS


def summarise_network(network: keras.Model) -> pd.DataFrame:
    """Summarise a network by its stages, in the order in which a chip passes them.

    Layers with the same first word in their names form a stage. One that neither learns a
    convolution nor changes the size belongs to the stage before.

    Parameters
    ----------
    network : keras.Model
        Built by `planet_lib.networks.architectures.build_model`.

    Returns
    -------
    DataFrame
        By ``stage``: ``layers`` (convolutions and dense layers), ``side_px`` of the feature maps
        that it returns (1 for a vector), their number ``maps``, and ``parameters``.
    """
    stages: list[dict] = []
    ordered = sorted(_list_layers(network), key=_number_head)
    for stage, group in groupby(ordered, key=lambda layer: layer.name.split("_")[0]):
        layers = list(group)
        _, *sides, maps = layers[-1].output.shape
        size = {"side_px": sides[0] if sides else 1, "maps": maps}
        learning = sum(any(len(w.shape) > 1 for w in layer.weights) for layer in layers)
        if learning or not stages or size.items() - stages[-1].items():
            stages.append({"stage": stage, "layers": 0, "parameters": 0})
        stages[-1] |= size
        stages[-1]["layers"] += learning
        stages[-1]["parameters"] += sum(layer.count_params() for layer in layers)
    return pd.DataFrame(stages).set_index("stage")[["layers", "side_px", "maps", "parameters"]]


def _list_layers(network: keras.Model) -> Iterator[keras.layers.Layer]:
    """List all layers, those of a network inside the network in its place."""
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from _list_layers(layer)
        elif not isinstance(layer, keras.layers.ZeroPadding2D):
            yield layer


def _number_head(layer: keras.layers.Layer) -> int:
    """Number the heads from 1 in their order; all other layers are 0."""
    return 1 + list(HEADS).index(layer.name) if layer.name in HEADS else 0
