"""Layers that let every path through: what stands in for their calls while paths are sought."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_tickets.layers import unfused, wrapped_calls
from tf_tickets.pruning.activations import linear_activations

# Mean size of what goes into a network, and of what leaves a normalisation.
LEVEL = 0.1


@contextlib.contextmanager
def smoothed(model: keras.Model, rng: np.random.Generator) -> Iterator[None]:
    """For the duration, the layers of `SMOOTH` and zero-at-zero activations let every path through."""

    def wrap(layer: keras.Layer, call: Callable) -> Callable:
        rule = next(rule for classes, rule in SMOOTH.items() if isinstance(layer, classes))
        return rule(layer, call, rng)

    layers = model._flatten_layers()
    smooth = tuple(cls for classes in SMOOTH for cls in classes)
    with (
        linear_activations(layers),
        unfused(layers),
        wrapped_calls((layer for layer in layers if isinstance(layer, smooth)), wrap),
    ):
        yield


def positive(shape: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """Random numbers that are positive, of mean 1, and nowhere near zero."""
    return rng.uniform(0.5, 1.5, tuple(shape))


def _scaled(layer: keras.Layer, call: Callable, rng: np.random.Generator) -> Callable:
    """The input at a mean size of its own, whatever the depth; zeros stay zeros."""

    def scale(inputs: Any, *args: Any, **kwargs: Any) -> Any:
        x = keras.ops.cast(inputs, layer.compute_dtype)
        size = tf.stop_gradient(tf.reduce_mean(tf.abs(x))) / LEVEL
        return x / tf.where(size > 0, size, tf.ones_like(size))

    return scale


def _averaged(layer: Any, call: Callable, rng: np.random.Generator) -> Callable:
    def average(inputs: Any) -> Any:
        return keras.ops.average_pool(
            inputs, layer.pool_size, layer.strides, layer.padding, layer.data_format
        )

    return average


def _averaged_everywhere(layer: Any, call: Callable, rng: np.random.Generator) -> Callable:
    def average(inputs: Any) -> Any:
        rank = len(inputs.shape)
        axes = range(2, rank) if layer.data_format == "channels_first" else range(1, rank - 1)
        return keras.ops.mean(inputs, axis=tuple(axes), keepdims=layer.keepdims)

    return average


def _added(layer: keras.Layer, call: Callable, rng: np.random.Generator) -> Callable:
    return lambda inputs: sum(inputs[1:], start=inputs[0])


def _mixed_rows(layer: Any, call: Callable, rng: np.random.Generator) -> Callable:
    """A mixture of all rows in each place, larger in some places than in others."""

    def look_up(inputs: Any, reverse: bool = False) -> Any:
        if reverse:  # a ReversibleEmbedding as the classifier
            return call(inputs, reverse=True)
        table = tf.convert_to_tensor(layer._embeddings)
        mixture = tf.linalg.matvec(table, _as(table, positive(table.shape[:1], rng)), transpose_a=True)
        return _as(table, positive((*inputs.shape, 1), rng)) * mixture / table.shape[0]

    return look_up


def _as(tensor: tf.Tensor, array: np.ndarray) -> tf.Tensor:
    return tf.cast(array, tensor.dtype)


def _in_groups(layer: Any, call: Callable, rng: np.random.Generator) -> Callable:
    """A grouped convolution group by group: on a CPU the whole has no derivative unless XLA compiles it."""
    if layer.groups == 1:
        return call

    def convolve(inputs: Any) -> Any:
        padding = layer.padding
        if padding == "causal":
            inputs, padding = keras.ops.pad(inputs, layer._compute_causal_padding()), "valid"
        options = {
            "strides": layer.strides,
            "padding": padding,
            "data_format": layer.data_format,
            "dilation_rate": layer.dilation_rate,
        }
        kernel = tf.convert_to_tensor(layer.kernel)
        if kernel.shape[-2] == 1 and layer.rank < 3:
            kernel = tf.reshape(kernel, (*kernel.shape[:-2], layer.groups, -1))
            outputs = keras.ops.depthwise_conv(inputs, kernel, **options)
        else:
            axis = 1 if layer.data_format == "channels_first" else -1
            parts = zip(tf.split(inputs, layer.groups, axis), tf.split(kernel, layer.groups, -1), strict=True)
            outputs = tf.concat([keras.ops.conv(part, weight, **options) for part, weight in parts], axis)
        return outputs if layer.activation is None else layer.activation(outputs)

    return convolve


# What stands in for the `call` of a layer.
SMOOTH: dict[tuple[type, ...], Callable[[Any, Callable, np.random.Generator], Callable]] = {
    (
        keras.layers.BatchNormalization,
        keras.layers.LayerNormalization,
        keras.layers.GroupNormalization,
        keras.layers.RMSNormalization,
        keras.layers.UnitNormalization,
        keras.layers.Normalization,
        keras.layers.Rescaling,
        keras.layers.ReLU,
        keras.layers.LeakyReLU,
        keras.layers.PReLU,
        keras.layers.ELU,
    ): _scaled,
    (keras.layers.MaxPooling1D, keras.layers.MaxPooling2D, keras.layers.MaxPooling3D): _averaged,
    (
        keras.layers.GlobalMaxPooling1D,
        keras.layers.GlobalMaxPooling2D,
        keras.layers.GlobalMaxPooling3D,
    ): _averaged_everywhere,
    (keras.layers.Maximum,): _added,
    (keras.layers.Embedding,): _mixed_rows,
    (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D): _in_groups,
}
