"""Examples of a page: chosen by what can be seen on them."""

import numpy as np
import pandas as pd

from planet_lib.data.labels import encode_tags
from planet_lib.report.examples import TEXTURE, choose_hazy_chip

TAGS = ["haze primary road", "haze primary", "haze primary road", "haze primary road", "clear road"]


def test_hazy_example_is_hazy_and_shows_something():
    statistics = pd.DataFrame({"haziness": [0.1, 0.9, 0.6, 0.7, 1.0], TEXTURE: [9, 8, 2, 3, 9]})
    assert choose_hazy_chip(statistics, encode_tags(TAGS)) == 3


def test_hazy_example_exists_without_any_label_of_haze():
    statistics = pd.DataFrame({"haziness": [0.1, 0.2, 0.3], TEXTURE: [3.0, 2.0, 1.0]})
    assert choose_hazy_chip(statistics, encode_tags(["clear"] * 3)) == 1
    assert choose_hazy_chip(statistics[:1], np.zeros((1, 17), np.uint8)) == 0
