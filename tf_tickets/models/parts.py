"""Pieces that the image models share: the input check, channel counts, unit and classifier."""

from collections.abc import Callable

import keras

from tf_tickets.layers.batch_normalization import BatchNormalization
from tf_tickets.models.initial_weights import classifier_normal, kaiming_normal


def check_images(name: str, input_shape: tuple[int, ...], smallest: int = 1, hint: str = "") -> None:
    """Refuses an input shape that is not `(height, width, channels)`, or smaller than `smallest`.

    Raises:
        ValueError: the shape does not suit; `hint` ends the message about the size.
    """
    if len(input_shape) != 3:
        raise ValueError(
            f"{name} takes images of shape (height, width, channels). Received: "
            f"input_shape={input_shape}. For feature vectors choose lenet_300_100 or mlp_A_B_..."
        )
    if min(input_shape[:2]) < smallest:
        raise ValueError(
            f"{name} takes images of at least {smallest}x{smallest} pixels. Received: "
            f"input_shape={input_shape}. {hint}"
        )


def scaled(channels: int, width: float) -> int:
    """`channels` times `width`, rounded, at least 1."""
    return max(1, round(channels * width))


def convolution(
    x: keras.KerasTensor, channels: int, size: int, stride: int, fan: str, seed: int, name: str
) -> keras.KerasTensor:
    """A `size`x`size` convolution without bias, padded alike on every side; weights N(0, sqrt(2 / fan))."""
    if size > 1 and stride > 1:
        # Keras's "same" would pad only below and to the right of an even image.
        x = keras.layers.ZeroPadding2D(size // 2, data_format="channels_last", name=f"{name}_pad")(x)
    return keras.layers.Conv2D(
        channels,
        size,
        strides=stride,
        padding="same" if stride == 1 else "valid",
        use_bias=False,
        data_format="channels_last",
        kernel_initializer=kaiming_normal(fan, seed),
        name=name,
    )(x)


def normalized_relu(x: keras.KerasTensor, prefix: str, suffix: str) -> keras.KerasTensor:
    """Batch normalisation and ReLU, named `{prefix}bn{suffix}` and `{prefix}relu{suffix}`."""
    x = BatchNormalization(name=f"{prefix}bn{suffix}")(x)
    return keras.layers.ReLU(name=f"{prefix}relu{suffix}")(x)


def classifier(
    x: keras.KerasTensor,
    num_classes: int,
    seed: int,
    initializer: Callable[[int], keras.initializers.Initializer] = classifier_normal,
) -> keras.KerasTensor:
    """Global average pool and one dense layer with bias: logits `(batch, num_classes)`."""
    x = keras.layers.GlobalAveragePooling2D(data_format="channels_last", name="average")(x)
    return logits(x, num_classes, initializer(seed))


def logits(
    x: keras.KerasTensor, num_classes: int, kernel_initializer: keras.initializers.Initializer
) -> keras.KerasTensor:
    """The dense layer `classifier`, without activation.

    It computes in the precision of its variables: under mixed precision a loss wants float32.
    """
    return keras.layers.Dense(
        num_classes,
        kernel_initializer=kernel_initializer,
        dtype=keras.config.dtype_policy().variable_dtype,
        name="classifier",
    )(x)
