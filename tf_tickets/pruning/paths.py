"""Paths: which kept weights lie on one from an input to an output of the network."""

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_tickets.layers import (
    Masked,
    MaskedWeight,
    computing_in,
    example_inputs,
    kept_losses,
    without_parametrizations,
    wrapped_calls,
)
from tf_tickets.pruning.flow import channel_axes

# Double precision keeps products of hundreds of layers apart from zero. A call that insists on its own
# dtypes is evaluated in those.
DTYPES = ("float64", None)

# Mean of what goes in. The second lets what is taken off an input, as x / 127.5 - 1 does, not hide it.
LEVELS = (0.1, 1000.0)

# Size of axes that a model leaves open: after five halvings, kernels of size 3 still see all their places.
OPEN_LENGTH = 96

ADDED = re.compile(r"bias|beta|^b$")


def on_path(
    model: keras.Model, entries: Sequence[MaskedWeight], masks: Sequence[np.ndarray]
) -> list[np.ndarray] | None:
    """Which kept weights lie on a path from an input to an output. They are what is effectively kept.

    The model is evaluated with positive random weights, kept ones only, without biases, on positive random
    inputs. Whatever could hide a path is smoothed for the time: normalisation only scales, activations that
    are zero at zero are the identity, maxima are means, and a look-up in an embedding mixes all rows. A
    weight is on a path if the derivative of the outputs with respect to it is not exactly zero, in one of
    two such evaluations.

    A unit whose activation is not zero at zero (sigmoid, softmax) counts as an input, and so does what a
    layer of the user's own adds, unless it is named as a bias. Input axes of open length are taken to be
    long; integer inputs are zeros and ones.

    Args:
        model: a built Keras model, masked or not. Nothing of it is changed.
        entries: its prunable weights.
        masks: bool arrays shaped like these, in the same order. The model's own masks do not matter.

    Returns:
        Bool arrays shaped like the masks, or None for a model that cannot be evaluated in this way.

    Raises:
        ValueError: the masks are not of the weights' shapes.
    """
    shapes, own = [mask.shape for mask in masks], [entry.shape for entry in entries]
    if shapes != own:
        raise ValueError(f"The masks have shapes {shapes}, and the weights {own}.")
    for dtype in DTYPES:
        rng = np.random.default_rng(0)
        try:
            with (
                computing_in(model, dtype),
                _smoothed(model, rng),
                kept_losses(model),
                _functions_run_eagerly(),
                without_parametrizations(model._flatten_layers()),
            ):
                probes = [_probe(model, entries, masks, dtype, level, rng) for level in LEVELS]
        except Exception:  # whatever a model's own call raises
            continue
        readable = [probe for probe in probes if probe is not None]
        if readable:
            return [mask & np.any(found, axis=0) for mask, *found in zip(masks, *readable, strict=True)]
    return None


