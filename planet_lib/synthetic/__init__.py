"""Synthetic Amazon: labelled chips with known haze, for users without the real ones."""

from planet_lib.synthetic.dataset import write_dataset
from planet_lib.synthetic.scenes import SyntheticChip, synthesize_chip, synthesize_scene

__all__ = ["SyntheticChip", "synthesize_chip", "synthesize_scene", "write_dataset"]
