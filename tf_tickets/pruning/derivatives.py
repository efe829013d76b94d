"""Gradients and Hessian products of a model's loss: exact, and without a trace left in the model."""

import contextlib
import functools
import numbers
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf

from tf_tickets.layers import MaskedWeight, computing_in

Loss = Callable[[Any, Any], tf.Tensor]
Batch = tuple[Any, ...]
Values = Sequence[tf.Tensor]

# What an output's last operation made of the logits.
ACTIVATIONS = {"Softmax": keras.activations.softmax, "Sigmoid": keras.activations.sigmoid}


class ScoringLoss:
    """The loss of a model on batches, as a function of the values of its prunable weights.

    Of one batch it is the mean loss, or with `halves` the sum of the mean losses of its two halves, each
    normalised by its own statistics. Of several batches it is their sum, each weighted by its number of
    examples over the average number: so it does not matter where examples are cut into batches, as far as
    the model itself treats them one by one.

    Everything is computed in the precision of the weights, also in a model of mixed precision. Weights,
    moving statistics, seeds and optimizer stay as they are.

    Args:
        model: a built model.
        weights: its prunable weights.
        batches: `(x, y)` or `(x, y, sample_weight)` each.
        loss: `(y, outputs) -> scalar`. None means the loss that the model was compiled with (without
            regularizers), or the mean cross-entropy of integer labels if it was not.
        temperature: divides the logits. None means 1.
        training: whether the forward pass is one of training: statistics of the batch, dropout.
        halves: whether each batch is cut in two by position.

    Raises:
        ValueError: a temperature that is no positive number, or for a model whose outputs are not known to
            be logits; halves of a batch of one example.
    """

    def __init__(
        self,
        model: keras.Model,
        weights: Sequence[MaskedWeight],
        batches: Sequence[Batch],
        loss: Loss | None = None,
        temperature: float | None = None,
        training: bool = True,
        halves: bool = False,
    ):
        if temperature is not None and not (_is_number(temperature) and temperature > 0):
            raise ValueError(f"temperature is a number above 0. Received: {temperature!r}")
        sizes = [_examples(batch) for batch in batches]
        if halves and min(sizes) < 2:
            raise ValueError("halves=True cuts every batch in two. Received a batch of one example.")
        self.model = model
        self.variables = [entry.weight for entry in weights]
        self.batches = [(batch, len(sizes) * size / sum(sizes)) for batch, size in zip(batches, sizes, strict=True)]
        self.temperature = temperature
        self.training = training
        self.halves = halves
        self._loss, self._outputs_are_logits = _loss_of(model, loss)
        # A shape that comes again is not traced again, and from the second shape on the size is left open.
        self._traced_gradient = tf.function(self._gradient, autograph=False, reduce_retracing=True)
        self._traced_product = tf.function(self._product, autograph=False, reduce_retracing=True)

    def values(self) -> list[tf.Tensor]:
        """The weights' values now."""
        return [tf.convert_to_tensor(variable) for variable in self.variables]

    def gradient(self, values: Values) -> list[tf.Tensor]:
        """The gradient, shaped like the values."""
        return self._summed(self._traced_gradient, values)

    def hessian_product(self, values: Values, vector: Values | None = None) -> list[tf.Tensor]:
        """The Hessian times a vector, by default times the gradient."""
        if vector is None and len(self.batches) > 1:
            vector = self.gradient(values)
        return self._summed(self._traced_product, values, vector)

    def _summed(self, function: Callable, *arguments: Any) -> list[tf.Tensor]:
        total: list[tf.Tensor] = []
        for batch, weight in self.batches:
            part = function(batch, tf.constant(weight, tf.float64), *arguments)
            total = [a + b for a, b in zip(total, part, strict=True)] if total else part
        return total

    def _gradient(self, batch: Batch, weight: tf.Tensor, values: Values) -> list[tf.Tensor]:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            loss = self._loss_of_batch(batch, values)
            loss *= tf.cast(weight, loss.dtype)
        return tape.gradient(loss, values, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    def _product(
        self, batch: Batch, weight: tf.Tensor, values: Values, vector: Values | None = None
    ) -> list[tf.Tensor]:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            gradient = self._gradient(batch, weight, values)
            fixed = [tf.stop_gradient(part) for part in (gradient if vector is None else vector)]
            product = tf.add_n(
                [tf.reduce_sum(g * tf.cast(v, g.dtype)) for g, v in zip(gradient, fixed, strict=True)]
            )
        return tape.gradient(product, values, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    def _loss_of_batch(self, batch: Batch, values: Values) -> tf.Tensor:
        if not self.halves:
            return self._mean_loss(batch, values)
        half = tf.shape(tf.nest.flatten(batch)[0])[0] // 2
        parts = (slice(None, half), slice(half, None))
        return tf.add_n(
            [self._mean_loss(tf.nest.map_structure(lambda x, s=s: x[s], batch), values) for s in parts]
        )

    def _mean_loss(self, batch: Batch, values: Values) -> tf.Tensor:
        mapping = list(zip(self.variables, values, strict=True))
        scope = keras.StatelessScope(mapping, initialize_variables=False)
        with exact_moments(), computing_in(self.model, None), scope:
            outputs = self.model(batch[0], training=self.training)
        if self.temperature is not None:
            outputs = tf.nest.map_structure(self._tempered, outputs)
        return self._loss(outputs, *batch[1:])

    def _tempered(self, outputs: tf.Tensor) -> tf.Tensor:
        activation = ACTIVATIONS.get(outputs.op.type)
        if activation is not None:
            logits = outputs.op.inputs[0]
            return activation(logits / tf.cast(self.temperature, logits.dtype))
        if not self._outputs_are_logits and self.temperature != 1:
            raise ValueError(
                f"temperature={self.temperature} divides logits, and the loss of model '{self.model.name}' does "
                "not take logits. Pass temperature=1, or loss=(y, outputs) -> scalar."
            )
        return outputs / tf.cast(self.temperature, outputs.dtype)


@contextlib.contextmanager
def exact_moments() -> Iterator[None]:
    """For the duration, variances are differentiated through their mean.

    `tf.nn.moments`, which the normalisation layers of Keras call, takes the variance around
    `stop_gradient(mean)`: first derivatives are right, second derivatives are not.
    """
    original = tf.nn.moments

    def moments(x, axes, shift=None, keepdims=False, name=None):
        mean = tf.reduce_mean(x, axes, keepdims=True)
        variance = tf.reduce_mean(tf.square(x - mean), axes, keepdims=keepdims)
        return (mean if keepdims else tf.reduce_mean(x, axes)), variance

    tf.nn.moments = moments
    try:
        yield
    finally:
        tf.nn.moments = original


def _loss_of(model: keras.Model, loss: Loss | None) -> tuple[Callable[..., tf.Tensor], bool]:
    """`(outputs, y, sample_weight) -> scalar`, and whether it is known to take logits."""
    if loss is not None:
        return functools.partial(_own_loss, loss), False
    compiled = getattr(model, "_compile_loss", None) if getattr(model, "compiled", False) else None
    if compiled is None:
        return _cross_entropy, True
    # A copy, since it counts what it sees. Regularizers and `add_loss` are no part of it.
    copy = type(compiled)(
        compiled._user_loss, compiled._user_loss_weights, compiled.reduction, compiled.output_names
    )
    losses = keras.tree.flatten(compiled._user_loss)
    logits = all(isinstance(x, keras.Loss) and x.get_config().get("from_logits") for x in losses)
    return lambda outputs, y, *weight: copy(y, outputs, *weight), logits


def _own_loss(loss: Loss, outputs: Any, y: Any, *weight: Any) -> tf.Tensor:
    if weight:
        raise ValueError("A loss of your own is called as (y, outputs): leave sample weights out of the batches.")
    value = tf.convert_to_tensor(loss(y, outputs))
    if value.shape.rank != 0:
        raise ValueError(f"loss(y, outputs) gives one number. Received shape: {value.shape}")
    return value


def _cross_entropy(outputs: Any, labels: Any, *weight: Any) -> tf.Tensor:
    """The mean cross-entropy; of probabilities that a softmax made, by its logits."""
    if not tf.is_tensor(outputs) or weight:
        raise ValueError(
            "A model that is not compiled is scored by the cross-entropy of its one output, without sample "
            "weights. Compile it with a loss, or pass loss=(y, outputs) -> scalar."
        )
    logits = outputs.op.inputs[0] if outputs.op.type == "Softmax" else outputs
    if logits.shape.rank != 2 or not tf.as_dtype(labels.dtype).is_integer:
        raise ValueError(
            "A model that is not compiled is scored by the cross-entropy of integer labels and outputs "
            f"(batch, classes). Received labels {labels.dtype.name} and outputs {logits.shape}. Compile it with a "
            "loss, or pass loss=(y, outputs) -> scalar."
        )
    logits = tf.cast(logits, keras.backend.result_type(logits.dtype, "float32"))
    return tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(tf.reshape(labels, [-1]), logits)
    )


def _examples(batch: Batch) -> int:
    return int(tf.nest.flatten(batch)[0].shape[0])


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)
