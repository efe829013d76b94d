"""The steps of training and of testing: many in one call of a `tf.function`, on all replicas."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_tickets.training.example_losses import in_full
from tf_tickets.training.losses import CROSS_ENTROPY, loss_row
from tf_tickets.training.metrics import ACCURACY, metric_row, plain_name

_TRACES_KEPT = 2  # a network and its masked twin take turns

Batch = tuple[tf.Tensor, tf.Tensor]


class Steps:
    """The compiled steps of a model, traced anew where a callback has changed its layers.

    Every replica is handed the same global batch and computes its own shard of it, see `Trainer`. Make it
    under the strategy's scope, as the metrics are made with it.

    Args:
        model: a built model of one output `(batch, outputs)`: logits, or the numbers themselves.
        optimizer: a built Keras optimizer.
        strategy: a tf.distribute strategy.
        jit_compile: compile with XLA what a replica computes by itself.
        label_smoothing: part of every label that training spreads evenly, for losses that take it.
        loss: name of a loss, see `LOSSES`.
        metric: name of a metric, see `METRICS`.
        outputs: numbers that the model gives for an example, for metrics that must know.
    """

    def __init__(
        self,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        strategy: tf.distribute.Strategy,
        jit_compile: bool = False,
        label_smoothing: float = 0.0,
        loss: str = CROSS_ENTROPY,
        metric: str = ACCURACY,
        outputs: int = 1,
    ):
        self.model = model
        self.optimizer = optimizer
        self.strategy = strategy
        self.jit_compile = jit_compile
        self.smoothing = {"smoothing": label_smoothing} if label_smoothing else {}
        self.loss_of_examples = loss_row(loss).of_examples
        self.measured: dict[str, keras.metrics.Metric] = {
            "loss": keras.metrics.Mean(name="loss"),
            plain_name(metric): metric_row(metric).make(outputs),
        }
        self._traces: list[_Trace] = []

    def train(self, batches: Iterator[Batch], count: int) -> None:
        """Takes so many steps, each on the next batch."""
        self._trace().train(batches, tf.constant(count))

    def test(self, batches: Iterator[Batch], count: int) -> None:
        """Measures the model on so many batches, in inference mode."""
        self._trace().test(batches, tf.constant(count))

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Of the loss and of what is measured, over the examples of all steps since `reset_metrics`."""
        return list(self.measured.values())

    def reset_metrics(self) -> None:
        """Starts them afresh."""
        for metric in self.metrics:
            metric.reset_state()

    def read_metrics(self) -> dict[str, float]:
        """The mean loss and what is measured, by name."""
        return {name: float(np.asarray(metric.result())) for name, metric in self.measured.items()}

    def _trace(self) -> "_Trace":
        """The traced functions of the model as it is."""
        structure = _structure(self.model)
        for kept in self._traces:
            if kept.structure == structure:
                return kept
        # The variables are held, so that no new one can take over the id of one that is gone.
        trace = _Trace(
            structure,
            self.model.variables,
            train=self._many(self._train_step, self._gradients),
            test=self._many(self._test_step, self._losses),
        )
        self._traces = [trace, *self._traces[: _TRACES_KEPT - 1]]
        return trace

    def _many(
        self, step: Callable[[Callable, Batch], None], compute: Callable[..., Any]
    ) -> Callable[[Iterator[Batch], tf.Tensor], None]:
        """Many steps in one call, of which XLA compiles what a replica computes by itself."""
        if self.jit_compile:
            compute = tf.function(compute, jit_compile=True, autograph=False)

        def body(i: tf.Tensor, batches: Iterator[Batch]) -> tf.Tensor:
            self.strategy.run(lambda batch: step(compute, batch), args=(next(batches),))
            return i + 1

        @tf.function(autograph=False, reduce_retracing=True)
        def run(batches: Iterator[Batch], count: tf.Tensor) -> None:
            tf.while_loop(
                lambda i: i < count,
                lambda i: [body(i, batches)],
                [tf.constant(0)],
                parallel_iterations=1,
            )

        return run

    def _train_step(self, compute: Callable, batch: Batch) -> None:
        x, y, size = self._shard(batch)
        gradients, outputs, losses = compute(x, y, size)
        if isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer):
            gradients = self._overflow_everywhere(gradients)
        self.optimizer.apply(gradients, self.model.trainable_variables)
        self._count(y, outputs, losses)

    def _test_step(self, compute: Callable, batch: Batch) -> None:
        x, y, _ = self._shard(batch)
        self._count(y, *compute(x, y))

    def _gradients(
        self, x: tf.Tensor, y: tf.Tensor, size: tf.Tensor
    ) -> tuple[list[tf.Tensor | None], tf.Tensor, tf.Tensor]:
        """Gradients of the shard's part of the loss, the outputs and each example's loss."""
        with tf.GradientTape() as tape:
            outputs = in_full(self.model(x, training=True))
            losses = self.loss_of_examples(y, outputs, **self.smoothing)
            loss = tf.reduce_sum(losses) / tf.cast(size, losses.dtype)
            if self.model.losses:
                penalty = tf.add_n([tf.cast(extra, loss.dtype) for extra in self.model.losses])
                loss += penalty / self.strategy.num_replicas_in_sync
            scaled = self.optimizer.scale_loss(loss)
        return tape.gradient(scaled, self.model.trainable_variables), outputs, losses

    def _losses(self, x: tf.Tensor, y: tf.Tensor) -> Batch:
        """The outputs and each example's loss."""
        outputs = in_full(self.model(x, training=False))
        return outputs, self.loss_of_examples(y, outputs)

    def _overflow_everywhere(self, gradients: Sequence[tf.Tensor | None]) -> Sequence[tf.Tensor | None]:
        """The gradients; not finite where those of any replica are not, so that all skip the step.

        Keras asks the first replica alone, or each for itself, and the others would take up what overflowed.
        """
        if self.strategy.num_replicas_in_sync == 1:
            return gradients
        dense = [tf.convert_to_tensor(gradient) for gradient in gradients if gradient is not None]
        finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(gradient)) for gradient in dense])
        context = tf.distribute.get_replica_context()
        overflows = context.all_reduce("SUM", tf.where(finite, 0.0, 1.0))
        marker = tf.where(overflows > 0, np.nan, 0.0)
        return [
            gradient if gradient is None else gradient + tf.cast(marker, gradient.dtype)
            for gradient in gradients
        ]

    def _shard(self, batch: Batch) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """This replica's examples, and the size of the global batch."""
        x, y = batch
        size = tf.shape(y)[0]
        replicas = self.strategy.num_replicas_in_sync
        if replicas == 1:
            return x, y, size
        index = tf.distribute.get_replica_context().replica_id_in_sync_group
        begin, end = size * index // replicas, size * (index + 1) // replicas
        return x[begin:end], y[begin:end], size

    def _count(self, y: tf.Tensor, outputs: tf.Tensor, losses: tf.Tensor) -> None:
        mean_loss, metric = self.metrics
        mean_loss.update_state(losses)
        metric.update_state(y, outputs)


@dataclasses.dataclass(frozen=True)
class _Trace:
    """The functions traced for one structure of the model."""

    structure: list
    variables: list
    train: Callable[[Iterator[Batch], tf.Tensor], None]
    test: Callable[[Iterator[Batch], tf.Tensor], None]


def _structure(model: keras.Model) -> list:
    """What a traced function has baked in and a callback may change: classes, variables, parametrizations."""
    return [
        (
            type(layer),
            layer.trainable,
            [id(variable) for variable in layer.variables],
            list(getattr(layer, "parametrizations", {}).values()),
        )
        for layer in model._flatten_layers(include_self=False)
    ]
