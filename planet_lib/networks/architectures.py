"""The networks: each takes uint8 RGB chips and has a weather and a land head."""

import warnings
from collections.abc import Callable

import keras
from keras import layers

from planet_lib.data.labels import LAND, WEATHER
from planet_lib.errors import ConfigError, shorten, suggest

HEADS = {"weather": (len(WEATHER), "softmax"), "land": (len(LAND), "sigmoid")}
BATCH_NORM_MOMENTUM = 0.9  # Keras' 0.99 lags behind in the few hundred steps of a small data set
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)


def build_cnn(image_px: int, *, channels: int = 3) -> keras.Model:
    """Build the baseline CNN of the 2018 post: six 3x3 convolutions of 32 filters, three pools.

    Parameters
    ----------
    image_px : int
        Side of the square input, in pixels.
    channels : int
        Channels of the input.

    Returns
    -------
    keras.Model
        Takes (N, image_px, image_px, channels) in 0-255; returns
        ``{"weather": (N, 4), "land": (N, 13)}``.
    """
    chips = keras.Input((image_px, image_px, channels), name="chips")
    x = layers.Rescaling(1 / 255, name="scale")(chips)
    x = _batch_norm("input_bn")(x)
    for stage, pool in enumerate(
        (layers.MaxPooling2D, layers.AveragePooling2D, layers.AveragePooling2D), start=1
    ):
        for position in (1, 2):
            x = layers.Conv2D(
                32, 3, padding="same", activation="relu", name=f"conv{stage}_{position}"
            )(x)
        x = pool(2, name=f"pool{stage}")(x)
    x = layers.GlobalAveragePooling2D(name="features")(x)
    return keras.Model(chips, _add_heads(x), name="cnn")


def build_densenet(
    image_px: int,
    *,
    channels: int = 3,
    blocks: tuple[int, ...] = (4, 4, 4),
    growth: int = 16,
    filters: int = 32,
    dropout: float = 0.2,
) -> keras.Model:
    """Build the reduced DenseNet of the 2018 post: three dense blocks, no compression.

    Parameters
    ----------
    image_px : int
        Side of the square input, in pixels.
    channels : int
        Channels of the input.
    blocks : tuple of int
        Number of layers in each dense block.
    growth : int
        Feature maps that each layer adds; 32 in the 2018 post.
    filters : int
        Filters of the first convolution.
    dropout : float
        Dropout rate of each layer's output.

    Returns
    -------
    keras.Model
        Takes (N, image_px, image_px, channels) in 0-255; returns
        ``{"weather": (N, 4), "land": (N, 13)}``.

    References
    ----------
    G. Huang et al., Densely Connected Convolutional Networks, CVPR 2017, table 1.
    """
    chips = keras.Input((image_px, image_px, channels), name="chips")
    x = layers.Rescaling(1 / 255, name="scale")(chips)
    x = layers.Conv2D(filters, 7, strides=2, padding="same", use_bias=False, name="stem")(x)
    x = _activate(x, "stem")
    x = layers.MaxPooling2D(3, strides=2, padding="same", name="stem_pool")(x)
    for block, depth in enumerate(blocks, start=1):
        for layer in range(1, depth + 1):
            x = _add_dense_layer(x, growth, dropout, name=f"block{block}_{layer}")
        if block < len(blocks):
            x = _activate(x, f"transition{block}")
            x = layers.Conv2D(x.shape[-1], 1, use_bias=False, name=f"transition{block}_conv")(x)
            x = layers.AveragePooling2D(2, name=f"transition{block}_pool")(x)
    x = _activate(x, "top")
    x = layers.GlobalAveragePooling2D(name="features")(x)
    return keras.Model(chips, _add_heads(x), name="densenet")


def build_resnet(
    image_px: int,
    *,
    channels: int = 3,
    widths: tuple[int, ...] = (16, 32, 64, 128, 192),
    dropout: float = 0.3,
) -> keras.Model:
    """Build a small residual network: a strided convolution and one residual block per width.

    On a CPU it trains twice as fast as the reduced DenseNet, with five times as many weights.

    Parameters
    ----------
    image_px : int
        Side of the square input, in pixels.
    channels : int
        Channels of the input.
    widths : tuple of int
        Feature maps of each stage; each stage halves the image, the first has no block.
    dropout : float
        Dropout rate of the last features.

    Returns
    -------
    keras.Model
        Takes (N, image_px, image_px, channels) in 0-255; returns
        ``{"weather": (N, 4), "land": (N, 13)}``.

    References
    ----------
    K. He et al., Identity Mappings in Deep Residual Networks, ECCV 2016, figure 1b.
    """
    chips = keras.Input((image_px, image_px, channels), name="chips")
    x = layers.Rescaling(1 / 127.5, -1, name="scale")(chips)
    x = layers.Conv2D(widths[0], 5, strides=2, padding="same", use_bias=False, name="stem")(x)
    for stage, filters in enumerate(widths[1:], start=1):
        x = _activate(x, f"stage{stage}_down")
        x = _convolve(x, filters, strides=2, name=f"stage{stage}_down_conv")
        y = _convolve(_activate(x, f"stage{stage}_1"), filters, name=f"stage{stage}_1_conv")
        y = _convolve(_activate(y, f"stage{stage}_2"), filters, name=f"stage{stage}_2_conv")
        x = layers.Add(name=f"stage{stage}_add")([x, y])
    x = layers.GlobalAveragePooling2D(name="features")(_activate(x, "top"))
    x = layers.Dropout(dropout, name="dropout")(x)
    return keras.Model(chips, _add_heads(x), name="resnet")


