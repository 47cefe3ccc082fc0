"""Label sets of synthetic chips follow those of the real chips."""

import numpy as np

from planet_lib.data.labels import INDEX, encode_tags
from planet_lib.synthetic.priors import draw_tags, load_label_sets


def test_labels_have_the_real_shares():
    known = load_label_sets()
    rng = np.random.default_rng(0)
    drawn = encode_tags([tags for _ in range(3000) for tags in draw_tags(rng)])
    assert np.abs(drawn.mean(axis=0) - known.share @ known.encoded).max() < 0.02


def test_enriched_labels_are_rich_in_rare_ones():
    known = load_label_sets()
    rng = np.random.default_rng(0)
    drawn = encode_tags([tags for _ in range(2000) for tags in draw_tags(rng, enrich=1.0)])
    real = known.share @ known.encoded
    rare = real < 0.01
    assert (drawn.mean(axis=0)[rare] > 5 * real[rare]).all()


def test_chips_of_a_scene_share_its_theme():
    rng = np.random.default_rng(1)
    for _ in range(50):
        rows = encode_tags(draw_tags(rng))
        for label in ("clear", "haze", "primary", "water", "agriculture"):
            assert len(set(rows[:, INDEX[label]])) == 1
