"""Pruning by magnitude during training: once, or over a schedule of steps."""

import dataclasses
import warnings
from collections.abc import Callable
from typing import Any, Literal

import keras

from tf_tickets.callbacks.epochs import check_epoch, check_within
from tf_tickets.layers import (
    check_backup_comes_later,
    mask_layers,
    masked_weights,
    nothing_to_prune,
    value_of,
)
from tf_tickets.pruning import RATIOS, Quota, Ticket, carried, draw_ticket, silence_removed_outputs
from tf_tickets.pruning.budget import plan_budgets
from tf_tickets.pruning.choices import GLOBAL
from tf_tickets.pruning.classifier_choice import classifier_keep_of_magnitudes
from tf_tickets.pruning.paths import affordable_path_counts
from tf_tickets.pruning.pattern_names import chosen_pattern, removes_outputs
from tf_tickets.pruning.quota import check_quota
from tf_tickets.pruning.scores import score_row
from tf_tickets.pruning.sparsity import check_sparsity


class MagnitudePruning(keras.callbacks.Callback):
    """Prunes by magnitude during training: once, at an epoch, or over a schedule of steps.

    Args:
        sparsity: fraction to remove, in [0, 1), at the start of epoch `epoch`. Not with `schedule`.
        epoch: 0-based epoch. Defaults to 0: before training.
        schedule: `step -> (prune now?, sparsity)`, called before every batch with the number of its step, 1
            for the first. The PruningSchedule objects of tensorflow-model-optimization are such callables;
            what is as there, and what is not, is said below. The count goes on in the next `fit` of the same
            callback and model, and in one that starts at a later epoch.
        ratios: `"global"` or a rule of `tf_tickets.keep_counts`.
        family: form of the smart ratios.
        classifier_keep: fraction of each classifier, the masked weights that feed an output, that is kept
            apart from the rest, for global and smart ratios. `"ranked"` ranks them with the rest (global
            ratios only). None or `"method"` means what `tf_tickets.prune` does for trained magnitudes: 1.0
            with global ratios, as of `"finetune"`, and 0.3 with smart ones.
        pattern: which weights are kept together, or how many of neighbours, as in `tf_tickets.prune`. With
            n:m a schedule starts at the pattern's sparsity.
        include, exclude: which layers, as in `tf_tickets.mask_layers`.

    A schedule prunes when `prune_low_magnitude` of tensorflow-model-optimization does: before batch b,
    counted from 0, it is asked for step b + 1, and what it says is done before that batch is computed. So one
    of `begin_step=0` prunes for the first time at step `frequency`, and nothing is pruned after the last
    batch. With `steps_per_execution` it is done before the call that the step is in. Two things differ:

    - There, hidden weights are zero for the forward pass, but have a gradient and keep their momentum, so
      that one step of the optimizer may bring a weight back at the next update. Here a mask hides the
      gradient too, and the optimizer forgets what it hides: what is pruned stays pruned, unless the schedule
      lowers the sparsity; then it comes back as zero. A ticket is to be what was trained.
    - There the weights of every layer are ranked by themselves; here all together, unless
      `ratios="uniform"` says otherwise.

    Attributes:
        ticket: the Ticket that the model carries now, whoever set its masks; None before the first pruning.

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
        classifier_keep: float | Literal["ranked", "method"] | None = None,
        include: Any = None,
        exclude: Any = None,
        pattern: str | None = None,
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
        self.epoch = check_epoch("epoch", epoch)
        self.schedule = schedule
        self.any_pace = schedule is None
        self._ticket: Ticket | None = None
        self._selection: dict[str, Any] = {"include": include, "exclude": exclude}
        self._ratios: dict[str, Any] = {
            "ratios": ratios,
            "family": family,
            "classifier_keep": classifier_keep_of_magnitudes(classifier_keep, ratios),
            "pattern": chosen_pattern(pattern, None),
        }
        check_quota(Quota(sparsity=self.sparsity or 0.0, **self._ratios), score_row("magnitude"))
        self._first: int | None = None
        self._counted: keras.Model | None = None
        # Steps of the schedule: made before this epoch, made so far, asked for.
        self._before = self._done = self._asked = 0

    def on_train_begin(self, logs: dict | None = None) -> None:
        if self.sparsity is not None:
            check_within(self, self.params.get("epochs"), self.epoch)
        check_backup_comes_later(self)
        if not mask_layers(self.model, **self._selection).masked:
            raise ValueError(nothing_to_prune(self.model, **self._selection))
        if self.sparsity is not None:  # what cannot be met is known before the epochs until then
            plan_budgets(self.model, "magnitude", Quota(sparsity=self.sparsity, **self._ratios))
        self._first = None
        if self._counted is not self.model:
            self._counted, self._done, self._asked = self.model, 0, 0
        self._before = self._done

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        if self._first is None:
            self._first = epoch
            self._check_start(epoch)
            self._done = max(self._done, epoch * (self.params.get("steps") or 0))
            self._asked = max(self._asked, self._done)
        self._before = self._done
        if self.sparsity is not None and epoch == self.epoch:
            self.prune(self.sparsity)

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        # One call stands for several steps where the model has steps_per_execution; what is due within it
        # cannot wait for the next one, which may not come.
        steps = int(getattr(self.model, "steps_per_execution", None) or 1)
        self._follow_schedule(self._before + self._within_epoch(batch + steps - 1) + 1)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self._done = self._before + self._within_epoch(batch) + 1

    def on_train_end(self, logs: dict | None = None) -> None:
        if self._ticket is None:
            return
        if self._ticket.on_path is None:
            counts = affordable_path_counts(self.model, self._ticket.masks)
            self._ticket = dataclasses.replace(self._ticket, on_path=counts)
        now = self.ticket
        if now is not self._ticket and now is not None:
            warnings.warn(
                f"{type(self).__name__} left {self._ticket.kept:,} weights, and the training ended with "
                f"{now.kept:,}: somebody has set other masks since, as EarlyStopping and ModelCheckpoint do "
                "by weights of an earlier epoch. Monitor from the last pruning on.",
                stacklevel=2,
            )

    @property
    def ticket(self) -> Ticket | None:
        return carried(self._ticket, self.model)

    def prune(self, sparsity: float) -> None:
        """Draws a ticket from the magnitudes of this moment and sets the model's masks."""
        # Of a whole schedule paths are counted once, at the end: that is a forward pass of its own.
        once = self.schedule is None
        self._ticket = draw_ticket(
            self.model, "magnitude", Quota(sparsity=sparsity, **self._ratios), paths=once
        )
        if self._ticket.collapsed:
            warnings.warn(f"After pruning, {self._ticket.collapsed}.", stacklevel=2)
        self._ticket.apply(self.model)
        if removes_outputs(self._ratios["pattern"]):
            silence_removed_outputs(self.model)
        for entry in masked_weights(self.model) if not once else ():
            # What a later step of the schedule shows again has learned nothing since.
            assert entry.mask is not None
            entry.mask.forget()

    def _within_epoch(self, batch: int) -> int:
        """A batch's number; Keras numbers those of an epoch's last call as if it were full."""
        return min(batch, (self.params.get("steps") or batch + 1) - 1)

    def _follow_schedule(self, last: int) -> None:
        """Prunes as the schedule asks for, up to a step that is about to be made."""
        if self.schedule is None:
            return
        asked = None
        for step in range(self._asked + 1, last + 1):
            now, sparsity = self.schedule(step)
            asked = float(sparsity) if bool(now) else asked
        self._asked = max(self._asked, last)
        if asked is not None:
            self.prune(asked)

    def _check_start(self, first: int) -> None:
        """A fit that goes on after the epoch must find the model pruned."""
        if self.sparsity and first > self.epoch and _is_dense(self.model):
            raise ValueError(
                f"{type(self).__name__} is to act at the start of epoch {self.epoch}, but training starts at "
                f"epoch {first}, with a model that is not pruned."
            )


def _is_dense(model: keras.Model) -> bool:
    return all(value_of(entry.mask).all() for entry in masked_weights(model))
