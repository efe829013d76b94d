"""Pruning and rewinding as Keras callbacks, for our trainer and for a plain `model.fit` alike.

A hybrid ticket of any model in one call (dense for 30 epochs, then pruned and retrained for 30):

    model.fit(x, y, epochs=60, callbacks=[
        keras.callbacks.LearningRateScheduler(schedule),
        tt.callbacks.HybridPruning(sparsity=0.98, epoch=30),
        tt.callbacks.LearningRateRewinding(epoch=30),
    ])
"""

import dataclasses
import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from tf_tickets.layers import mask_layers, masked_weights, restore_weights, stock_weights
from tf_tickets.pruning import RATIOS, Quota, Ticket, draw_ticket, path_counts
from tf_tickets.pruning.choices import CLASSIFIER_KEEP, GLOBAL
from tf_tickets.pruning.sparsity import check_sparsity
from tf_tickets.sparse_training import (
    SET,
    AnnealedDensity,
    GradualMagnitudePruning,
    GraNet,
    IterativeMagnitudePruning,
    RigL,
)
from tf_tickets.sparse_training.optimizer_reset import own_schedule, reset_optimizer
from tf_tickets.support.numbers import is_whole

__all__ = [
    "SET",
    "AnnealedDensity",
    "GraNet",
    "GradualMagnitudePruning",
    "HybridPruning",
    "IterativeMagnitudePruning",
    "LearningRateRewinding",
    "MagnitudePruning",
    "RigL",
    "WeightRewinding",
    "reset_optimizer",
]

Schedule = Callable[[int], float]


class LearningRateRewinding(keras.callbacks.Callback):
    """Takes the learning rate back to an earlier point of its schedule, with a fresh optimizer state.

    From epoch `epoch` on, the rates are those of epochs `to`, `to + 1`, ... The weights stay (section 5.1).
    Place it after any callback that sets the learning rate, so that it has the last word, and after the
    pruning.

    Args:
        epoch: 0-based epoch at whose start to rewind.
        to: epoch of the schedule to go back to. Defaults to 0, the top.
        schedule: `epoch -> rate`, followed from the first epoch on. None: the rates that were in force at the
            start of each epoch are remembered and replayed, whoever set them; an optimizer with a
            LearningRateSchedule of its own replays it because its step counter is reset (`to=0` only).

    Raises:
        ValueError: at the start of training, if the rewinding cannot take place within it.

    Reference: Renda et al., 2020, "Comparing Rewinding and Fine-tuning in Neural Network Pruning".
    """

    def __init__(self, epoch: int, to: int = 0, schedule: Schedule | None = None):
        super().__init__()
        self.epoch = _check_epoch("epoch", epoch)
        self.to = _check_epoch("to", to)
        if schedule is None and self.to > self.epoch:
            raise ValueError(f"Cannot rewind at epoch {epoch} to a later one without schedule=: to={to}.")
        self.schedule = schedule
        self._first: int | None = None
        self._seen: dict[int, float] = {}

    def on_train_begin(self, logs: dict | None = None) -> None:
        _check_within(self, self.params.get("epochs"), self.epoch)
        own = own_schedule(self.model.optimizer)
        if own and (self.schedule is not None or self.to):
            raise ValueError(
                "The optimizer has a LearningRateSchedule of its own, which a callback cannot set: give it a "
                "plain learning rate, or rewind to its top (to=0, schedule=None)."
            )
        self._first = None
        self._seen = {}

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        if self._first is None:
            self._first = epoch
            self.check_start(epoch)
        if epoch == self.epoch:
            self.rewind()
        optimizer = self.model.optimizer
        if own_schedule(optimizer):
            return
        if self.schedule is not None:
            offset = self.epoch - self.to if epoch >= self.epoch else 0
            optimizer.learning_rate = self.schedule(epoch - offset)
        elif epoch < self.epoch or self.to == self.epoch:
            self._seen[epoch] = float(np.asarray(optimizer.learning_rate))
        else:
            # Past the end of what was seen, the last rate goes on.
            optimizer.learning_rate = self._seen[min(epoch - self.epoch + self.to, max(self._seen))]

    def check_start(self, first: int) -> None:
        """Raises ValueError if training starts, at epoch `first`, too late for the rewinding."""
        if self.schedule is None and not own_schedule(self.model.optimizer) and first > self.to:
            raise ValueError(
                f"Training starts at epoch {first}, so the learning rate of epoch {self.to} is not seen: "
                "pass schedule=, or start at that epoch or before."
            )

    def rewind(self) -> None:
        """What happens once, at the start of epoch `epoch`, before its learning rate is set."""
        reset_optimizer(self.model)


