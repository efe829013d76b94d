"""Comparison of two models' outputs, on the same inputs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_tickets.layers import example_inputs, kept_losses, open_lengths

EXAMPLES = 4
# Sizes of axes that a model leaves open, where the usual one is too small.
LONGER = (64, 128, 256)


def largest_difference(model: keras.Model, other: Callable, inputs: Any = None) -> float:
    """The largest difference of two models' outputs at inference, as a part of the largest output.

    Args:
        model: the one that is right.
        other: of the same inputs and outputs; called as a model is, with `training=False`.
        inputs: a batch in the model's own structure; by default random numbers, and small whole numbers
            where inputs are of integers.

    Returns:
        0 where both are equal; infinity where one gives numbers and the other none.

    Raises:
        ValueError: `model` cannot be called on random inputs.
    """
    inputs, expected = inputs_and_outputs(model, inputs)
    return difference_of(expected, outputs_of(other, inputs))


def outputs_of(other: Callable, inputs: Any) -> list[Any]:
    """What it gives at inference, flattened."""
    with keras.StatelessScope():
        return keras.tree.flatten(other(inputs, training=False))


def difference_of(expected: Sequence[Any], found: Sequence[Any]) -> float:
    """The largest of any pair of arrays, each as a part of the largest number that is expected."""
    return max(_apart(a, b) for a, b in zip(expected, found, strict=True))


def inputs_and_outputs(model: keras.Model, inputs: Any = None) -> tuple[Any, list[Any]]:
    """A batch, by default of random inputs that a model can be called on, and what the model gives.

    Raises:
        ValueError: `model` cannot be called on random inputs.
    """
    if inputs is not None:
        return inputs, _outputs(model, inputs)
    lengths = open_lengths(model)
    # Some models need room for more halvings, and some have a table of fewer positions.
    tried = [*lengths[:1], *(LONGER if len(lengths) > 1 else ()), *lengths[1:]]
    failures = []
    for length in tried:
        rng = np.random.default_rng(0)
        (inputs,), _ = example_inputs(model, functools.partial(_random, rng), EXAMPLES, open_length=length)
        try:
            return inputs, _outputs(model, inputs)
        except Exception as error:  # of any layer of the user's
            failures.append(error)
    sizes = f" (open axes of {', '.join(map(str, tried))})" if len(lengths) > 1 else ""
    raise ValueError(
        f"Model '{model.name}' fails on random inputs{sizes}, so that outputs cannot be compared. Pass a "
        f"batch that it takes as data=. What it said: {failures[0]}"
    ) from failures[0]


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


def random_array(rng: np.random.Generator, shape: Sequence[int], dtype: str | tf.DType) -> np.ndarray:
    """Normal numbers; 0 and 1 of integers, which may be ids, and "1" of strings."""
    kind = tf.as_dtype(dtype)
    if kind == tf.string:
        return np.full(shape, "1")
    values = rng.normal(size=shape) if kind.is_floating else rng.integers(0, 2, shape)
    return values.astype(kind.as_numpy_dtype)


def _random(rng: np.random.Generator, shape: tuple[int, ...], dtype: tf.DType) -> tf.Tensor:
    return tf.constant(random_array(rng, shape, dtype))
