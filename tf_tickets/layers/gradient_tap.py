"""The gradient of the loss by the weight that a masked layer computes with, caught where it passes by."""

from collections.abc import Callable

import keras
import tensorflow as tf

from tf_tickets.layers.parametrization import Parametrization, masked_value
from tf_tickets.layers.variables import scope_of


class GradientTap(Parametrization):
    """Adds up d loss / d (mask * w), which d loss / d w hides wherever the mask is false.

    Backpropagation computes this gradient anyway and then drops what the mask hides; the tap adds it to a
    buffer on its way, while it is open. So growth needs no second pass, only the buffer, as large as the
    weight, and an addition in the steps in which it is open. A weight that is used several times, and several
    batches, add up; under tf.distribute every replica adds up its own.

    Args:
        weight: the masked weight.
    """

    def __init__(self, weight: keras.Variable):
        self.strategy = getattr(weight._value, "distribute_strategy", None)
        with scope_of(weight):
            self._total = tf.Variable(
                tf.zeros(weight.shape),
                trainable=False,
                synchronization=tf.VariableSynchronization.ON_READ,
                aggregation=tf.VariableAggregation.SUM,
                name="gradient_tap",
            )
            self._open = tf.Variable(
                False, trainable=False, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA
            )

    def __call__(self, weight: keras.Variable, mask: keras.Variable) -> tf.Tensor:
        @tf.custom_gradient
        def tapped(value: tf.Tensor) -> tuple[tf.Tensor, Callable]:
            def gradient(slope: tf.Tensor) -> tf.Tensor:
                tf.cond(self._open, lambda: self._add(slope), lambda: None)
                return slope

            return tf.identity(value), gradient

        return tapped(masked_value(weight, mask))

    def _add(self, slope: tf.Tensor) -> None:
        self._total.assign_add(tf.cast(slope, tf.float32))

    def open(self) -> None:
        """From now on, gradients are added up, from zero."""
        for part in self._parts(self._total):
            part.assign(tf.zeros(part.shape))
        self._set(True)

    def close(self) -> None:
        """From now on, gradients pass by."""
        self._set(False)

    @property
    def total(self) -> tf.Tensor:
        """The gradient of the global loss, added up since `open`; inf and NaN count as 0."""
        total = self._total.read_value() if self.strategy is None else self._summed()
        return tf.where(tf.math.is_finite(total), total, 0.0)

    def _summed(self) -> tf.Tensor:
        """The sum over all replicas, also those of other processes."""

        def own() -> tf.Tensor:
            context = tf.distribute.get_replica_context()
            return context.all_reduce("SUM", self._total.read_value())

        assert self.strategy is not None
        return self.strategy.experimental_local_results(self.strategy.run(own))[0]

    def _set(self, value: bool) -> None:
        for part in self._parts(self._open):
            part.assign(value)

    def _parts(self, variable: tf.Variable) -> tuple:
        return (variable,) if self.strategy is None else self.strategy.experimental_local_results(variable)
