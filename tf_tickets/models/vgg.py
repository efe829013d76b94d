"""VGG with batch normalisation, for small images: four pools and one linear layer."""

import keras

from tf_tickets.models import parts
from tf_tickets.models.initial_weights import kaiming_normal, layer_seeds

CHANNELS = (64, 128, 256, 512, 512)
# Convolutions with each of these channel counts. A 2x2 max pool parts one group from the next.
CONVOLUTIONS = {
    "vgg11": (1, 1, 2, 2, 2),
    "vgg13": (2, 2, 2, 2, 2),
    "vgg16": (2, 2, 3, 3, 3),
    "vgg19": (2, 2, 4, 4, 4),
}


def build(name: str, input_shape: tuple[int, ...], num_classes: int, width: float, seed: int) -> keras.Model:
    """Builds a VGG as in the papers' code.

    Every 3x3 convolution has a bias and is followed by batch normalisation and ReLU. Weights are
    N(0, sqrt(2 / fan_in)), of the linear layer N(0, 0.01); biases are 0.

    Args:
        name: `"vgg11"`, `"vgg13"`, `"vgg16"` or `"vgg19"`.
        input_shape: `(height, width, channels)`, at least 16x16.
        num_classes: number of logits.
        width: multiplies the channels.
        seed: every weight is drawn from it.

    Raises:
        ValueError: an unknown name, or images too small for four pools.

    Reference:

    - [Simonyan and Zisserman, 2015](https://arxiv.org/abs/1409.1556), table 1
    - [Su et al., 2020](https://arxiv.org/abs/2009.11094), section 4.1
    """
    if name not in CONVOLUTIONS:
        raise ValueError(f"There is no model {name!r}. Choose one of: {', '.join(CONVOLUTIONS)}.")
    parts.check_images(name, input_shape, 16, "It halves them four times; resnet20 takes any size.")
    seeds = layer_seeds(seed)
    inputs = x = keras.Input(input_shape, name="images")
    position = 0
    for group, repeats in enumerate(CONVOLUTIONS[name]):
        if group > 0:
            x = keras.layers.MaxPooling2D(data_format="channels_last", name=f"pool{group}")(x)
        for _ in range(repeats):
            position += 1
            x = keras.layers.Conv2D(
                parts.scaled(CHANNELS[group], width),
                kernel_size=3,
                padding="same",
                data_format="channels_last",
                kernel_initializer=kaiming_normal("fan_in", next(seeds)),
                name=f"conv{position}",
            )(x)
            x = parts.normalized_relu(x, "", str(position))
    return keras.Model(inputs, parts.classifier(x, num_classes, next(seeds)), name=f"{name}_bn")
