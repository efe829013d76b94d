"""The loss that scores differentiate: gradients and Hessian products, exact, and without a trace left."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_tickets.layers import MaskedWeight, call_arguments, differentiated_twice, unfused
from tf_tickets.pruning.exact_moments import exact_moments
from tf_tickets.pruning.logits import flat_logits, logits_of
from tf_tickets.pruning.model_loss import Loss, loss_of
from tf_tickets.pruning.scoring_examples import Batch
from tf_tickets.pruning.stateless import Values, functions_run, precision_of, stateless_in
from tf_tickets.support.numbers import is_number


class ScoringLoss:
    """The loss of a model on batches, as a function of the values of its prunable weights.

    Of one batch it is the mean loss, or with `halves` the sum of the mean losses of its two halves, each
    normalised by its own statistics. Of several batches it is their sum, each weighted by its number of
    examples over the average number: so it does not matter where examples are cut into batches, as far as
    the model itself treats them one by one.

    Everything is computed in the precision of the weights, and at least in float32, also in a model of mixed
    precision. Weights, moving statistics, seeds and optimizer stay as they are.

    Args:
        model: a built model.
        weights: its prunable weights.
        batches: `(x, y)` or `(x, y, sample_weight)` each.
        loss: `(y, outputs) -> scalar`. None means the loss that the model was compiled with (without
            regularizers and what layers add), or the mean cross-entropy of integer labels if it was not
            compiled.
        temperature: divides the logits. None means 1.
        training: whether the forward pass is one of training: statistics of the batch, dropout.
        halves: whether each batch is cut in two by position.

    Raises:
        ValueError: a temperature that is no positive number, or for a model whose outputs are not known to
            be logits; halves of a batch of one example; labels that are texts; a model with a loss that is
            not known.
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
        if temperature is not None and not (is_number(temperature) and temperature > 0):
            raise ValueError(f"temperature is a number above 0. Received: {temperature!r}")
        sizes = [_examples(batch) for batch in batches]
        if halves and min(sizes) < 2:
            raise ValueError("halves=True cuts every batch in two. Received a batch of one example.")
        if loss is not None and not callable(loss):
            raise ValueError(f"loss is a function (y, outputs) -> scalar. Received: {loss!r}")
        if not isinstance(training, (bool, np.bool_)):
            raise ValueError(f"training is True or False. Received: {training!r}")
        labels = [part.dtype for batch in batches for part in tf.nest.flatten(batch[1])]
        if loss is None and tf.string in labels:
            raise ValueError(
                "data= has labels that are texts, of which there is no loss. Number the classes: "
                "classes, y = np.unique(y, return_inverse=True)."
            )
        self.model = model
        self.weights = weights
        self.precision = precision_of(weights)
        self.batches = [
            (batch, len(sizes) * size / sum(sizes)) for batch, size in zip(batches, sizes, strict=True)
        ]
        self.temperature = temperature
        self.training = bool(training)
        self.halves = halves
        self._loss, self._outputs_are_logits = loss_of(model, loss, self.precision)
        # A shape that comes again is not traced again, and from the second shape on the size is left open.
        self._traced_gradient = tf.function(self._gradient, autograph=False, reduce_retracing=True)
        self._traced_product = tf.function(self._product, autograph=False, reduce_retracing=True)
        self._traced_squares = tf.function(self._squares, autograph=False, reduce_retracing=True)
        for function in (self._traced_gradient, self._traced_product, self._traced_squares):
            # TensorFlow counts the traces of all models together, and warns of too many.
            function._omit_frequent_tracing_warning = True

    def values(self) -> list[tf.Tensor]:
        """The weights' values now."""
        return [tf.cast(tf.convert_to_tensor(entry.weight), self.precision) for entry in self.weights]

    def gradient(self, values: Values) -> list[tf.Tensor]:
        """The gradient, shaped like the values."""
        return self._summed(self._traced_gradient, values)

    def hessian_product(self, values: Values, vector: Values | None = None) -> list[tf.Tensor]:
        """The Hessian times a vector, by default times the gradient."""
        if vector is None and len(self.batches) > 1:
            vector = self.gradient(values)
        return self._summed(self._traced_product, values, vector)

    def gauss_newton_diagonal(self, values: Values, seed: int) -> list[tf.Tensor]:
        """One unbiased estimate of the diagonal of the Gauss-Newton matrix, which is never negative.

        With J the derivative of the outputs and C the loss's Hessian with respect to them, the diagonal of
        J' C J is the mean of (J' C^1/2 v)^2 over random signs v. Each estimate takes one gradient, and its
        standard deviation is at most 1.42 times the value itself.

        Args:
            values: of the weights.
            seed: of the signs.

        Raises:
            ValueError: the outputs of one example are more than `MOST_OUTPUTS` numbers.
        """
        return self._summed(self._traced_squares, values, tf.constant([seed, 0], tf.int64))

    def _summed(self, function: Callable, *arguments: Any) -> list[tf.Tensor]:
        total: list[tf.Tensor] = []
        with functions_run(eagerly=False):
            for batch, weight in self.batches:
                try:
                    part = function(batch, tf.constant(weight, tf.float64), *arguments)
                except tf.errors.InvalidArgumentError as error:
                    raise ValueError(
                        f"The loss of model '{self.model.name}' cannot be computed: {_reason(error)}"
                    ) from error
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
            with differentiated_twice(), unfused(self.model._flatten_layers()):
                gradient = self._gradient(batch, weight, values)
            fixed = [tf.stop_gradient(part) for part in (gradient if vector is None else vector)]
            product = tf.add_n(
                [tf.reduce_sum(g * tf.cast(v, g.dtype)) for g, v in zip(gradient, fixed, strict=True)]
            )
        return tape.gradient(product, values, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    def _squares(self, batch: Batch, weight: tf.Tensor, values: Values, seed: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            logits, rebuild = flat_logits(self._outputs(batch, values))
            fixed = tf.stop_gradient(logits)
            with tf.GradientTape() as outer:
                outer.watch(fixed)
                with tf.GradientTape() as inner:
                    inner.watch(fixed)
                    loss = self._loss(rebuild(fixed), *batch[1:])
                slope = inner.gradient(loss, fixed)
            # Example by example.
            sizes, axes = tf.linalg.eigh(outer.batch_jacobian(slope, fixed))
            signs = tf.cast(tf.sign(tf.random.stateless_uniform(tf.shape(fixed), seed, -1, 1)), fixed.dtype)
            # The symmetric root: signs and order of the axes are the solver's.
            turned = tf.linalg.matvec(axes, signs, transpose_a=True)
            # What is zero but for rounding would come out of the root a thousand times as large.
            least = 16 * np.finfo(sizes.dtype.as_numpy_dtype).eps * tf.reduce_max(sizes, -1, keepdims=True)
            root = tf.linalg.matvec(axes, tf.sqrt(tf.where(sizes > least, sizes, 0)) * turned)
            product = tf.reduce_sum(logits * root)
        gradient = tape.gradient(product, values, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return [tf.square(part) * tf.cast(weight, part.dtype) for part in gradient]

    def _loss_of_batch(self, batch: Batch, values: Values) -> tf.Tensor:
        if not self.halves:
            return self._mean_loss(batch, values)
        half = tf.shape(tf.nest.flatten(batch)[0])[0] // 2
        parts = (slice(None, half), slice(half, None))
        return tf.add_n(
            [self._mean_loss(tf.nest.map_structure(lambda x, s=s: x[s], batch), values) for s in parts]
        )

    def _outputs(self, batch: Batch, values: Values) -> Any:
        with exact_moments(), stateless_in(self.model, self.precision, self.weights, values):
            return self.model(*call_arguments(self.model, batch[0]), training=self.training)

    def _mean_loss(self, batch: Batch, values: Values) -> tf.Tensor:
        outputs = self._outputs(batch, values)
        if self.temperature is not None:
            outputs = tf.nest.map_structure(self._tempered, outputs)
        return self._loss(outputs, *batch[1:])

    def _tempered(self, output: tf.Tensor) -> tf.Tensor:
        logits, activation = logits_of(output)
        if activation is None:
            if not self._outputs_are_logits and self.temperature != 1:
                raise ValueError(
                    f"temperature={self.temperature} divides logits, and the outputs of model "
                    f"'{self.model.name}' are not known to be logits. Pass temperature=1, or "
                    "loss=(y, outputs) -> scalar that divides them itself."
                )
            if not output.dtype.is_floating:
                return output
        cooled = logits / tf.cast(self.temperature, logits.dtype)
        cooled = cooled if activation is None else activation(cooled)
        if hasattr(output, "_keras_mask"):
            cooled._keras_mask = output._keras_mask
        return cooled


def _reason(error: tf.errors.OpError) -> str:
    """The first line of TensorFlow's message that says something of the values."""
    lines = [line.strip() for line in error.message.splitlines()]
    return next((line for line in lines if "Received" in line), lines[0])


def _examples(batch: Batch) -> int:
    return int(tf.nest.flatten(batch)[0].shape[0])
