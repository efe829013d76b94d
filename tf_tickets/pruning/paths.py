"""Paths: which kept weights lie on one from an input to an output of the network."""

import re
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from tf_tickets.layers import (
    Masked,
    MaskedWeight,
    computing_in,
    example_inputs,
    kept_losses,
    ones,
    open_lengths,
    without_parametrizations,
)
from tf_tickets.pruning.channels import channel_axes
from tf_tickets.pruning.choices import MOST_PATHS
from tf_tickets.pruning.path_layers import LEVEL, positive, smoothed
from tf_tickets.pruning.scored_weights import weights_to_score
from tf_tickets.pruning.stateless import functions_run

# Double precision keeps products of hundreds of layers apart from zero. A call that insists on its own
# dtypes is evaluated in those.
DTYPES = ("float64", None)

# Mean of what goes in. The second lets what is taken off an input, as x / 127.5 - 1 does, not hide it.
LEVELS = (LEVEL, 1000.0)

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

    A recurrent layer is evaluated as it is, over all its steps, its `activation` the identity: a gate's
    weight is on a path where what it gates is.

    A unit whose activation is not zero at zero (sigmoid, softmax) counts as an input, and so does what a
    layer of the user's own adds, unless it is named as a bias. Input axes of open length are taken to be
    long (half as long as often as the model refuses, whose table of positions may be shorter); integer inputs
    are zeros and ones, strings "1".

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
    for length, dtype in _attempts(model):
        rng = np.random.default_rng(0)
        try:
            with (
                computing_in(model, dtype),
                smoothed(model, rng),
                kept_losses(model),
                # A tf.function of the user's would keep what was traced here, and compute with it ever after.
                functions_run(eagerly=True),
                without_parametrizations(model._flatten_layers()),
            ):
                probes = [_probe(model, entries, masks, dtype, level, length, rng) for level in LEVELS]
        except Exception:  # whatever a model's own call raises
            continue
        readable = [probe for probe in probes if probe is not None]
        if readable:
            return [mask & np.any(found, axis=0) for mask, *found in zip(masks, *readable, strict=True)]
    return None


def path_counts(model: keras.Model, masks: Sequence[np.ndarray]) -> tuple[int, ...] | None:
    """Kept weights of each layer on a path from an input to an output; None where that is not known.

    Args:
        model: a built Keras model, masked or not. Nothing of it is changed.
        masks: bool arrays shaped like its prunable weights, in forward order.
    """
    found = on_path(model, weights_to_score(model), masks)
    return None if found is None else tuple(int(np.count_nonzero(mask)) for mask in found)


def affordable_path_counts(model: keras.Model, masks: Sequence[np.ndarray]) -> tuple[int, ...] | None:
    """`path_counts`, of networks that are not too large for what is by the way: None of more than MOST_PATHS.

    It takes several times the weights' memory, and a forward and a backward pass in double precision.
    """
    return path_counts(model, masks) if sum(mask.size for mask in masks) <= MOST_PATHS else None


def _attempts(model: keras.Model) -> list[tuple[int, str | None]]:
    """(open length, dtype) to evaluate with, one after the other."""
    try:
        lengths = open_lengths(model, OPEN_LENGTH)
    except ValueError:  # it does not know its input shapes
        return []
    return [(length, dtype) for length in lengths for dtype in DTYPES]


def _probe(
    model: keras.Model,
    entries: Sequence[MaskedWeight],
    masks: Sequence[np.ndarray],
    dtype: str | None,
    level: float,
    length: int,
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
            args, kwargs = example_inputs(model, _inputs(level, rng), batch_size=2, open_length=length)
            outputs = model(*args, training=False, **kwargs)
        # Not the plain sum, which is constant behind a softmax.
        total = tf.add_n(
            [
                tf.reduce_sum(tf.cast(output, "float64") * positive(output.shape, rng))
                for output in tf.nest.flatten(outputs)
                if output.dtype.is_floating
            ]
        )
    gradient = tape.gradient(total, values, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    arrays = [tf.convert_to_tensor(part).numpy() for part in gradient]
    return [array != 0 for array in arrays] if all(np.isfinite(array).all() for array in arrays) else None


def _kept_values(entry: MaskedWeight, mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Values with which each unit takes the mean of what it is still connected to."""
    outputs = {axis % mask.ndim for axis in channel_axes(entry).outputs}
    others = tuple(axis for axis in range(mask.ndim) if axis not in outputs)
    kept = np.count_nonzero(mask, axis=others, keepdims=True)
    return positive(mask.shape, rng) * mask / np.maximum(kept, 1)


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
            value = np.zeros(shape) if ADDED.search(variable.name) else positive(shape, rng) / fan_in
            values[id(variable)] = tf.constant(value, dtype or variable.dtype)


def _inputs(level: float, rng: np.random.Generator) -> Callable[[tuple[int, ...], tf.DType], tf.Tensor]:
    def fill(shape: tuple[int, ...], dtype: tf.DType) -> tf.Tensor:
        dtype = tf.as_dtype(dtype)
        if dtype.is_floating:
            return tf.cast(level * positive(shape, rng), dtype)
        if dtype.is_integer and level < 1:
            # Each place is one in every second example.
            examples = np.arange(shape[0]).reshape(-1, *(1 for _ in shape[1:]))
            return tf.cast((rng.integers(0, 2, shape[1:]) + examples) % 2, dtype)
        return ones(shape, dtype)

    return fill
