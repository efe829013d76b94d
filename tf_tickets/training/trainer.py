"""Training and evaluating a Keras model in a loop of our own, under any tf.distribute strategy."""

import time
from collections.abc import Callable, Iterable, Sequence

import keras
import numpy as np
import tensorflow as tf

Batches = Callable[[Sequence[int]], tf.data.Dataset]

_SECONDS_PER_CALL = 1.0  # between looks at the progress bar, the keyboard and the loss


class TrainingDiverged(ArithmeticError):
    """The loss or a weight is not finite any more."""


class Trainer:
    """A loop of many steps inside one `tf.function`, with Keras optimizers, metrics and callbacks.

    Every replica is handed the same global batch and computes its own contiguous share of it; gradients are
    those of the mean loss over the global batch, also where the last batch does not divide evenly. So the
    learning curve does not depend on the number of replicas but through batch normalisation: each replica
    normalises by its own share, and after every epoch the replicas' moving statistics are averaged.

    Args:
        model: a built model whose outputs are logits `(batch, classes)`, made under the strategy's scope.
        optimizer: a Keras optimizer, made under the strategy's scope.
        strategy: a tf.distribute strategy. Defaults to the current one.
        steps_per_call: steps in one call of the traced function, between two runs of batch-level callbacks.
            None means 1 where a callback has batch-level hooks, and about a second's worth otherwise.
        jit_compile: compile the step with XLA.
    """

    def __init__(
        self,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        strategy: tf.distribute.Strategy | None = None,
        steps_per_call: int | None = None,
        jit_compile: bool = False,
    ):
        self.model = model
        self.strategy = strategy or tf.distribute.get_strategy()
        self.steps_per_call = steps_per_call
        self.jit_compile = jit_compile
        self._traced_for: tuple[list, list] | None = None
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
    ) -> list[dict[str, float]]:
        """Trains over the given epochs.

        Args:
            batches: epochs -> dataset of `(x, y)` batches, `steps_per_epoch` for each epoch, one epoch after
                another; y holds integer class labels.
            epochs: epoch numbers, for example `range(30)`; callbacks and logs see them as they are.
            steps_per_epoch: batches in an epoch.
            callbacks: Keras callbacks.
            evaluate: called at the end of every epoch; what it returns joins the logs.

        Returns:
            One dict an epoch: epoch, loss and accuracy on the training batches (as seen, while the weights
            move), learning_rate, and what `evaluate` returned.

        Raises:
            ValueError: there are too few batches.
            TrainingDiverged: the loss, or at the end of an epoch a weight, is NaN or infinite.
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
        steps_per_call = self.steps_per_call or (1 if _has_batch_hooks(hooks.callbacks) else None)
        dataset = batches(epochs)
        available, needed = int(dataset.cardinality()), len(epochs) * steps_per_epoch
        if 0 <= available < needed:
            raise ValueError(
                f"{len(epochs)} epochs of {steps_per_epoch} steps take {needed} batches. "
                f"Received: {available}"
            )
        iterator = iter(dataset)
        history: list[dict[str, float]] = []
        self.model.stop_training = False
        hooks.on_train_begin()
        for epoch in epochs:
            hooks.on_epoch_begin(epoch)
            logs = self._train_epoch(iterator, epoch, steps_per_epoch, steps_per_call, hooks)
            self._check_weights(epoch)
            logs["learning_rate"] = float(np.asarray(self.optimizer.learning_rate))
            self._average_statistics()
            if evaluate is not None:
                logs.update(evaluate())
            hooks.on_epoch_end(epoch, logs)
            history.append({"epoch": epoch, **logs})
            if self.model.stop_training:
                break
        self.optimizer.finalize_variable_values(self.model.trainable_variables)
        hooks.on_train_end()
        return history

    def evaluate(self, batches: tf.data.Dataset, steps: int) -> dict[str, float]:
        """Mean loss and accuracy over the examples of `steps` batches, in inference mode."""
        _, test_steps = self._traces()
        self._reset_metrics()
        test_steps(iter(batches), tf.constant(steps))
        return self._read_metrics()

    def _train_epoch(self, iterator, epoch, steps_per_epoch, steps_per_call, hooks) -> dict[str, float]:
        self._reset_metrics()
        done, chunk = 0, steps_per_call or 1
        logs: dict[str, float] = {}
        while done < steps_per_epoch:
            steps = min(chunk, steps_per_epoch - done)
            hooks.on_train_batch_begin(done)
            began = time.perf_counter()
            self._traces()[0](iterator, tf.constant(steps))
            logs = self._read_metrics()
            seconds = time.perf_counter() - began
            done += steps
            hooks.on_train_batch_end(done - 1, logs)
            if not np.isfinite(logs["loss"]):
                rate = float(np.asarray(self.optimizer.learning_rate))
                raise TrainingDiverged(
                    f"The loss is {logs['loss']} in epoch {epoch}, step {done} of {steps_per_epoch}, at "
                    f"learning rate {rate:.3g}: training diverged. Lower the learning rate, or look for bad "
                    "values in the data."
                )
            if steps_per_call is None:
                chunk = max(1, min(2 * chunk, round(steps * _SECONDS_PER_CALL / max(seconds, 1e-3))))
        return logs

    def _average_statistics(self) -> None:
        """Moving statistics are each replica's own; what is evaluated and saved is their mean."""
        if self.strategy.num_replicas_in_sync == 1:
            return
        for variable in self.model.non_trainable_variables:
            parts = self.strategy.experimental_local_results(variable.value)
            if len(parts) > 1 and keras.backend.is_float_dtype(variable.dtype):
                variable.assign(tf.add_n([tf.convert_to_tensor(part) for part in parts]) / len(parts))

    def _check_weights(self, epoch: int) -> None:
        # TensorFlow's fused kernels take the ReLU of NaN for 0, so NaN weights can hide behind a finite loss.
        for variable in self.model.trainable_variables:
            if not tf.reduce_all(tf.math.is_finite(variable.value)):
                raise TrainingDiverged(
                    f"{variable.path} holds values that are no finite numbers after epoch {epoch}: training "
                    "diverged. Lower the learning rate, or look for bad values in the data."
                )

    def _traces(self) -> tuple[Callable, Callable]:
        """The traced train and test functions; new ones where a callback changed the model's layers."""
        structure = _structure(self.model)
        if self._traced_for is None or structure != self._traced_for[0]:
            self._traced = self._trace(self._train_step), self._trace(self._test_step)
            # The variables are held, so that no new one can take over the id of one that is gone.
            self._traced_for = structure, self.model.variables
        return self._traced

    def _trace(self, step: Callable) -> Callable:
        step = tf.function(step, jit_compile=True, autograph=False) if self.jit_compile else step

        def body(i, iterator):
            self.strategy.run(step, args=(next(iterator),))
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

    def _train_step(self, batch) -> None:
        x, y, size = self._own_share(batch)
        with tf.GradientTape() as tape:
            logits = self.model(x, training=True)
            losses = _cross_entropy(y, logits)
            loss = tf.reduce_sum(losses) / tf.cast(size, losses.dtype)
            if self.model.losses:
                penalty = tf.add_n([tf.cast(extra, loss.dtype) for extra in self.model.losses])
                loss += penalty / self.strategy.num_replicas_in_sync
            scaled = self.optimizer.scale_loss(loss)
        variables = self.model.trainable_variables
        self.optimizer.apply(tape.gradient(scaled, variables), variables)
        self._count(y, logits, losses)

    def _test_step(self, batch) -> None:
        x, y, _ = self._own_share(batch)
        logits = self.model(x, training=False)
        self._count(y, logits, _cross_entropy(y, logits))

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


def _structure(model: keras.Model) -> list:
    """What a traced function has baked in and a callback may change: classes, variables, what is trained."""
    return [
        (type(layer), layer.trainable, [id(variable) for variable in layer.variables])
        for layer in model._flatten_layers(include_self=False)
    ]


def _cross_entropy(labels, logits):
    # Half precision overflows in the softmax of confident logits.
    if logits.dtype in (tf.float16, tf.bfloat16):
        logits = tf.cast(logits, tf.float32)
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)


def _has_batch_hooks(callbacks: Sequence[keras.callbacks.Callback]) -> bool:
    """Whether any callback wants to be called after every batch."""
    hooks = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")
    return any(
        getattr(type(callback), hook) is not getattr(keras.callbacks.Callback, hook)
        for callback in callbacks
        for hook in hooks
        if not getattr(callback, "any_pace", False)
    )
