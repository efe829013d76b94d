"""Layers that compute with the batch last: a table. What is not in it is called as Keras calls it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf
from keras.src.ops import nn, numpy

# A function of (layer, arguments, keyword arguments), the tensors among them with the batch last.
Call = Callable[[Any, tuple, dict[str, Any]], Any]


def call_of(layer: Any, ranks: Sequence[int], others: Sequence[Any]) -> Call | None:
    """How a layer is called with the batch last; None where it cannot be.

    Args:
        layer: any layer or operation of Keras.
        ranks: of its tensors.
        others: what it is called with beside tensors.
    """
    find = LAYERS.get(type(layer))
    if find is None or getattr(layer, "data_format", "channels_last") == "channels_first":
        return None
    if getattr(layer, "compute_dtype", "float32") != "float32":
        return None
    # Tensors of unequal ranks are aligned at their last axes, and so are arrays; these are others here.
    if len(set(ranks)) > 1 or not all(isinstance(x, (int, float, str, type(None))) for x in others):
        return None
    return find(layer, ranks[0])


def is_pointwise(activation: Any) -> bool:
    """Whether an activation acts on each number for itself."""
    return activation is None or activation in POINTWISE


def _as_ever(layer: Any, rank: int) -> Call:
    """Of layers that treat all examples alike and all channels alike, on whichever axes these are."""
    return lambda layer, arguments, keywords: layer.call(*arguments, **keywords)


def _activation(layer: keras.layers.Activation, rank: int) -> Call | None:
    return _as_ever(layer, rank) if is_pointwise(layer.activation) else None


def _rescaling(layer: keras.layers.Rescaling, rank: int) -> Call | None:
    scalar = all(isinstance(x, (int, float)) for x in (layer.scale, layer.offset))
    return _as_ever(layer, rank) if scalar else None


def _flatten(layer: keras.layers.Flatten, rank: int) -> Call:
    def call(layer: Any, arguments: tuple, keywords: dict[str, Any]) -> tf.Tensor:
        (x,) = arguments
        if rank == 2:
            return x
        features = x.shape[:-1].num_elements()
        if features is None:
            features = tf.reduce_prod(tf.shape(x)[:-1])
        if x.shape[1:-1].num_elements() != 1:
            x = tf.transpose(x, [*range(1, rank - 1), 0, rank - 1])
        return tf.reshape(x, [features, -1])

    return call


def _concatenate(layer: keras.layers.Concatenate, rank: int) -> Call:
    axis = layer.axis % rank
    swapped = {0: rank - 1, rank - 1: 0}.get(axis, axis)
    return lambda layer, arguments, keywords: tf.concat(arguments[0], axis=swapped)


def _batch_normalization(layer: keras.layers.BatchNormalization, rank: int) -> Call | None:
    if layer.axis not in (-1, rank - 1):
        return None

    def call(layer: Any, arguments: tuple, keywords: dict[str, Any]) -> tf.Tensor:
        scale = tf.math.rsqrt(tf.convert_to_tensor(layer.moving_variance.value) + layer.epsilon)
        if layer.scale:
            scale *= layer.gamma.value
        shift = -layer.moving_mean.value * scale
        if layer.center:
            shift += layer.beta.value
        shape = [-1] + [1] * (rank - 1)
        return arguments[0] * tf.reshape(scale, shape) + tf.reshape(shift, shape)

    return call


POINTWISE = {
    getattr(keras.activations, name)
    for name in (
        "celu elu exponential gelu hard_shrink hard_sigmoid hard_silu hard_tanh leaky_relu linear log_sigmoid "
        "mish relu relu6 selu sigmoid silu soft_shrink softplus softsign sparse_plus sparse_sigmoid squareplus "
        "tanh tanh_shrink threshold"
    ).split()
    if hasattr(keras.activations, name)  # of which some are newer than others
}
_SYMMETRIC = [
    *(
        getattr(keras.layers, name)
        for name in (
            "ReLU LeakyReLU ELU Identity Dropout GaussianDropout GaussianNoise AlphaDropout SpatialDropout1D "
            "SpatialDropout2D SpatialDropout3D ActivityRegularization Add Subtract Multiply Average Maximum "
            "Minimum MaxPooling1D MaxPooling2D MaxPooling3D AveragePooling1D AveragePooling2D AveragePooling3D "
            "GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D GlobalAveragePooling1D "
            "GlobalAveragePooling2D GlobalAveragePooling3D ZeroPadding1D ZeroPadding2D ZeroPadding3D "
            "Cropping1D Cropping2D Cropping3D UpSampling1D UpSampling2D UpSampling3D"
        ).split()
    ),
    *(
        getattr(nn, name)
        for name in (
            "Relu Relu6 Sigmoid Softplus Softsign Silu LogSigmoid LeakyRelu HardSigmoid HardSilu Elu Selu Gelu "
            "Celu"
        ).split()
    ),
    *(
        getattr(numpy, name)
        for name in (
            "Add Subtract Multiply Divide Maximum Minimum Absolute Negative Square Sqrt Exp Tanh Clip"
        ).split()
    ),
]
LAYERS: dict[type, Callable[[Any, int], Call | None]] = {
    **dict.fromkeys(_SYMMETRIC, _as_ever),
    keras.layers.Activation: _activation,
    keras.layers.BatchNormalization: _batch_normalization,
    keras.layers.Concatenate: _concatenate,
    keras.layers.Flatten: _flatten,
    keras.layers.Rescaling: _rescaling,
}