class WeightRewinding(LearningRateRewinding):
    """Takes weights and learning rate back to where they were at an earlier epoch; masks stay.

    At the start of epoch `to` all weights are remembered (normalisation statistics too); at the start of
    epoch `epoch` they are put back, the optimizer starts afresh and the schedule goes on from epoch `to`.
    Place it after the callback that prunes, which needs the trained weights. With `to=0` this is the lottery
    ticket.

    Args:
        epoch: 0-based epoch at whose start to rewind.
        to: 0-based epoch to go back to.
        schedule: as in `LearningRateRewinding`.
    """

    def __init__(self, epoch: int, to: int = 0, schedule: Schedule | None = None):
        super().__init__(epoch, to, schedule)
        if self.to >= self.epoch:
            raise ValueError(f"WeightRewinding goes back: to < epoch. Received: to={to}, epoch={epoch}.")
        self._weights: list[np.ndarray] = []

    def on_train_begin(self, logs: dict | None = None) -> None:
        super().on_train_begin(logs)
        self._weights = []

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        if epoch == self.to:
            self._weights = [np.array(weight) for weight in stock_weights(self.model)]
        super().on_epoch_begin(epoch, logs)

    def check_start(self, first: int) -> None:
        if self.to < first <= self.epoch:
            raise ValueError(
                f"Training starts at epoch {first}, so the weights of epoch {self.to} are not seen. Start "
                "at that epoch or before."
            )
        super().check_start(first)

    def rewind(self) -> None:
        restore_weights(self.model, self._weights)
        super().rewind()


