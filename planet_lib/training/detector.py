"""Train the mine detector on the gallery of Amazon Mining Watch: fine-tuned EfficientNet-Lites.

The head starts from a logistic regression on the frozen features. Then all but the first blocks of
the network are trained, on enlarged and augmented chips; their batch norms keep the statistics of
ImageNet. Networks of two sizes are averaged.
"""

from collections.abc import Iterator

import cv2
import keras
import numpy as np
from keras import layers
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from planet_lib.data.labels import MINE
from planet_lib.data.mining_watch import GALLERY_CHIP_PX
from planet_lib.networks.batches import view_chips
from planet_lib.networks.efficientnet import build_backbone, list_stages, load_imagenet_weights
from planet_lib.networks.predict import predict_batches
from planet_lib.training.feed import feed_batches

IMAGE_PX = 128
FIRST_TRAINED_STAGE = 2
EPOCHS = 16
BATCH_SIZE = 32
LEARNING_RATE = 3e-4
WEIGHT_DECAY = 0.02
WARM_UP_STEPS = 100
AVERAGING_DECAY = 0.99  # per step, of the running mean of the weights
NEGATIVES_PER_MINE = 2
EASY_NEGATIVE = 0.1  # weight of a negative that the first head is sure of
RIDGE_C = 5e-4  # inverse strength of the logistic regression's penalty


def build_detector(variant: str, image_px: int = IMAGE_PX) -> keras.Model:
    """Build a network for chips of 48 px that enlarges them, with the weights of ImageNet.

    Parameters
    ----------
    variant : str
        A name of `planet_lib.networks.efficientnet.VARIANTS`.
    image_px : int
        Side of the enlarged chip, in pixels.

    Returns
    -------
    keras.Model
        Takes (N, 48, 48, 3) RGB in 0-255, returns ``{"artisinal_mine": (N, 1)}``, 0 to 1.
    """
    backbone = build_backbone(variant, image_px)
    load_imagenet_weights(backbone)
    chips = keras.Input((GALLERY_CHIP_PX, GALLERY_CHIP_PX, 3), name="chips")
    x = backbone(layers.Resizing(image_px, image_px, name="enlarge")(chips))
    x = layers.Dropout(0.2, name="dropout")(x)
    probability = layers.Dense(1, activation="sigmoid", name=MINE)(x)
    return keras.Model(chips, {MINE: probability}, name="detector")


def embed_frozen(network: keras.Model, chips: np.ndarray) -> np.ndarray:
    """Compute the features in front of the head, for two of the eight views of each chip.

    Returns
    -------
    ndarray of shape (2, N, 1280), float32
    """
    embedder = keras.Model(network.input, network.get_layer("dropout").input)
    views = [np.ascontiguousarray(view_chips(chips, view)) for view in (0, 6)]
    return np.stack([predict_batches(embedder, view) for view in views])


def fit_head(network: keras.Model, features: np.ndarray, mines: np.ndarray) -> np.ndarray:
    """Set the head to a logistic regression on the frozen features.

    Parameters
    ----------
    network : keras.Model
        Its head is changed in place.
    features : ndarray of shape (V, N, 1280)
        As from `embed_frozen`.
    mines : ndarray of shape (N,), bool

    Returns
    -------
    ndarray of shape (N,), float
        Its probability of a mine, the mean over the views.
    """
    views, count, size = features.shape
    model = make_pipeline(StandardScaler(), LogisticRegression(C=RIDGE_C, max_iter=300))
    model.fit(features.reshape(-1, size), np.tile(mines, views))
    scaler, regression = model[0], model[1]
    kernel = regression.coef_[0] / scaler.scale_
    bias = regression.intercept_ - scaler.mean_ @ kernel
    network.get_layer(MINE).set_weights([kernel[:, None], bias])
    return model.predict_proba(features.reshape(-1, size))[:, 1].reshape(views, count).mean(axis=0)