def build_densenet121(
    image_px: int, *, channels: int = 3, weights: str | None = None
) -> keras.Model:
    """Build DenseNet-121 from `keras.applications` with the two heads.

    Parameters
    ----------
    image_px : int
        Side of the square input, in pixels; at least 32.
    channels : int
        Channels of the input: 3 for each picture of a chip.
    weights : str or None
        ``"imagenet"`` downloads Keras' pretrained weights; None initialises at random.

    Returns
    -------
    keras.Model
        Takes (N, image_px, image_px, channels) in 0-255; returns
        ``{"weather": (N, 4), "land": (N, 13)}``.

    Raises
    ------
    ConfigError
        `weights` is neither, does not fit `channels`, or cannot be downloaded.
    """
    if weights not in (None, "imagenet"):
        raise ConfigError(f"weights: {weights!r}; allowed: null, imagenet")
    pictures = channels // 3
    if weights and pictures > 1:
        raise ConfigError(f"weights: imagenet takes 3 channels, the input has {channels}; use null")
    chips = keras.Input((image_px, image_px, channels), name="chips")
    x = layers.Rescaling(1 / 255, name="scale")(chips)
    x = _normalise(pictures, "normalise")(x)
    try:
        with warnings.catch_warnings(action="ignore", category=UserWarning):
            # Keras warns about six channels.
            backbone = keras.applications.DenseNet121(
                include_top=False,
                weights=weights,
                input_shape=(image_px, image_px, channels),
                pooling="avg",
            )
    except Exception as error:  # Keras raises this if a download fails
        if weights is None:
            raise
        raise ConfigError(
            f"weights: imagenet cannot be downloaded ({shorten(error)}); "
            "go online once, or use null"
        ) from None
    return keras.Model(chips, _add_heads(backbone(x)), name="densenet121")


MODELS: dict[str, Callable[..., keras.Model]] = {
    "cnn": build_cnn,
    "densenet": build_densenet,
    "resnet": build_resnet,
    "densenet121": build_densenet121,
}


def build_model(name: str, image_px: int, **options: object) -> keras.Model:
    """Build a network by name.

    Parameters
    ----------
    name : str
        A key of `MODELS`.
    image_px : int
        Side of the square input, in pixels.
    **options
        Options of the network's builder.

    Raises
    ------
    ConfigError
        There is no such network, or it has no such option.
    """
    if name not in MODELS:
        raise ConfigError(f"model: {name!r}; {suggest(name, MODELS)}")
    try:
        return MODELS[name](image_px, **options)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"model {name}: {shorten(error)}") from None


def _batch_norm(name: str) -> layers.Layer:
    return layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=name)


def _normalise(pictures: int, name: str) -> layers.Layer:
    """Normalise as for ImageNet; Keras' Normalization would add two inputs to the ONNX file."""
    scale = [1 / deviation for deviation in IMAGENET_DEVIATION]
    offset = [-mean / d for mean, d in zip(IMAGENET_MEAN, IMAGENET_DEVIATION, strict=True)]
    return layers.Rescaling(scale * pictures, offset * pictures, name=name)


def _activate(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return layers.ReLU(name=f"{name}_relu")(_batch_norm(f"{name}_bn")(x))


def _convolve(
    x: keras.KerasTensor, filters: int, *, strides: int = 1, name: str
) -> keras.KerasTensor:
    return layers.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False, name=name)(x)


def _add_dense_layer(
    x: keras.KerasTensor, growth: int, dropout: float, *, name: str
) -> keras.KerasTensor:
    y = _activate(x, f"{name}_bottleneck")
    y = layers.Conv2D(4 * growth, 1, use_bias=False, name=f"{name}_bottleneck_conv")(y)
    y = _activate(y, name)
    y = layers.Conv2D(growth, 3, padding="same", use_bias=False, name=f"{name}_conv")(y)
    y = layers.Dropout(dropout, name=f"{name}_dropout")(y)
    return layers.Concatenate(name=f"{name}_concat")([x, y])


def _add_heads(features: keras.KerasTensor) -> dict[str, keras.KerasTensor]:
    return {
        name: layers.Dense(size, activation=activation, dtype="float32", name=name)(features)
        for name, (size, activation) in HEADS.items()
    }