def _probe(
    model: keras.Model,
    entries: Sequence[MaskedWeight],
    masks: Sequence[np.ndarray],
    dtype: str | None,
    level: float,
    rng: np.random.Generator,
) -> list[np.ndarray] | None:
    """Where the derivative is not zero; None if it is not finite."""
    values = [
        tf.constant(_kept_values(entry, mask, rng), dtype or entry.weight.dtype)
        for entry, mask in zip(entries, masks, strict=True)
    ]
    scope = keras.StatelessScope(initialize_variables=False)
    # Not by the constructor, which would round them to the variables' dtype.
    scope.state_mapping |= {id(entry.weight): value for entry, value in zip(entries, values, strict=True)}
    _set_others(scope.state_mapping, model, dtype, rng)
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(values)
        with scope:
            args, kwargs = example_inputs(model, _inputs(level, rng), batch_size=2, open_length=OPEN_LENGTH)
            outputs = model(*args, training=False, **kwargs)
        # Not the plain sum, which is constant behind a softmax.
        total = tf.add_n(
            [
                tf.reduce_sum(tf.cast(output, "float64") * _random(output.shape, rng))
                for output in tf.nest.flatten(outputs)
                if output.dtype.is_floating
            ]
        )
    gradient = tape.gradient(total, values, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    arrays = [tf.convert_to_tensor(part).numpy() for part in gradient]
    return [array != 0 for array in arrays] if all(np.isfinite(array).all() for array in arrays) else None


def _random(shape: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """Positive, of mean 1, and nowhere near zero."""
    return rng.uniform(0.5, 1.5, tuple(shape))


def _kept_values(entry: MaskedWeight, mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Values with which each unit takes the mean of what it is still connected to."""
    outputs = {axis % mask.ndim for axis in channel_axes(entry).outputs}
    others = tuple(axis for axis in range(mask.ndim) if axis not in outputs)
    kept = np.count_nonzero(mask, axis=others, keepdims=True)
    return _random(mask.shape, rng) * mask / np.maximum(kept, 1)


def _set_others(
    values: dict[int, tf.Tensor], model: keras.Model, dtype: str | None, rng: np.random.Generator
) -> None:
    """Adds, by identity, what the other trainable variables are taken to be, and masks that hide nothing."""
    for layer in model._flatten_layers():
        if isinstance(layer, Masked):
            values |= {id(mask): tf.ones(mask.shape, "bool") for mask in layer.masks.values()}
        for variable in layer._trainable_variables:
            shape = tuple(variable.shape)
            if id(variable) in values or not tf.as_dtype(variable.dtype).is_floating:
                continue
            fan_in = np.prod(shape[:-1]) if len(shape) > 1 else 1
            value = np.zeros(shape) if ADDED.search(variable.name) else _random(shape, rng) / fan_in
            values[id(variable)] = tf.constant(value, dtype or variable.dtype)


def _inputs(level: float, rng: np.random.Generator) -> Callable[[tuple[int, ...], tf.DType], tf.Tensor]:
    def fill(shape: tuple[int, ...], dtype: tf.DType) -> tf.Tensor:
        dtype = tf.as_dtype(dtype)
        if dtype.is_floating:
            return tf.cast(level * _random(shape, rng), dtype)
        if dtype.is_integer and level < 1:
            # Each place is one in every second example.
            examples = np.arange(shape[0]).reshape(-1, *(1 for _ in shape[1:]))
            return tf.cast((rng.integers(0, 2, shape[1:]) + examples) % 2, dtype)
        return tf.ones(shape, dtype)

    return fill


@contextlib.contextmanager
def _functions_run_eagerly() -> Iterator[None]:
    """A tf.function of the user's would keep what was traced here, and compute with it ever after."""
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)


@contextlib.contextmanager
def _smoothed(model: keras.Model, rng: np.random.Generator) -> Iterator[None]:
    """For the duration, the layers of `SMOOTH` and zero-at-zero activations let every path through."""

    def wrap(layer: keras.Layer, call: Callable) -> Callable:
        rule = next(rule for classes, rule in SMOOTH.items() if isinstance(layer, classes))
        return rule(layer, call, rng)

    layers = model._flatten_layers()
    smooth = tuple(cls for classes in SMOOTH for cls in classes)
    with contextlib.ExitStack() as stack:
        for layer in layers:
            activation = layer.__dict__.get("activation")
            if zero_at_zero(activation):
                stack.callback(object.__setattr__, layer, "activation", activation)
                object.__setattr__(layer, "activation", keras.activations.linear)
        stack.enter_context(wrapped_calls((layer for layer in layers if isinstance(layer, smooth)), wrap))
        yield


def zero_at_zero(activation: Any) -> bool:
    """Whether an activation gives zero for zero, as ReLU does and softmax does not."""
    if not callable(activation) or isinstance(activation, keras.Layer):
        return False
    zeros = tf.zeros((1, 2))
    found = keras.ops.convert_to_numpy(activation(zeros))
    return found.shape == zeros.shape and not found.any()


def _scaled(layer: keras.Layer, call: Callable, rng: np.random.Generator) -> Callable:
    """The input at a mean size of its own, whatever the depth; zeros stay zeros."""

    def scale(inputs, *args, **kwargs):
        x = keras.ops.cast(inputs, layer.compute_dtype)
        size = tf.stop_gradient(tf.reduce_mean(tf.abs(x))) / LEVELS[0]
        return x / tf.where(size > 0, size, tf.ones_like(size))

    return scale


def _averaged(layer: Any, call: Callable, rng: np.random.Generator) -> Callable:
    def average(inputs):
        return keras.ops.average_pool(
            inputs, layer.pool_size, layer.strides, layer.padding, layer.data_format
        )

    return average


def _averaged_everywhere(layer: Any, call: Callable, rng: np.random.Generator) -> Callable:
    def average(inputs):
        rank = len(inputs.shape)
        axes = range(2, rank) if layer.data_format == "channels_first" else range(1, rank - 1)
        return keras.ops.mean(inputs, axis=tuple(axes), keepdims=layer.keepdims)

    return average


def _added(layer: keras.Layer, call: Callable, rng: np.random.Generator) -> Callable:
    return lambda inputs: sum(inputs[1:], start=inputs[0])


def _mixed_rows(layer: Any, call: Callable, rng: np.random.Generator) -> Callable:
    """A mixture of all rows in each place, larger in some places than in others."""

    def look_up(inputs):
        table = tf.convert_to_tensor(layer._embeddings)
        mixture = tf.linalg.matvec(table, _as(table, _random(table.shape[:1], rng)), transpose_a=True)
        return _as(table, _random((*inputs.shape, 1), rng)) * mixture / table.shape[0]

    return look_up


def _as(tensor: tf.Tensor, array: np.ndarray) -> tf.Tensor:
    return tf.cast(array, tensor.dtype)


def _in_groups(layer: Any, call: Callable, rng: np.random.Generator) -> Callable:
    """A grouped convolution group by group: on a CPU the whole has no derivative unless XLA compiles it."""
    if layer.groups == 1:
        return call

    def convolve(inputs):
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
