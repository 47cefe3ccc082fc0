"""Summaries of networks: every weight once, sizes as in the network, few stages."""

import pytest

from planet_lib.networks.architectures import build_model
from planet_lib.networks.summary import summarise_network

SMALL = {
    "cnn": {},
    "densenet": {"blocks": [2, 2], "growth": 4, "filters": 8},
    "resnet": {"widths": (4, 8, 8)},
}
slow = pytest.mark.slow


@pytest.mark.parametrize("name", [*SMALL, pytest.param("densenet121", marks=slow)])
def test_summary_counts_every_weight_and_layer_once(name):
    network = build_model(name, 32, channels=6, **SMALL.get(name, {}))
    summary = summarise_network(network)
    assert summary["parameters"].sum() == network.count_params()
    kernels = [weight for weight in network.weights if len(weight.shape) > 1]
    assert summary["layers"].sum() == len(kernels)
    assert list(summary.index[-2:]) == ["weather", "land"]
    assert summary["maps"].tolist()[-2:] == [4, 13]
    assert len(summary) <= 16


def test_stages_have_the_size_of_what_they_return():
    network = build_model("densenet", 32, **SMALL["densenet"])
    summary = summarise_network(network)
    assert list(summary.index) == [
        "chips", "stem", "block1", "transition1", "block2", "features", "weather", "land",
    ]  # fmt: skip
    assert summary["side_px"].tolist() == [32, 8, 8, 4, 4, 1, 1, 1]
    assert summary["maps"].tolist() == [3, 8, 16, 16, 24, 24, 4, 13]
    assert summary.loc["block1", "layers"] == 4
