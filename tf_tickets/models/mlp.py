"""Perceptrons: LeNet-300-100 and any other row of hidden layers."""

import keras

from tf_tickets.layers.batch_normalization import BatchNormalization
from tf_tickets.models import parts
from tf_tickets.models.depths import hidden_sizes
from tf_tickets.models.initial_weights import layer_seeds


def build(name: str, input_shape: tuple[int, ...], num_classes: int, width: float, seed: int) -> keras.Model:
    """Builds a perceptron with ReLU after each hidden layer.

    Weights are Glorot uniform, biases 0.

    Args:
        name: `"lenet_300_100"`, or `"mlp"` and the hidden sizes, such as `"mlp_512_256"`; with
            `"mlp_bn"` batch normalisation follows every ReLU.
        input_shape: shape of one example; it is flattened.
        num_classes: number of logits.
        width: multiplies the hidden sizes.
        seed: every weight is drawn from it.

    Raises:
        ValueError: the name is of neither form.

    Reference:

    - [LeCun et al., 1998](http://yann.lecun.com/exdb/publis/pdf/lecun-98.pdf), section III.C
    - [Frankle and Carbin, 2019](https://arxiv.org/abs/1803.03635), section 2
    - [Gadhikar et al., 2023](https://arxiv.org/abs/2210.02412): `"mlp_bn_256_256_256"` on a table.
    """
    sizes, normalized = hidden_sizes(name), name.startswith("mlp_bn_")
    seeds = layer_seeds(seed)
    inputs = keras.Input(input_shape, name="features")
    x = keras.layers.Flatten(name="flatten")(inputs)
    for position, size in enumerate(sizes, start=1):
        x = keras.layers.Dense(
            parts.scaled(size, width),
            activation="relu",
            kernel_initializer=keras.initializers.GlorotUniform(next(seeds)),
            name=f"dense{position}",
        )(x)
        if normalized:
            x = BatchNormalization(name=f"bn{position}")(x)
    outputs = parts.logits(x, num_classes, keras.initializers.GlorotUniform(next(seeds)))
    return keras.Model(inputs, outputs, name=name)
