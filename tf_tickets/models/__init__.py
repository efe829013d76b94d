"""Models by name, with logits out and every random number drawn from one seed."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

from tf_tickets.models.architectures import MODELS, Architecture, model_row
from tf_tickets.support.numbers import is_whole

if TYPE_CHECKING:
    import keras

__all__ = ["MODELS", "Architecture", "build"]


def build(
    name: str,
    input_shape: tuple[int, ...],
    num_classes: int,
    width: float = 1.0,
    seed: int = 0,
) -> keras.Model:
    """Builds a functional Keras model with freshly drawn weights.

    The weights are a function of the arguments alone: the global random state is neither used nor
    changed.

    Args:
        name: one of `MODELS`:
            `"vgg11"`, `"vgg13"`, `"vgg16"`, `"vgg19"`, with batch normalisation;
            `"resnet20"`, `"resnet32"` or any other depth 6n+2, with the pruning papers' doubled
            channels 32, 64, 128;
            `"resnet18_cifar"`, `"resnet34_cifar"`, `"resnet50_cifar"`, ImageNet's four stages of 64
            to 512 channels behind a 3x3 stem (`"resnet50"` is of depth 6n+2, and another network);
            `"lenet_300_100"`, or `"mlp_A_B_..."` for other hidden sizes, or `"mlp_bn_A_B_..."` with
            batch normalisation after every ReLU;
            `"keras:MobileNetV2"` or any other constructor in `keras.applications`.
        input_shape: shape of one example: `(height, width, channels)`, for the perceptrons any.
        num_classes: number of outputs, at least 1: logits of classes or of labels, or numbers.
        width: multiplies all channel counts or hidden sizes, each rounded and at least 1; of
            `keras.applications` only the MobileNets take one. Defaults to `1.0`.
        seed: non-negative integer from which all weights are drawn. Defaults to `0`.

    Returns:
        A `keras.Model` from `(batch, *input_shape)` to outputs `(batch, num_classes)`, without an activation.

    Raises:
        ValueError: an argument is out of range, the model cannot take the input shape, or there is not enough
            memory to train it.

    Example:

    >>> model = tf_tickets.models.build("resnet20", (8, 8, 1), num_classes=10, width=0.5)
    >>> model.output_shape
    (None, 10)

    Reference:

    - [Su et al., 2020](https://arxiv.org/abs/2009.11094), section 4.1: VGG19 and ResNet32.
    - [Gadhikar et al., 2023](https://arxiv.org/abs/2210.02412): VGG16, ResNet18 and ResNet50.
    """
    from tf_tickets.models.sizes import checked_size

    row, width = model_row(name), _checked_width(width)
    with checked_size(f"{name} at width {width:g}"):
        return row.build(
            name,
            input_shape=_checked_shape(input_shape),
            num_classes=_checked_integer("num_classes", num_classes, at_least=1),
            width=width,
            seed=_checked_integer("seed", seed, at_least=0),
        )


def _checked_shape(input_shape: Any) -> tuple[int, ...]:
    try:
        shape = tuple(operator.index(size) for size in input_shape)
    except TypeError:
        shape = ()
    if not shape or min(shape) < 1:
        raise ValueError(
            "input_shape must be the shape of one example without the batch, all sizes known and "
            f"positive, such as (32, 32, 3). Received: input_shape={input_shape!r}"
        )
    return shape


def _checked_integer(argument: str, value: Any, at_least: int) -> int:
    if not is_whole(value, at_least):
        raise ValueError(f"{argument} must be an integer >= {at_least}. Received: {value!r}")
    return int(value)


def _checked_width(width: Any) -> float:
    if not isinstance(width, (int, float)) or not math.isfinite(width) or width <= 0:
        raise ValueError(f"width must be a positive number, 1.0 as published. Received: {width!r}")
    return float(width)
