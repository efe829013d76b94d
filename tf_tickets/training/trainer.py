"""Training and evaluating a Keras model in a loop of our own, under any tf.distribute strategy."""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_tickets.training.checkpoints import Checkpoint, Checkpoints
from tf_tickets.training.interruption import Interrupted, Interruption
from tf_tickets.training.state import State
from tf_tickets.training.team import Team

Batches = Callable[[Sequence[int], int], tf.data.Dataset]

_SECONDS_PER_CALL = 1.0  # between looks at the progress bar, the keyboard and the loss
_STRUCTURES_KEPT = 2  # a network and its masked twin take turns


class TrainingDiverged(ArithmeticError):
    """The loss or a weight is not finite any more."""


class Trainer:
    """A loop of many steps inside one `tf.function`, with Keras optimizers, metrics and callbacks.

    Every replica is handed the same global batch and computes its own contiguous share of it; gradients are
    those of the mean loss over the global batch, also where the last batch does not divide evenly. So the
    learning curve does not depend on the number of replicas but through batch normalisation: each replica
    normalises by its own share, and after every epoch the replicas' moving statistics are averaged. Replicas
    can be those of several processes, which then call the same methods in the same order.

    Args:
        model: a built model whose outputs are logits `(batch, classes)`, made under the strategy's scope.
        optimizer: a Keras optimizer, made under the strategy's scope.
        strategy: a tf.distribute strategy. Defaults to the current one.
        steps_per_call: steps in one call of the traced function, between two runs of batch-level callbacks.
            None means 1 where a callback has batch-level hooks, and about a second's worth otherwise.
        jit_compile: compile the step with XLA.
        label_smoothing: part of every label, in [0, 1), that training spreads evenly over all classes.
            Evaluation takes labels as they are.
    """

    def __init__(
        self,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        strategy: tf.distribute.Strategy | None = None,
        steps_per_call: int | None = None,
        jit_compile: bool = False,
        label_smoothing: float = 0.0,
    ):
        self.model = model
        self.strategy = strategy or tf.distribute.get_strategy()
        self.steps_per_call = steps_per_call
        self.jit_compile = jit_compile
        self.label_smoothing = label_smoothing
        self.team = Team(self.strategy)
        self._traced: list[_Traced] = []
        with self.strategy.scope():
            # Keras's callbacks look for the optimizer on the compiled model, and others for the loss.
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            model.compile(optimizer=optimizer, loss=loss, jit_compile=False)
            self.optimizer = model.optimizer
            self.optimizer.build(model.trainable_variables)
            self._loss = keras.metrics.Mean(name="loss")
            self._accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")

    def fit(
        self,
        batches: Batches,
        epochs: Sequence[int],
        steps_per_epoch: int,
        callbacks: Iterable[keras.callbacks.Callback] = (),
        evaluate: Callable[[], dict[str, float]] | None = None,
        checkpoints: Checkpoints | None = None,
    ) -> list[dict[str, float]]:
        """Trains over the given epochs.

        A callback with batch-level hooks is called after every step; if it has `any_pace = True`, whenever
        the trainer looks up, and if it has `steps_alone()` too, after that many steps at the latest.

        With checkpoints it goes on, to the same bits, where an earlier call was stopped. A callback that has
        `on_resume(history)` is told the rows of the epochs that were done before, after `on_train_begin`; of
        an epoch that was under way callbacks see the beginning again, before its state is put back.

        Args:
            batches: (epochs, first_step) -> dataset of `(x, y)` batches, `steps_per_epoch` for each epoch,
                one epoch after another, less the first `first_step` of all; y holds integer class labels.
            epochs: epoch numbers, for example `range(30)`; callbacks and logs see them as they are.
            steps_per_epoch: batches in an epoch.
            callbacks: Keras callbacks.
            evaluate: called at the end of every epoch; what it returns joins the logs.
            checkpoints: where to go on from, and where to save to after every epoch and when it is time.

        Returns:
            One dict an epoch: epoch, loss and accuracy on the training batches (as seen, while the weights
            move), learning_rate, and what `evaluate` returned.

        Raises:
            ValueError: there are too few batches.
            TrainingDiverged: the loss, or at the end of an epoch a weight, is NaN or infinite; no checkpoint
                holds such a state.
            Interrupted: by SIGINT or SIGTERM, with checkpoints; where it stood is saved.
        """
        epochs = list(epochs)
        if not epochs:
            return []
        hooks = keras.callbacks.CallbackList(
            list(callbacks),
            model=self.model,
            epochs=epochs[-1] + 1,
            steps=steps_per_epoch,
            verbose=0,
        )
        state = State(self.team, self.model, self.optimizer, [self._loss, self._accuracy])

        def check(found: Checkpoint) -> None:
            state.check(found.values)
            if [row["epoch"] for row in found.history] != epochs[: len(found.history)]:
                raise ValueError("it has other epochs than this training")
            if not 0 <= found.step <= steps_per_epoch:
                raise ValueError(f"it stands at step {found.step} of {steps_per_epoch}")

        begun = checkpoints and checkpoints.newest(check)
        history: list[dict[str, float]] = [dict(row) for row in begun.history] if begun else []
        first_step = begun.step if begun else 0
        self.team.agree("where to go on", f"epoch {len(history)}, step {first_step}")
        left = epochs[len(history) :]
        dataset = batches(left, first_step)
        available, needed = int(dataset.cardinality()), len(left) * steps_per_epoch - first_step
        if 0 <= available < needed:
            raise ValueError(
                f"{len(left)} epochs of {steps_per_epoch} steps take {needed} batches. Received: {available}"
            )
        self.model.stop_training = False
        hooks.on_train_begin()
        if begun:
            state.write(begun.values)
            for callback in hooks.callbacks:
                getattr(callback, "on_resume", lambda history: None)(history)
        with Interruption() if checkpoints else contextlib.nullcontext() as interruption:
            course = _Course(steps_per_epoch, iter(dataset), hooks, state, history, checkpoints, interruption)
            for epoch in left:
                hooks.on_epoch_begin(epoch)
                self._reset_metrics()
                if begun and first_step:
                    state.write(begun.values)
                logs = self._train_epoch(course, epoch, first_step)
                first_step = 0
                self._check_weights(epoch)
                logs["learning_rate"] = float(np.asarray(self.optimizer.learning_rate))
                # Moving statistics are each replica's own; what is evaluated and saved is their mean.
                state.average()
                if evaluate is not None:
                    logs.update(evaluate())
                hooks.on_epoch_end(epoch, logs)
                history.append({"epoch": epoch, **logs})
                self._save(course, step=0)
                if self.model.stop_training:
                    break
        self.optimizer.finalize_variable_values(self.model.trainable_variables)
        hooks.on_train_end()
        return history

    def evaluate(self, batches: tf.data.Dataset, steps: int) -> dict[str, float]:
        """Mean loss and accuracy over the examples of `steps` batches, in inference mode."""
        self._reset_metrics()
        self._traces().test(iter(batches), tf.constant(steps))
        return self._read_metrics()

    def _train_epoch(self, course: "_Course", epoch: int, done: int) -> dict[str, float]:
        hooks, total = course.hooks, course.steps_per_epoch
        fixed = self.steps_per_call or (1 if _has_batch_hooks(hooks.callbacks) else None)
        while done < total:
            steps = min(fixed or course.pace, total - done, *_left_alone(hooks.callbacks))
            hooks.on_train_batch_begin(done)
            began = time.perf_counter()
            self._traces().train(course.iterator, tf.constant(steps))
            logs = self._read_metrics()
            seconds = time.perf_counter() - began
            done += steps
            hooks.on_train_batch_end(done - 1, logs)
            if not np.isfinite(logs["loss"]):
                rate = float(np.asarray(self.optimizer.learning_rate))
                raise TrainingDiverged(
                    f"The loss is {logs['loss']} in epoch {epoch}, step {done} of {total}, at "
                    f"learning rate {rate:.3g}: training diverged. Lower the learning rate, or look for bad "
                    "values in the data."
                )
            seconds = self._pause(course, epoch, done, seconds)
            if fixed is None:
                fitting = round(steps * _SECONDS_PER_CALL / max(seconds, 1e-3))
                course.pace = max(1, min(2 * course.pace, fitting))
        return self._read_metrics()

    def _pause(self, course: "_Course", epoch: int, done: int, seconds: float) -> float:
        """Between two calls: saves if it is time, or if training is to stop; the seconds of the chief."""
        if course.checkpoints is None or course.interruption is None:
            return self._for_all(0, False, seconds)[2]
        stop, due, seconds = self._for_all(course.interruption.signal, course.checkpoints.due, seconds)
        if stop or due:
            self._check_weights(epoch)
            self._save(course, done)
        if stop:
            raise Interrupted(
                f"stopped in epoch {epoch}, after step {done} of {course.steps_per_epoch}, which is saved",
                stop,
            )
        return seconds

    def _for_all(self, stop: int, due: bool, seconds: float) -> tuple[int, bool, float]:
        """What all processes do: stop if one of them is to; time is the chief's."""
        if self.team.size == 1:
            return stop, due, seconds
        own = np.array([stop, due, seconds])
        rows = self.team.gather([own] * len(self.team.own_replicas))
        return int(rows[:, 0].max()), bool(rows[0, 1]), float(rows[0, 2])

    def _save(self, course: "_Course", step: int) -> None:
        if course.checkpoints is not None:
            values = course.state.read()
            if self.team.chief:
                course.checkpoints.save(course.history, step, values)

    def _check_weights(self, epoch: int) -> None:
        # TensorFlow's fused kernels take the ReLU of NaN for 0, so NaN weights can hide behind a finite loss.
        for variable in self.model.trainable_variables:
            if not tf.reduce_all(tf.math.is_finite(variable.value)):
                raise TrainingDiverged(
                    f"{variable.path} holds values that are no finite numbers after epoch {epoch}: training "
                    "diverged. Lower the learning rate, or look for bad values in the data."
                )

    def _traces(self) -> "_Traced":
        """The traced train and test functions; new ones where a callback changed the model's layers."""
        structure = _structure(self.model)
        for kept in self._traced:
            if kept.structure == structure:
                return kept
        # The variables are held, so that no new one can take over the id of one that is gone.
        traced = _Traced(
            structure,
            self.model.variables,
            train=self._trace(self._train_step, self._gradients),
            test=self._trace(self._test_step, self._losses),
        )
        self._traced = [traced, *self._traced[: _STRUCTURES_KEPT - 1]]
        return traced

    def _trace(self, step: Callable, compute: Callable) -> Callable:
        """Many steps in one call, of which XLA compiles what a replica computes by itself."""
        if self.jit_compile:
            compute = tf.function(compute, jit_compile=True, autograph=False)

        def body(i, iterator):
            self.strategy.run(lambda batch: step(compute, batch), args=(next(iterator),))
            return i + 1

        @tf.function(autograph=False, reduce_retracing=True)
        def run_steps(iterator, steps):
            tf.while_loop(
                lambda i: i < steps,
                lambda i: [body(i, iterator)],
                [tf.constant(0)],
                parallel_iterations=1,
            )

        return run_steps

    def _train_step(self, gradients, batch) -> None:
        x, y, size = self._own_share(batch)
        slopes, logits, losses = gradients(x, y, size)
        if isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer):
            slopes = self._overflowing_together(slopes)
        self.optimizer.apply(slopes, self.model.trainable_variables)
        self._count(y, logits, losses)

    def _overflowing_together(self, slopes):
        """The gradients; not finite where those of any replica are not, so that all skip the step.

        Keras asks the first replica alone, or each for itself, and the others would take up what overflowed.
        """
        if self.strategy.num_replicas_in_sync == 1:
            return slopes
        dense = [tf.convert_to_tensor(slope) for slope in slopes if slope is not None]
        finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(slope)) for slope in dense])
        context = tf.distribute.get_replica_context()
        overflows = context.all_reduce("SUM", tf.where(finite, 0.0, 1.0))
        blot = tf.where(overflows > 0, np.nan, 0.0)
        return [slope if slope is None else slope + tf.cast(blot, slope.dtype) for slope in slopes]

    def _test_step(self, losses, batch) -> None:
        x, y, _ = self._own_share(batch)
        self._count(y, *losses(x, y))

    def _gradients(self, x, y, size):
        with tf.GradientTape() as tape:
            logits = self.model(x, training=True)
            losses = _cross_entropy(y, logits, self.label_smoothing)
            loss = tf.reduce_sum(losses) / tf.cast(size, losses.dtype)
            if self.model.losses:
                penalty = tf.add_n([tf.cast(extra, loss.dtype) for extra in self.model.losses])
                loss += penalty / self.strategy.num_replicas_in_sync
            scaled = self.optimizer.scale_loss(loss)
        return tape.gradient(scaled, self.model.trainable_variables), logits, losses

    def _losses(self, x, y):
        logits = self.model(x, training=False)
        return logits, _cross_entropy(y, logits)

    def _own_share(self, batch):
        """This replica's examples, and the size of the global batch."""
        x, y = batch
        size = tf.shape(y)[0]
        replicas = self.strategy.num_replicas_in_sync
        if replicas == 1:
            return x, y, size
        index = tf.distribute.get_replica_context().replica_id_in_sync_group
        begin, end = size * index // replicas, size * (index + 1) // replicas
        return x[begin:end], y[begin:end], size

    def _count(self, y, logits, losses) -> None:
        self._loss.update_state(losses)
        self._accuracy.update_state(y, logits)

    def _reset_metrics(self) -> None:
        self._loss.reset_state()
        self._accuracy.reset_state()

    def _read_metrics(self) -> dict[str, float]:
        return {m.name: float(np.asarray(m.result())) for m in (self._loss, self._accuracy)}


