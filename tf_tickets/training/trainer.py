"""Training and evaluating a Keras model in a loop of our own, under any tf.distribute strategy."""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf

from tf_tickets.training.checkpoints import Checkpoint, Checkpoints
from tf_tickets.training.divergence import check_loss, check_weights
from tf_tickets.training.hooks import has_batch_hooks, steps_until_calls, tell_resumed
from tf_tickets.training.interruption import Interrupted, Interruption
from tf_tickets.training.losses import CROSS_ENTROPY, loss_row
from tf_tickets.training.metrics import ACCURACY
from tf_tickets.training.state import State
from tf_tickets.training.steps import Batch, Steps
from tf_tickets.training.team import Team

Batches = Callable[[Sequence[int], int], tf.data.Dataset]

_SECONDS_PER_CALL = 1.0  # between looks at the progress bar, the keyboard and the loss


class Trainer:
    """A loop of many steps inside one `tf.function`, with Keras optimizers, metrics and callbacks.

    Every replica is handed the same global batch and computes its own contiguous shard of it; gradients are
    those of the mean loss over the global batch, also where the last batch does not divide evenly. So the
    learning curve does not depend on the number of replicas but through batch normalisation: each replica
    normalises by its own shard, and after every epoch the replicas' moving statistics are averaged. Replicas
    can be those of several processes, which then call the same methods in the same order.

    Args:
        model: a built model of one output `(batch, outputs)`, logits or the numbers themselves, made under
            the strategy's scope.
        optimizer: a Keras optimizer, made under the strategy's scope.
        strategy: a tf.distribute strategy. Defaults to the current one.
        steps_per_call: steps in one call of the traced function, between two runs of batch-level callbacks.
            None means 1 where a callback has batch-level hooks, and about a second's worth otherwise.
        jit_compile: compile the step with XLA.
        label_smoothing: part of every label, in [0, 1), that training spreads evenly, for losses that take
            it. Evaluation takes labels as they are.
        loss: name of a loss: of `LOSSES`, or of one of your own.
        metric: name of a metric: of `METRICS`, or of one of your own.
        outputs: numbers that the model gives for an example, for metrics that must know.
    """

    def __init__(
        self,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        strategy: tf.distribute.Strategy | None = None,
        steps_per_call: int | None = None,
        jit_compile: bool = False,
        label_smoothing: float = 0.0,
        loss: str = CROSS_ENTROPY,
        metric: str = ACCURACY,
        outputs: int = 1,
    ):
        self.model = model
        self.strategy = strategy or tf.distribute.get_strategy()
        self.steps_per_call = steps_per_call
        self.team = Team(self.strategy)
        with self.strategy.scope():
            # Keras's callbacks look for the optimizer on the compiled model, and scores for the loss.
            model.compile(optimizer=optimizer, loss=loss_row(loss).compiled, jit_compile=False)
            self.optimizer = model.optimizer
            self.optimizer.build(model.trainable_variables)
            self.steps = Steps(
                model, self.optimizer, self.strategy, jit_compile, label_smoothing, loss, metric, outputs
            )

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
                one epoch after another, less the first `first_step` of all; y is what the loss takes.
            epochs: epoch numbers, for example `range(30)`; callbacks and logs see them as they are.
            steps_per_epoch: batches in an epoch.
            callbacks: Keras callbacks.
            evaluate: called at the end of every epoch; what it returns joins the logs.
            checkpoints: where to go on from, and where to save to after every epoch and when it is time.

        Returns:
            One dict an epoch: epoch, loss and metric on the training batches (as seen, while the weights
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
        state = State(self.team, self.model, self.optimizer, self.steps.metrics)
        begun = _newest(checkpoints, state, epochs, steps_per_epoch)
        history: list[dict[str, float]] = [dict(row) for row in begun.history] if begun else []
        first_step = begun.step if begun else 0
        self.team.agree("where to go on", f"epoch {len(history)}, step {first_step}")
        left = epochs[len(history) :]
        dataset = batches(left, first_step)
        _check_enough(dataset, len(left), steps_per_epoch, first_step)
        self.model.stop_training = False
        hooks.on_train_begin()
        if begun:
            state.write(begun.values)
            tell_resumed(hooks.callbacks, history)
        with Interruption() if checkpoints else contextlib.nullcontext() as interruption:
            call = _Fit(steps_per_epoch, iter(dataset), hooks, state, history, checkpoints, interruption)
            for epoch in left:
                hooks.on_epoch_begin(epoch)
                self.steps.reset_metrics()
                if begun and first_step:
                    state.write(begun.values)
                logs = self._train_epoch(call, epoch, first_step)
                first_step = 0
                check_weights(self.model, epoch)
                logs["learning_rate"] = float(np.asarray(self.optimizer.learning_rate))
                # Moving statistics are each replica's own; what is evaluated and saved is their mean.
                state.average()
                if evaluate is not None:
                    logs.update(evaluate())
                hooks.on_epoch_end(epoch, logs)
                history.append({"epoch": epoch, **logs})
                self._save(call, step=0)
                if self.model.stop_training:
                    break
        self.optimizer.finalize_variable_values(self.model.trainable_variables)
        hooks.on_train_end()
        return history

    def evaluate(self, batches: tf.data.Dataset, steps: int) -> dict[str, float]:
        """Mean loss and the metric over the examples of `steps` batches, in inference mode."""
        self.steps.reset_metrics()
        self.steps.test(iter(batches), steps)
        return self.steps.read_metrics()

    def _train_epoch(self, call: "_Fit", epoch: int, done: int) -> dict[str, float]:
        callbacks, total = call.hooks.callbacks, call.steps_per_epoch
        fixed = self.steps_per_call or (1 if has_batch_hooks(callbacks) else None)
        while done < total:
            count = min(fixed or call.pace, total - done, *steps_until_calls(callbacks))
            call.hooks.on_train_batch_begin(done)
            began = time.perf_counter()
            self.steps.train(call.batches, count)
            logs = self.steps.read_metrics()
            seconds = time.perf_counter() - began
            done += count
            call.hooks.on_train_batch_end(done - 1, logs)
            check_loss(logs["loss"], self.optimizer, f"epoch {epoch}, step {done} of {total}")
            seconds = self._pause(call, epoch, done, seconds)
            if fixed is None:
                fitting = round(count * _SECONDS_PER_CALL / max(seconds, 1e-3))
                call.pace = max(1, min(2 * call.pace, fitting))
        return self.steps.read_metrics()

    def _pause(self, call: "_Fit", epoch: int, done: int, seconds: float) -> float:
        """Between two calls: saves if it is time, or if training is to stop; the seconds of the chief."""
        if call.checkpoints is None or call.interruption is None:
            return self._decide(0, False, seconds)[2]
        stop, due, seconds = self._decide(call.interruption.signal, call.checkpoints.due, seconds)
        if stop or due:
            check_weights(self.model, epoch)
            self._save(call, done)
        if stop:
            raise Interrupted(
                f"stopped in epoch {epoch}, after step {done} of {call.steps_per_epoch}, which is saved", stop
            )
        return seconds

    def _decide(self, stop: int, due: bool, seconds: float) -> tuple[int, bool, float]:
        """What all processes do: stop if one of them is to; time is the chief's."""
        if self.team.size == 1:
            return stop, due, seconds
        own = np.array([stop, due, seconds])
        rows = self.team.gather([own] * len(self.team.own_replicas))
        return int(rows[:, 0].max()), bool(rows[0, 1]), float(rows[0, 2])

    def _save(self, call: "_Fit", step: int) -> None:
        if call.checkpoints is not None:
            values = call.state.read()
            if self.team.chief:
                call.checkpoints.save(call.history, step, values)


@dataclasses.dataclass
class _Fit:
    """One call of `fit`; its pace is the number of steps that take about a second."""

    steps_per_epoch: int
    batches: Iterator[Batch]
    hooks: keras.callbacks.CallbackList
    state: State
    history: list[dict[str, float]]
    checkpoints: Checkpoints | None
    interruption: Interruption | None
    pace: int = 1


def _newest(
    checkpoints: Checkpoints | None, state: State, epochs: Sequence[int], steps_per_epoch: int
) -> Checkpoint | None:
    """The newest checkpoint that this training can go on from; None where there is none."""
    if checkpoints is None:
        return None

    def check(checkpoint: Checkpoint) -> None:
        state.check(checkpoint.values)
        if [row["epoch"] for row in checkpoint.history] != epochs[: len(checkpoint.history)]:
            raise ValueError("it has other epochs than this training")
        if not 0 <= checkpoint.step <= steps_per_epoch:
            raise ValueError(f"it stands at step {checkpoint.step} of {steps_per_epoch}")

    return checkpoints.newest(check)


def _check_enough(dataset: tf.data.Dataset, epochs: int, steps_per_epoch: int, first_step: int) -> None:
    available, needed = int(dataset.cardinality()), epochs * steps_per_epoch - first_step
    if 0 <= available < needed:
        raise ValueError(
            f"{epochs} epochs of {steps_per_epoch} steps take {needed} batches. Received: {available}"
        )
