"""The base of callbacks that move masks while a model trains, in our trainer and in plain `model.fit` alike.

A network that is sparse from its first step to its last, and finds its connections on the way:

    tt.prune(model, "erk", sparsity=0.9)
    model.fit(x, y, epochs=30, callbacks=[tt.callbacks.RigL(frequency=100)])
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_tickets.layers import Mask, MaskedWeight, masked_weights, scope_of, value_of
from tf_tickets.pruning import Ticket, Within, carried, masks_of, ticket_of
from tf_tickets.sparse_training.gradient_taps import GradientTaps
from tf_tickets.sparse_training.slots import moving_slots
from tf_tickets.support.numbers import check_whole

UPDATED_PART = 0.75  # of a training in which masks move, where nothing else is said (RigL, section 3)


class MaskUpdates(keras.callbacks.Callback):
    """Moves the masks of a model every so many steps of its optimizer: what searches have in common.

    Steps are those of the optimizer (`optimizer.iterations`), counted from where this training began; so a
    training that goes on from a checkpoint moves the masks at the same steps as one that nobody stopped. An
    update happens after its step: the optimizer has moved the weights, then the masks move. With
    `steps_per_execution` it waits for the end of the call that its step is in; of several in one call the
    last takes place, by the gradient of all steps of the call.

    Every epoch's logs get `density`, the fraction of all prunable weights that is kept.

    Args:
        frequency: steps between two updates.
        begin_step: first step after which masks may move, counted by the optimizer. None: the step at which
            the training begins (its epoch 0).
        end_step: steps from `begin_step` to the end of the moving. None: a part of the steps from there to
            the end of the training, as the class says.
        source: a Ticket or bool masks: no weight is ever kept outside of it. None: anywhere.
        seed: of random numbers.

    Attributes:
        ticket: after the training, the Ticket that the model carries, whoever set its masks since.

    Raises:
        ValueError: a value out of range; or, at the start of training, a model that is not compiled or has no
            masks, masks that keep more than the source, or an optimizer whose state cannot follow.
    """

    any_pace = True
    watches_gradient = False

    def __init__(
        self,
        frequency: int = 100,
        begin_step: int | None = None,
        end_step: int | None = None,
        source: Within | None = None,
        seed: int = 0,
    ):
        super().__init__()
        self.frequency = check_whole("frequency=", frequency, 1)
        self.begin_step = None if begin_step is None else check_whole("begin_step=", begin_step, 0)
        self.end_step = None if end_step is None else check_whole("end_step=", end_step, 1)
        self.source = source
        self.seed = check_whole("seed=", seed, 0)
        self._ticket: Ticket | None = None
        self._entries: list[MaskedWeight] = []
        self._taps = GradientTaps()
        self._initial_density = 1.0
        self._begin: int | None = None
        self._first_epoch: int | None = None
        self._resumed = False
        self._iterations_at_start = self._iterations_before = 0
        self._steps = self._end = self._last = 0
        self._traced_update: Callable[..., None] | None = None

    def due(self, step: int) -> bool:
        """Whether masks move after this step, counted from 1 at the beginning of the training."""
        return 0 < step < self._end and step % self.frequency == 0

    def updated_masks(self, masks: list[tf.Tensor], settings: dict[str, tf.Tensor]) -> list[tf.Tensor]:
        """The masks after an update: a part of one traced function.

        Args:
            masks: bool tensors in forward order, what is kept now.
            settings: what `settings` gave for the step.
        """
        raise NotImplementedError

    def settings(self, step: int) -> dict[str, Any]:
        """What decides an update beside weights, masks and gradients; `step` is as in `due`."""
        raise NotImplementedError

    def on_train_begin(self, logs: dict | None = None) -> None:
        entries = masked_weights(self.model)
        if not entries:
            raise ValueError(
                f"{type(self).__name__} moves masks, and model '{self.model.name}' has none: call "
                'tf_tickets.prune(model, "erk", sparsity) first, or mask_layers(model) for all-true ones.'
            )
        known, self._entries = self._entries, entries
        if self.watches_gradient:
            GradientTaps.check(entries, type(self).__name__)
        self._allowed = self._check_source([value_of(mask) for mask in self._masks])
        self._slots = moving_slots(self.model, [entry.weight for entry in entries])
        # Nothing is refused any more for what the model is.
        for mask in self._masks:
            mask.forget()
        self._iterations_at_start = self._iterations()
        if known != entries or self.begin_step is None or self._iterations_at_start <= self.begin_step:
            # Otherwise this is the next part of a training whose beginning it has seen.
            self._initial_density = self.density
        self._begin, self._first_epoch, self._resumed = None, None, False
        self._traced_update = None

    def _plan(self) -> None:
        """Where the moving begins and ends: known before the first step, with its epoch."""
        # The optimizer does not count steps that overflow, so where it stands in a checkpoint does not say
        # how many there were.
        now = self._iterations_at_start if self._resumed else self._iterations()
        first = now - self._steps_until(self._first_epoch or 0)
        begin = first if self.begin_step is None else self.begin_step
        steps = self._steps_until(self.params.get("epochs") or 0)
        self._steps = max(first + steps - begin, 0) if steps else 0
        self._end = self._last = self._end_of(self.end_step, UPDATED_PART, known=bool(steps))
        self.check_plan()
        self._begin = begin
        if self.watches_gradient:
            self._taps.attach(self.model, self._entries)

    def check_plan(self) -> None:
        """Raises ValueError if the updates cannot take place; the model is known then."""

    @property
    def ticket(self) -> Ticket | None:
        return carried(self._ticket, self.model)

    @property
    def density(self) -> float:
        """Fraction of all prunable weights that the masks keep now."""
        return self._kept / sum(entry.size for entry in self._entries)

    @property
    def _kept(self) -> int:
        return sum(int(value_of(mask).sum()) for mask in self._masks)

    @property
    def _masks(self) -> list[Mask]:
        return [entry.mask for entry in self._entries if entry.mask is not None]

    def on_resume(self, history: Sequence[Mapping[str, float]]) -> None:
        """Told by `tf_tickets.training.Trainer` that the state of a checkpoint was put back."""
        self._resumed = True
        self._first_epoch = int(history[0]["epoch"]) if history else None

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        if self._first_epoch is None:
            self._first_epoch = epoch
        if self._begin is None:
            self._plan()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        if logs is not None:
            logs["density"] = self.density

    def steps_alone(self) -> int:
        """Steps that a trainer may make before it calls again: up to an update, or to the step before it."""
        if self._begin is None:
            return 1
        done = self._iterations() - self._begin
        following = next((step for step in range(done + 1, self._last + 1) if self.due(step)), None)
        if following is None:
            return 2**31
        return max(1, following - done - self.watches_gradient)

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        if self._begin is None:
            self._plan()  # in a loop that has no epochs
        self._iterations_before = self._iterations()
        if self._taps.taps:
            self._open_taps()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        step = self._due_between(self._iterations_before, self._iterations())
        if step is None:
            return
        try:
            self.update(step)
        except BaseException:
            self._taps.detach(self.model, self._entries)
            raise

    def on_train_end(self, logs: dict | None = None) -> None:
        self._taps.detach(self.model, self._entries)
        self._ticket = ticket_of(self.model, {"found_by": type(self).__name__, "seed": self.seed})
        if self._ticket.collapsed:
            warnings.warn(f"After training, {self._ticket.collapsed}.", stacklevel=2)

    def update(self, step: int) -> None:
        """Moves the masks as after the step, counted from 1 at the beginning of the training."""
        if self._traced_update is None:
            self._traced_update = tf.function(self._update_masks, autograph=False)
        settings = {name: tf.constant(value) for name, value in self.settings(step).items()}
        with scope_of(self._entries[0].weight):
            self._traced_update(settings)
        self._taps.close()

    def _open_taps(self) -> None:
        """Opens them for a call that takes part in a step which is due."""
        optimizer = self._inner_optimizer
        per_step, batches = optimizer.gradient_accumulation_steps or 1, int(value_of(optimizer._iterations))
        after = (batches + self._steps_of_a_call() - 1) // per_step + 1
        if self._due_between(self._iterations_before, after):
            self._taps.open(batches, per_step)

    def _update_masks(self, settings: dict[str, tf.Tensor]) -> None:
        before = [tf.convert_to_tensor(mask.value) for mask in self._masks]
        after = self.updated_masks(before, settings)
        # What is hidden is zero, and so is what grows; the optimizer forgets what it learned of both.
        self.start_afresh([new ^ old for old, new in zip(before, after, strict=True)])
        for mask, new in zip(self._masks, after, strict=True):
            mask.assign(new)

    def start_afresh(self, places: Sequence[tf.Tensor]) -> None:
        """Makes weights zero, and what the optimizer keeps for them fresh: a part of the traced update.

        Args:
            places: bool tensors in forward order, where.
        """
        for entry, slots, place in zip(self._entries, self._slots, places, strict=True):
            entry.weight.assign(tf.where(place, tf.zeros_like(entry.weight.value), entry.weight.value))
            for slot in slots:
                value = slot.variable.value
                slot.variable.assign(tf.where(place, tf.cast(slot.fresh, value.dtype), value))

    def _check_source(self, masks: list[np.ndarray]) -> list[tf.Tensor]:
        if self.source is None:
            return [tf.ones(mask.shape, tf.bool) for mask in masks]
        allowed = masks_of(self.source, self._entries, "source")
        for entry, mask, source in zip(self._entries, masks, allowed, strict=True):
            outside = int(np.count_nonzero(mask & ~source))
            if outside:
                raise ValueError(
                    f"{entry.name} keeps {outside:,} weights outside of source=. Draw the first masks inside "
                    "it: tf_tickets.prune(..., within=source)."
                )
        return [tf.constant(mask) for mask in allowed]

    def _end_of(self, end_step: int | None, part: float, known: bool) -> int:
        if end_step is not None:
            return end_step
        if not known:
            raise ValueError(
                f"{type(self).__name__} does not know how long the training is (its data have no length): "
                "pass end_step=."
            )
        return round(part * self._steps)

    def _steps_until(self, epoch: int) -> int:
        """The optimizer's steps in so many epochs, 0 if that is not known."""
        batches = epoch * (self.params.get("steps") or 0)
        return batches // (self._inner_optimizer.gradient_accumulation_steps or 1)

    @property
    def _inner_optimizer(self) -> keras.optimizers.Optimizer:
        return getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)

    def _due_between(self, before: int, after: int) -> int | None:
        """The last step of (before, after], in the optimizer's count, after which masks move, or None."""
        begin = self._begin or 0
        steps = range(after - begin, before - begin, -1)
        return next((step for step in steps if self.due(step)), None)

    def _iterations(self) -> int:
        return int(value_of(self.model.optimizer.iterations))

    def _steps_of_a_call(self) -> int:
        return int(getattr(self.model, "steps_per_execution", None) or 1)
