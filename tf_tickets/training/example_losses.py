"""Losses of examples: `(targets, outputs) -> (batch,)`, means over the outputs of each."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf


def cross_entropy(labels: tf.Tensor, logits: tf.Tensor, smoothing: float = 0.0) -> tf.Tensor:
    """Of labels `(batch,)` and logits `(batch, classes)`.

    Args:
        labels: whole numbers.
        logits: before the softmax.
        smoothing: part of every label that is spread evenly over all classes.
    """
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    if smoothing == 0:
        return losses
    # Of a label that is spread over all classes.
    even = -tf.reduce_mean(tf.nn.log_softmax(logits), axis=-1)
    return (1 - smoothing) * losses + smoothing * even


def binary_cross_entropy(targets: tf.Tensor, logits: tf.Tensor, smoothing: float = 0.0) -> tf.Tensor:
    """Of targets 0 and 1 `(batch, labels)` and logits of that shape.

    Args:
        targets: 1 where a label holds.
        logits: before the sigmoid.
        smoothing: part of every label that is spread evenly over yes and no.
    """
    targets = tf.cast(targets, logits.dtype)
    if smoothing:
        targets = (1 - smoothing) * targets + smoothing / 2
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(targets, logits), axis=-1)


def mean_squared(targets: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """Of numbers `(batch, outputs)`."""
    return tf.reduce_mean(tf.square(_errors(targets, outputs)), axis=-1)


def mean_absolute(targets: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """Of numbers `(batch, outputs)`."""
    return tf.reduce_mean(tf.abs(_errors(targets, outputs)), axis=-1)


def huber(targets: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """Of numbers `(batch, outputs)`: squares up to an error of 1, lines beyond it (Huber, 1964)."""
    size = tf.abs(_errors(targets, outputs))
    return tf.reduce_mean(tf.where(size <= 1, tf.square(size) / 2, size - 0.5), axis=-1)


def in_full(outputs: tf.Tensor) -> tf.Tensor:
    """Outputs in float32 where they are in half precision: there losses overflow, as softmaxes do."""
    return tf.cast(outputs, tf.float32) if outputs.dtype in (tf.float16, tf.bfloat16) else outputs


class ExampleLoss(keras.Loss):
    """A loss of examples as one of Keras: the mean over a batch.

    Args:
        of_examples: (targets, outputs) -> losses, one an example.
        of_logits: whether the outputs are logits.
    """

    def __init__(self, of_examples: Callable[[Any, Any], Any], of_logits: bool):
        super().__init__(name="loss")
        self.of_examples, self.of_logits = of_examples, of_logits

    def call(self, targets: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
        """The losses of the examples."""
        return self.of_examples(targets, outputs)

    def get_config(self) -> dict[str, Any]:
        """What it is of, and whether that are logits."""
        return {**super().get_config(), "from_logits": self.of_logits}


def _errors(targets: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    return outputs - tf.cast(targets, outputs.dtype)
