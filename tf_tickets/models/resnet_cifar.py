"""ResNet18, 34 and 50 for small images: ImageNet's four stages behind a stem that does not shrink."""

import functools
from collections.abc import Callable, Iterator

import keras

from tf_tickets.layers.batch_normalization import BatchNormalization
from tf_tickets.models import parts
from tf_tickets.models.initial_weights import kaiming_normal, layer_seeds

CHANNELS = (64, 128, 256, 512)

_convolution = functools.partial(parts.convolution, fan="fan_in")


def build(name: str, input_shape: tuple[int, ...], num_classes: int, width: float, seed: int) -> keras.Model:
    """Builds a ResNet of four stages with a 3x3 stem of stride 1 and no max pool.

    No convolution has a bias. Where a block changes the shape, its shortcut is a 1x1 convolution with batch
    normalisation, read after the block's own convolutions. A bottleneck has its stride in the 3x3 convolution
    and four times the stage's channels at its end. All weights, the linear layer's too, are
    N(0, sqrt(2 / fan_in)).

    Args:
        name: `"resnet18_cifar"`, `"resnet34_cifar"`, of basic blocks, or `"resnet50_cifar"`, of bottlenecks.
        input_shape: `(height, width, channels)`.
        num_classes: number of logits.
        width: multiplies the channels of the stages.
        seed: every weight is drawn from it.

    Raises:
        ValueError: no such network, or inputs which are not images.

    Reference:

    - [He et al., 2016](https://arxiv.org/abs/1512.03385), table 1
    - [Gadhikar et al., 2023](https://arxiv.org/abs/2210.02412): ResNet18 on CIFAR-10, ResNet50 on CIFAR-100.
    """
    if name not in NETWORKS:
        raise ValueError(f"There is no model {name!r}. Choose one of: {', '.join(NETWORKS)}.")
    body, repeats = NETWORKS[name]
    parts.check_images(name, input_shape)
    seeds = layer_seeds(seed)
    stages = [parts.scaled(channels, width) for channels in CHANNELS]
    inputs = keras.Input(input_shape, name="images")
    x = _convolution(inputs, stages[0], 3, 1, seed=next(seeds), name="stem_conv")
    x = parts.normalized_relu(x, "stem_", "")
    for stage, channels in enumerate(stages, start=1):
        for block in range(1, repeats[stage - 1] + 1):
            stride = 2 if stage > 1 and block == 1 else 1
            x = _block(x, body, channels, stride, seeds, f"stage{stage}_block{block}_")
    initializer = functools.partial(kaiming_normal, "fan_in")
    return keras.Model(inputs, parts.classifier(x, num_classes, next(seeds), initializer), name=name)


def _basic(channels: int, stride: int) -> list[tuple[int, int, int]]:
    return [(channels, 3, stride), (channels, 3, 1)]


def _bottleneck(channels: int, stride: int) -> list[tuple[int, int, int]]:
    return [(channels, 1, 1), (channels, 3, stride), (4 * channels, 1, 1)]


# The convolutions of a block, (channels, size, stride), and how many blocks a stage has.
NETWORKS: dict[str, tuple[Callable[[int, int], list[tuple[int, int, int]]], tuple[int, ...]]] = {
    "resnet18_cifar": (_basic, (2, 2, 2, 2)),
    "resnet34_cifar": (_basic, (3, 4, 6, 3)),
    "resnet50_cifar": (_bottleneck, (3, 4, 6, 3)),
}


def _block(
    x: keras.KerasTensor,
    body: Callable[[int, int], list[tuple[int, int, int]]],
    channels: int,
    stride: int,
    seeds: Iterator[int],
    prefix: str,
) -> keras.KerasTensor:
    *first, (out, size, last_stride) = body(channels, stride)
    y = x
    for position, (inner, inner_size, inner_stride) in enumerate(first, start=1):
        name = f"{prefix}conv{position}"
        y = _convolution(y, inner, inner_size, inner_stride, seed=next(seeds), name=name)
        y = parts.normalized_relu(y, prefix, str(position))
    last = len(first) + 1
    y = _convolution(y, out, size, last_stride, seed=next(seeds), name=f"{prefix}conv{last}")
    y = BatchNormalization(name=f"{prefix}bn{last}")(y)
    if stride > 1 or x.shape[-1] != out:
        x = _convolution(x, out, 1, stride, seed=next(seeds), name=f"{prefix}shortcut_conv")
        x = BatchNormalization(name=f"{prefix}shortcut_bn")(x)
    # In this order Keras runs the block before its shortcut, as the paper's code does.
    x = keras.layers.Add(name=f"{prefix}add")([x, y])
    return keras.layers.ReLU(name=f"{prefix}relu{last}")(x)
