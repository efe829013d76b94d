"""Moments whose second derivatives are right."""

import contextlib
from collections.abc import Iterator
from typing import Any

import tensorflow as tf


@contextlib.contextmanager
def exact_moments() -> Iterator[None]:
    """For the duration, variances are differentiated through their mean.

    `tf.nn.moments`, which the normalisation layers of Keras call, takes the variance around
    `stop_gradient(mean)`: first derivatives are right, second derivatives are not.
    """
    original = tf.nn.moments

    def moments(
        x: tf.Tensor, axes: Any, shift: Any = None, keepdims: bool = False, name: str | None = None
    ) -> tuple[tf.Tensor, tf.Tensor]:
        mean = tf.reduce_mean(x, axes, keepdims=True)
        variance = tf.reduce_mean(tf.square(x - mean), axes, keepdims=keepdims)
        return (mean if keepdims else tf.reduce_mean(x, axes)), variance

    tf.nn.moments = moments
    try:
        yield
    finally:
        tf.nn.moments = original
