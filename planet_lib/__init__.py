"""Find illegal gold mines in satellite chips of the Amazon."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
# TensorFlow keeps the memory of feature maps for the next ones. By default the system takes it back
# and clears it at every step, which can take as long as the step.
os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "true")