def fine_tune(
    network: keras.Model,
    chips: np.ndarray,
    mines: np.ndarray,
    first_guess: np.ndarray,
    *,
    seed: int,
    epochs: int = EPOCHS,
) -> list[float]:
    """Train a network whose head is fitted, in place, and keep the running mean of its weights.

    An epoch shows every mine once and twice as many negatives, drawn more often where they look
    like mines to the first head.

    Parameters
    ----------
    network : keras.Model
        As from `build_detector`.
    chips : ndarray of shape (N, 48, 48, 3), uint8
    mines : ndarray of shape (N,), bool
    first_guess : ndarray of shape (N,), float
        As from `fit_head`.
    seed, epochs : int

    Returns
    -------
    list of float
        The loss of each epoch.
    """
    keras.utils.set_random_seed(seed)
    _freeze(network)
    steps = max(1, (1 + NEGATIVES_PER_MINE) * int(mines.sum()) // BATCH_SIZE)
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, max(1, epochs * steps - WARM_UP_STEPS), warmup_target=LEARNING_RATE,
        warmup_steps=WARM_UP_STEPS,
    )  # fmt: skip
    optimizer = keras.optimizers.AdamW(
        rate, weight_decay=WEIGHT_DECAY, use_ema=True, ema_momentum=AVERAGING_DECAY
    )
    network.compile(optimizer, {MINE: keras.losses.BinaryCrossentropy()})
    batches = feed_batches(_stream_examples, chips, mines, first_guess, seed)
    fitted = network.fit(batches, steps_per_epoch=steps, epochs=epochs, shuffle=False, verbose=2)
    optimizer.finalize_variable_values(network.trainable_variables)
    return fitted.history["loss"]


def average_networks(networks: list[keras.Model]) -> keras.Model:
    """Make one network of several: its output is the mean of theirs, its weights in half precision.

    Returns
    -------
    keras.Model
        As from `build_detector`.
    """
    chips = keras.Input((GALLERY_CHIP_PX, GALLERY_CHIP_PX, 3), name="chips")
    outputs = []
    for number, network in enumerate(networks, start=1):
        member = keras.Model(network.input, network.output[MINE], name=f"member_{number}")
        member.set_weights([weight.astype(np.float16) for weight in member.get_weights()])
        outputs.append(member(chips))
    mean = layers.Average(name=MINE)(outputs) if len(outputs) > 1 else outputs[0]
    return keras.Model(chips, {MINE: mean}, name="detector")


def augment_chips(chips: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Flip, turn, scale and shift chips; change their colours, brightness and haze.

    Parameters
    ----------
    chips : ndarray of shape (B, S, S, 3), uint8
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (B, S, S, 3), float32
        0 to 255.
    """
    count, side = chips.shape[:2]
    augmented = np.empty(chips.shape, np.float32)
    middle = ((side - 1) / 2,) * 2
    for row, chip in enumerate(chips):
        scale = np.exp(rng.normal(0, 0.1))
        warp = cv2.getRotationMatrix2D(middle, 90.0 * rng.integers(4), scale)
        warp[:, 2] += rng.uniform(-side / 12, side / 12, 2)
        flipped = np.ascontiguousarray(chip[:, ::-1]) if rng.random() < 0.5 else chip
        augmented[row] = cv2.warpAffine(
            flipped, warp, (side, side), borderMode=cv2.BORDER_REFLECT_101
        )
    each, colours = (count, 1, 1, 1), (count, 1, 1, 3)
    augmented *= np.exp(rng.normal(0, 0.1, colours) + rng.normal(0, 0.12, each))
    haze = rng.uniform(0, 0.3, each) * (rng.random(each) < 0.5)
    augmented += haze * (rng.uniform(100, 255, each) - augmented)
    return np.clip(augmented, 0, 255)


def _stream_examples(
    chips: np.ndarray, mines: np.ndarray, first_guess: np.ndarray, seed: int
) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
    rng = np.random.default_rng(seed)
    positives, negatives = np.flatnonzero(mines), np.flatnonzero(~mines)
    weights = EASY_NEGATIVE + np.sqrt(first_guess[negatives])
    drawn = min(NEGATIVES_PER_MINE * len(positives), len(negatives))
    while True:
        shown = rng.choice(negatives, drawn, replace=False, p=weights / weights.sum())
        order = rng.permutation(np.concatenate([positives, shown]))
        for start in range(0, len(order) - len(order) % BATCH_SIZE, BATCH_SIZE):
            rows = order[start : start + BATCH_SIZE]
            yield augment_chips(chips[rows], rng), {MINE: mines[rows, None].astype(np.float32)}


def _freeze(network: keras.Model) -> None:
    """Train all layers from the first trained stage on, except batch norms."""
    (backbone,) = (layer for layer in network.layers if isinstance(layer, keras.Model))
    first = sum(repeats for repeats, *_ in list_stages(backbone.name)[:FIRST_TRAINED_STAGE])
    reached = False
    for layer in backbone.layers:
        reached |= layer.name.startswith(f"blocks_{first}_")
        layer.trainable = reached and not isinstance(layer, layers.BatchNormalization)
