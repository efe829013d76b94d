"""Gradients and Hessian products of a model's loss: exact, and without a trace left in the model."""

import contextlib
import copy
import functools
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_tickets.layers import (
    MaskedWeight,
    call_arguments,
    computing_in,
    differentiated_twice,
    fresh_functions,
    kept_losses,
)
from tf_tickets.support.numbers import is_number

Loss = Callable[[Any, Any], tf.Tensor]
Batch = tuple[Any, ...]
Values = Sequence[tf.Tensor]

# Numbers of outputs of one example whose Hessian is formed.
MOST_OUTPUTS = 4096

# What made outputs of logits, by the operation that is found behind them.
ACTIVATIONS = {"Softmax": keras.activations.softmax, "Sigmoid": keras.activations.sigmoid}


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
            be logits; halves of a batch of one example; a model with a loss that is not known.
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
        self.model = model
        self.weights = weights
        self.precision = precision_of(weights)
        self.batches = [
            (batch, len(sizes) * size / sum(sizes)) for batch, size in zip(batches, sizes, strict=True)
        ]
        self.temperature = temperature
        self.training = bool(training)
        self.halves = halves
        self._loss, self._outputs_are_logits = _loss_of(model, loss, self.precision)
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
        with in_graphs():
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
            with differentiated_twice():
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


def precision_of(weights: Sequence[MaskedWeight]) -> str:
    """The dtype to differentiate in: the widest of the weights', and at least float32."""
    return keras.backend.result_type("float32", *(entry.weight.dtype for entry in weights))


@contextlib.contextmanager
def stateless_in(
    model: keras.Model,
    precision: str,
    weights: Sequence[MaskedWeight],
    values: Values,
    others: Mapping[int, tf.Tensor] = types.MappingProxyType({}),
) -> Iterator[None]:
    """For the duration, the model computes in a precision, with these weights, and no state changes.

    Args:
        model: a built model.
        precision: a float dtype.
        weights: its prunable weights.
        values: tensors in their place, of any float dtype.
        others: values of other variables, by the variable's `id`.

    Raises:
        ValueError: a weight was not read, so that nothing depends on its value.
    """
    scope = _Recorder(weights)
    # Past the constructor, which would round the values to the variables' dtype.
    scope.state_mapping |= others
    scope.state_mapping |= {id(entry.weight): value for entry, value in zip(weights, values, strict=True)}
    with fresh_functions(model), kept_losses(model), computing_in(model, precision), scope:
        yield
    if scope.unread:
        raise ValueError(
            f"Model '{model.name}' reads {', '.join(sorted(scope.unread.values()))} only inside a "
            "tf.function traced before, where other values cannot be tried. Take tf.function off what "
            "the model calls, or make the whole `call` of a layer the tf.function."
        )


class _Recorder(keras.StatelessScope):
    """Names of the weights that nobody has read."""

    def __init__(self, weights: Sequence[MaskedWeight]):
        super().__init__(initialize_variables=False)
        self.unread = {id(entry.weight): entry.name for entry in weights}

    def get_current_value(self, variable):
        self.unread.pop(id(variable), None)
        return super().get_current_value(variable)


@contextlib.contextmanager
def in_graphs() -> Iterator[None]:
    """For the duration, functions are traced also where the user has them run eagerly for debugging."""
    eagerly = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(False)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(eagerly)


def logits_of(output: tf.Tensor) -> tuple[tf.Tensor, Callable | None]:
    """What a softmax or sigmoid at the end was given, and that activation; or the output itself, and None.

    Args:
        output: a tensor of a graph.
    """
    activation = ACTIVATIONS.get(output.op.type)
    return (output, None) if activation is None else (output.op.inputs[0], activation)


