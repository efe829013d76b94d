"""Comparison of two models' outputs, on the same inputs."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_tickets.layers import example_inputs, kept_losses

EXAMPLES = 4


def largest_difference(model: keras.Model, other: keras.Model, inputs: Any = None) -> float:
    """The largest difference of two models' outputs at inference, as a part of the largest output.

    Args:
        model: the one that is right.
        other: of the same inputs and outputs.
        inputs: a batch in the model's own structure; by default random numbers, and small whole numbers
            where inputs are of integers.

    Returns:
        0 where both are equal; infinity where one gives numbers and the other none.
    """
    if inputs is None:
        rng = np.random.default_rng(0)
        (inputs,), _ = example_inputs(model, lambda shape, dtype: _random(rng, shape, dtype), EXAMPLES)
    expected, found = _outputs(model, inputs), _outputs(other, inputs)
    return max(_apart(a, b) for a, b in zip(expected, found, strict=True))


def _outputs(model: keras.Model, inputs: Any) -> list[Any]:
    """What a model gives; the state that it keeps, as of random numbers, stays what it was."""
    with kept_losses(model), keras.StatelessScope():
        return keras.tree.flatten(model(inputs, training=False))


def _apart(expected: Any, found: Any) -> float:
    if tf.as_dtype(expected.dtype) == tf.string:
        return 0.0 if np.array_equal(expected, found) else float("inf")
    a, b = (keras.ops.convert_to_numpy(keras.ops.cast(x, "float64")) for x in (expected, found))
    if a.shape != b.shape:
        return float("inf")
    with np.errstate(invalid="ignore"):
        apart = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0, np.abs(a - b))
    apart = np.where(np.isnan(apart), np.inf, apart).max(initial=0)
    scale = np.abs(a[np.isfinite(a)]).max(initial=0)
    return float(apart / scale if scale else apart)


def _random(rng: np.random.Generator, shape: tuple[int, ...], dtype: tf.DType) -> tf.Tensor:
    dtype = tf.as_dtype(dtype)
    if dtype == tf.string:
        return tf.fill(shape, "1")
    values = rng.normal(size=shape) if dtype.is_floating else rng.integers(0, 2, shape)
    return tf.cast(values, dtype)
