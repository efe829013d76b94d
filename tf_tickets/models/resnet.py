"""ResNet of basic blocks for small images, with the doubled channels of the pruning papers."""

from collections.abc import Iterator

import keras

from tf_tickets.layers.batch_normalization import BatchNormalization
from tf_tickets.models import parts
from tf_tickets.models.depths import blocks_per_stage
from tf_tickets.models.initial_weights import layer_seeds

CHANNELS = (32, 64, 128)


def build(name: str, input_shape: tuple[int, ...], num_classes: int, width: float, seed: int) -> keras.Model:
    """Builds a ResNet as in the papers' code: a stem, three stages of n blocks, a linear layer.

    No convolution has a bias. Where a block changes the shape, its shortcut is a 1x1 convolution
    with batch normalisation. Weights are N(0, sqrt(2 / fan_out)), of the linear layer N(0, 0.01).
    Blocks are basic at every depth; the papers' code turns to bottlenecks from depth 54 on.
    So `"resnet50"` is the 6n+2 network of n = 8; the one of bottlenecks is `"resnet50_cifar"`.

    Args:
        name: `"resnet"` and a depth 6n+2, such as `"resnet32"`.
        input_shape: `(height, width, channels)`.
        num_classes: number of logits.
        width: multiplies the channels; `0.5` gives the 16, 32, 64 of He et al.
        seed: every weight is drawn from it.

    Raises:
        ValueError: no such depth, or inputs which are not images.

    Reference:

    - [He et al., 2016](https://arxiv.org/abs/1512.03385), section 4.2
    - [Su et al., 2020](https://arxiv.org/abs/2009.11094), section 4.1
    """
    blocks = blocks_per_stage(name)
    parts.check_images(name, input_shape)
    seeds = layer_seeds(seed)
    stages = [parts.scaled(channels, width) for channels in CHANNELS]
    inputs = keras.Input(input_shape, name="images")
    x = parts.convolution(inputs, stages[0], 3, 1, "fan_out", next(seeds), "stem_conv")
    x = parts.normalized_relu(x, "stem_", "")
    for stage, channels in enumerate(stages, start=1):
        for block in range(1, blocks + 1):
            stride = 2 if stage > 1 and block == 1 else 1
            x = _basic_block(x, channels, stride, seeds, f"stage{stage}_block{block}_")
    return keras.Model(inputs, parts.classifier(x, num_classes, next(seeds)), name=name)


def _basic_block(
    x: keras.KerasTensor, channels: int, stride: int, seeds: Iterator[int], prefix: str
) -> keras.KerasTensor:
    y = parts.convolution(x, channels, 3, stride, "fan_out", next(seeds), f"{prefix}conv1")
    y = parts.normalized_relu(y, prefix, "1")
    y = parts.convolution(y, channels, 3, 1, "fan_out", next(seeds), f"{prefix}conv2")
    y = BatchNormalization(name=f"{prefix}bn2")(y)
    if stride > 1:
        x = parts.convolution(x, channels, 1, stride, "fan_out", next(seeds), f"{prefix}shortcut_conv")
        x = BatchNormalization(name=f"{prefix}shortcut_bn")(x)
    # In this order Keras runs conv1, conv2, shortcut, the order of layers in the papers' code. The
    # other way round the shortcut comes second.
    x = keras.layers.Add(name=f"{prefix}add")([x, y])
    return keras.layers.ReLU(name=f"{prefix}relu2")(x)