def flat_logits(outputs: Any) -> tuple[tf.Tensor, Callable[[tf.Tensor], Any]]:
    """All float outputs, or their logits, as one matrix `(batch, numbers)`, and what makes the outputs of it.

    Args:
        outputs: a structure of tensors of a graph.

    Raises:
        ValueError: more than `MOST_OUTPUTS` numbers an example, or an unknown number.
    """
    parts = keras.tree.flatten(outputs)
    found = [logits_of(part) for part in parts]
    sizes = [logits.shape[1:].num_elements() for logits, _ in found]
    if None in sizes or sum(sizes) > MOST_OUTPUTS:
        raise ValueError(
            f"The curvature of a loss is taken of outputs of at most {MOST_OUTPUTS:,} numbers an example. "
            f"Received shapes: {[tuple(part.shape) for part in parts]}. Pass curvature='hessian'."
        )
    flat = tf.concat(
        [tf.reshape(logits, (-1, size)) for (logits, _), size in zip(found, sizes, strict=True)], 1
    )

    def rebuild(flat: tf.Tensor) -> Any:
        rebuilt = []
        for part, (logits, activation), piece in zip(parts, found, tf.split(flat, sizes, 1), strict=True):
            piece = tf.reshape(piece, tf.shape(logits))
            piece.set_shape(logits.shape)
            piece = piece if activation is None else activation(piece)
            if hasattr(part, "_keras_mask"):
                piece._keras_mask = part._keras_mask
            rebuilt.append(piece)
        return keras.tree.pack_sequence_as(outputs, rebuilt)

    return flat, rebuild


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


def _loss_of(model: keras.Model, loss: Loss | None, precision: str) -> tuple[Callable[..., tf.Tensor], bool]:
    """`(outputs, y, sample_weight) -> scalar`, and whether it is known to take logits."""
    if loss is not None:
        return functools.partial(_own_loss, loss), False
    if type(model).compute_loss is not keras.Model.compute_loss:
        raise ValueError(
            f"Model '{model.name}' has a compute_loss of its own. Say which loss scores its weights: pass "
            "loss=(y, outputs) -> scalar."
        )
    if not getattr(model, "compiled", False):
        return _cross_entropy, True
    compiled = model._compile_loss
    if compiled is None:
        raise ValueError(
            f"Model '{model.name}' was compiled without a loss. Compile it with one, or pass "
            "loss=(y, outputs) -> scalar."
        )
    own = keras.tree.map_structure(functools.partial(_in_precision, precision), compiled._user_loss)
    # A copy, since it counts what it sees. Regularizers and `add_loss` are no part of it.
    copied = type(compiled)(own, compiled._user_loss_weights, compiled.reduction, compiled.output_names)

    def mean(outputs, y, *weight):
        with _alone_in(precision):
            return copied(y, outputs, *weight)

    losses = [x for x in keras.tree.flatten(own) if x is not None]
    logits = all(isinstance(x, keras.Loss) and x.get_config().get("from_logits") for x in losses)
    return mean, logits


def _in_precision(precision: str, loss: Any) -> Any:
    """A Keras loss as one that does not round to the dtype it was made for."""
    if not isinstance(loss, keras.Loss):
        return loss
    loss = copy.copy(loss)
    loss._dtype_policy, loss._dtype = keras.DTypePolicy(precision), precision
    return loss


@contextlib.contextmanager
def _alone_in(precision: str) -> Iterator[None]:
    """For the duration, losses that Keras makes have a precision and are not divided by the replicas."""
    floatx, strategy = keras.config.floatx(), tf.distribute.get_strategy
    keras.config.set_floatx(precision)
    tf.distribute.get_strategy = lambda: types.SimpleNamespace(num_replicas_in_sync=1)
    try:
        yield
    finally:
        keras.config.set_floatx(floatx)
        tf.distribute.get_strategy = strategy


def _own_loss(loss: Loss, outputs: Any, y: Any, *weight: Any) -> tf.Tensor:
    if weight:
        raise ValueError(
            "A loss of your own is called as (y, outputs): leave sample weights out of the batches."
        )
    value = loss(y, outputs)
    if value is None:
        raise ValueError("loss(y, outputs) gives one number. Received: None")
    value = tf.convert_to_tensor(value)
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
    logits, _ = logits_of(outputs)
    if logits.shape.rank != 2 or not tf.as_dtype(labels.dtype).is_integer:
        raise ValueError(
            "A model that is not compiled is scored by the cross-entropy of integer labels and outputs "
            f"(batch, classes). Received labels {labels.dtype.name} and outputs {logits.shape}. "
            "Compile it with a loss, or pass loss=(y, outputs) -> scalar."
        )
    logits = tf.cast(logits, keras.backend.result_type(logits.dtype, "float32"))
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(tf.reshape(labels, [-1]), logits))


def _reason(error: tf.errors.OpError) -> str:
    """The first line of TensorFlow's message that says something of the values."""
    lines = [line.strip() for line in error.message.splitlines()]
    return next((line for line in lines if "Received" in line), lines[0])


def _examples(batch: Batch) -> int:
    return int(tf.nest.flatten(batch)[0].shape[0])
