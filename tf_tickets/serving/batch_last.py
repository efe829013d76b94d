"""Layers that compute with the batch last: a table. What is not in it is called as Keras calls it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf
from keras.src.ops import nn, numpy

from tf_tickets.compaction.elementwise import not_elementwise

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


def _as_ever(layer: Any, rank: int) -> Call:
    """Of layers that treat all examples alike and all channels alike, on whichever axes these are."""
    return lambda layer, arguments, keywords: layer.call(*arguments, **keywords)


def _activation(layer: keras.layers.Activation, rank: int) -> Call | None:
    return None if not_elementwise(layer.activation) else _as_ever(layer, rank)


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


# What treats all examples alike and all channels alike.
_SYMMETRIC = [
    keras.layers.ReLU, keras.layers.LeakyReLU, keras.layers.ELU, keras.layers.Identity,
    keras.layers.Dropout, keras.layers.GaussianDropout, keras.layers.GaussianNoise,
    keras.layers.AlphaDropout, keras.layers.SpatialDropout1D, keras.layers.SpatialDropout2D,
    keras.layers.SpatialDropout3D, keras.layers.ActivityRegularization, keras.layers.Add,
    keras.layers.Subtract, keras.layers.Multiply, keras.layers.Average, keras.layers.Maximum,
    keras.layers.Minimum, keras.layers.MaxPooling1D, keras.layers.MaxPooling2D,
    keras.layers.MaxPooling3D, keras.layers.AveragePooling1D, keras.layers.AveragePooling2D,
    keras.layers.AveragePooling3D, keras.layers.GlobalMaxPooling1D, keras.layers.GlobalMaxPooling2D,
    keras.layers.GlobalMaxPooling3D, keras.layers.GlobalAveragePooling1D,
    keras.layers.GlobalAveragePooling2D, keras.layers.GlobalAveragePooling3D,
    keras.layers.ZeroPadding1D, keras.layers.ZeroPadding2D, keras.layers.ZeroPadding3D,
    keras.layers.Cropping1D, keras.layers.Cropping2D, keras.layers.Cropping3D,
    keras.layers.UpSampling1D, keras.layers.UpSampling2D, keras.layers.UpSampling3D,
    nn.Relu, nn.Relu6, nn.Sigmoid, nn.Softplus, nn.Softsign, nn.Silu, nn.LogSigmoid, nn.LeakyRelu,
    nn.HardSigmoid, nn.HardSilu, nn.Elu, nn.Selu, nn.Gelu, nn.Celu,
    numpy.Add, numpy.Subtract, numpy.Multiply, numpy.Divide, numpy.Maximum, numpy.Minimum,
    numpy.Absolute, numpy.Negative, numpy.Square, numpy.Sqrt, numpy.Exp, numpy.Tanh, numpy.Clip,
]  # fmt: skip
LAYERS: dict[type, Callable[[Any, int], Call | None]] = {
    **dict.fromkeys(_SYMMETRIC, _as_ever),
    keras.layers.Activation: _activation,
    keras.layers.BatchNormalization: _batch_normalization,
    keras.layers.Concatenate: _concatenate,
    keras.layers.Flatten: _flatten,
    keras.layers.Rescaling: _rescaling,
}