class MagnitudePruning(keras.callbacks.Callback):
    """Prunes by magnitude during training: once, at an epoch, or over a schedule of steps.

    Args:
        sparsity: fraction to remove, in [0, 1), at the start of epoch `epoch`. Not with `schedule`.
        epoch: 0-based epoch. Defaults to 0: before training.
        schedule: `step -> (prune now?, sparsity)`, called with the number of steps done: 0 before the first
            batch, then after every batch. The PruningSchedule objects of tensorflow-model-optimization are
            such callables.
        ratios: `"global"` or a rule of `tf_tickets.keep_counts`.
        family: form of the smart ratios.
        classifier_keep: fraction of the last layer that is kept apart from the rest.
        include, exclude: which layers, as in `tf_tickets.mask_layers`.

    Attributes:
        ticket: the Ticket that the model carries now, or None before the first pruning.

    Raises:
        ValueError: a value out of range; or, at the start of training, an epoch beyond it or a model with
            nothing to prune.

    Example:
        >>> from tensorflow_model_optimization.sparsity.keras import PolynomialDecay
        >>> MagnitudePruning(schedule=PolynomialDecay(0.5, 0.95, begin_step=0, end_step=2000))
    """

    def __init__(
        self,
        sparsity: float | None = None,
        epoch: int = 0,
        schedule: Callable[[int], tuple[Any, Any]] | None = None,
        ratios: str = GLOBAL,
        family: str | None = None,
        classifier_keep: float | None = None,
        include: Any = None,
        exclude: Any = None,
    ):
        super().__init__()
        if (sparsity is None) == (schedule is None):
            raise ValueError(
                f"Pass either sparsity= or schedule=. Received: sparsity={sparsity}, schedule={schedule}"
            )
        if schedule is not None and not callable(schedule):
            raise ValueError(
                f"schedule= is a callable step -> (prune now?, sparsity). Received: {schedule!r}"
            )
        if ratios != GLOBAL and ratios not in RATIOS:
            raise ValueError(f"ratios={ratios!r} is unknown. Choose one of: {', '.join([GLOBAL, *RATIOS])}.")
        self.sparsity = None if sparsity is None else check_sparsity(sparsity)
        self.epoch = _check_epoch("epoch", epoch)
        self.schedule = schedule
        self.any_pace = schedule is None
        self.ticket: Ticket | None = None
        self._selection: dict[str, Any] = {"include": include, "exclude": exclude}
        self._ratios: dict[str, Any] = {
            "ratios": ratios,
            "family": family,
            "classifier_keep": classifier_keep,
        }
        self._first: int | None = None
        self._steps = 0
        self._last_batch = -1

    def on_train_begin(self, logs: dict | None = None) -> None:
        if self.sparsity is not None:
            _check_within(self, self.params.get("epochs"), self.epoch)
        if not mask_layers(self.model, **self._selection).masked:
            raise ValueError(f"Model '{self.model.name}' has nothing to prune.")
        self._first = None
        self._follow_schedule(range(1))

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._last_batch = -1
        if self._first is None:
            self._first = epoch
            self._check_start(epoch)
        if self.sparsity is not None and epoch == self.epoch:
            self.prune(self.sparsity)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        # One call stands for several steps where the model has steps_per_execution; Keras numbers those of an
        # epoch's last call as if it were full.
        batch = min(batch, (self.params.get("steps") or batch + 1) - 1)
        done = self._steps + batch - self._last_batch
        self._last_batch = batch
        self._follow_schedule(range(self._steps + 1, done + 1))

    def on_train_end(self, logs: dict | None = None) -> None:
        if self.ticket is not None and self.ticket.on_path is None:
            self.ticket = dataclasses.replace(self.ticket, on_path=path_counts(self.model, self.ticket.masks))

    def prune(self, sparsity: float) -> None:
        """Draws a ticket from the magnitudes of this moment and sets the model's masks."""
        # Of a whole schedule paths are counted once, at the end: that is a forward pass of its own.
        once = self.schedule is None
        self.ticket = draw_ticket(
            self.model, "magnitude", Quota(sparsity=sparsity, **self._ratios), paths=once
        )
        if self.ticket.collapsed:
            warnings.warn(f"After pruning, {self.ticket.collapsed}.", stacklevel=2)
        self.ticket.apply(self.model)

    def _follow_schedule(self, steps: range) -> None:
        if self.schedule is None:
            return
        asked = None
        for step in steps:
            now, sparsity = self.schedule(step)
            asked = float(sparsity) if bool(now) else asked
        self._steps = steps[-1]
        if asked is not None:
            self.prune(asked)

    def _check_start(self, first: int) -> None:
        """A fit that goes on after the epoch must find the model pruned."""
        if self.sparsity and first > self.epoch and _is_dense(self.model):
            raise ValueError(
                f"{type(self).__name__} is to act at the start of epoch {self.epoch}, but training starts at "
                f"epoch {first}, with a model that is not pruned."
            )


class HybridPruning(MagnitudePruning):
    """Keeps the largest magnitudes within each layer at smart ratios, at the start of an epoch (section 5.2).

    Followed by `LearningRateRewinding` at the same epoch it makes a hybrid ticket.

    Args:
        sparsity: fraction to remove, in [0, 1).
        epoch: 0-based epoch, at whose start the network counts as trained.
        family: `"vgg"` or `"resnet"`, see `tf_tickets.keep_counts`.
        classifier_keep: fraction of the last layer that is kept.
        include, exclude: which layers, as in `tf_tickets.mask_layers`.
    """

    def __init__(
        self,
        sparsity: float,
        epoch: int,
        family: str | None = None,
        classifier_keep: float = CLASSIFIER_KEEP,
        include: Any = None,
        exclude: Any = None,
    ):
        super().__init__(
            sparsity,
            epoch,
            ratios="smart",
            family=family,
            classifier_keep=classifier_keep,
            include=include,
            exclude=exclude,
        )


def _is_dense(model: keras.Model) -> bool:
    return all(np.all(entry.mask) for entry in masked_weights(model))


def _check_epoch(argument: str, value: int) -> int:
    if not is_whole(value, 0):
        raise ValueError(f"{argument}= is a 0-based epoch. Received: {value!r}")
    return int(value)


def _check_within(callback: keras.callbacks.Callback, epochs: int | None, epoch: int) -> None:
    if epochs is not None and epoch >= epochs:
        raise ValueError(
            f"{type(callback).__name__} is to act at the start of epoch {epoch}, but training ends after "
            f"epoch {epochs - 1}. (Epochs count from 0.)"
        )