@dataclasses.dataclass
class _Course:
    """One call of `fit`; its pace is the number of steps that take about a second."""

    steps_per_epoch: int
    iterator: Any
    hooks: keras.callbacks.CallbackList
    state: State
    history: list[dict[str, float]]
    checkpoints: Checkpoints | None
    interruption: Interruption | None
    pace: int = 1


@dataclasses.dataclass(frozen=True)
class _Traced:
    """The functions traced for one structure of the model."""

    structure: list
    variables: list
    train: Callable
    test: Callable


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


def _cross_entropy(labels, logits, smoothing=0.0):
    # Half precision overflows in the softmax of confident logits.
    if logits.dtype in (tf.float16, tf.bfloat16):
        logits = tf.cast(logits, tf.float32)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    if smoothing == 0:
        return losses
    # Of a label that is spread over all classes.
    even = -tf.reduce_mean(tf.nn.log_softmax(logits), axis=-1)
    return (1 - smoothing) * losses + smoothing * even


def _left_alone(callbacks: Sequence[keras.callbacks.Callback]) -> list[int]:
    """Steps until a callback wants to be called next, of the callbacks that say it."""
    return [callback.steps_alone() for callback in callbacks if hasattr(callback, "steps_alone")]


def _has_batch_hooks(callbacks: Sequence[keras.callbacks.Callback]) -> bool:
    """Whether any callback wants to be called after every batch."""
    hooks = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")
    return any(
        getattr(type(callback), hook) is not getattr(keras.callbacks.Callback, hook)
        for callback in callbacks
        for hook in hooks
        if not getattr(callback, "any_pace", False)
    )
