"""Callbacks that move masks while a model trains, in our trainer and in a plain `model.fit` alike.

A network that is sparse from its first step to its last, and finds its connections on the way:

    tt.prune(model, "erk", sparsity=0.9)
    model.fit(x, y, epochs=30, callbacks=[tt.callbacks.RigL(frequency=100)])
"""

import contextlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_tickets.layers import (
    GradientTap,
    MaskedWeight,
    attach_reading,
    detach_reading,
    forget_traces,
    mask_layers,
    masked_weights,
)
from tf_tickets.pruning import Ticket, Within, masks_of, ticket_of
from tf_tickets.pruning.choices import check_choice
from tf_tickets.pruning.sparsity import check_sparsity, total_to_keep
from tf_tickets.sparse_training.drop_and_grow import drop_and_grow, part_of
from tf_tickets.sparse_training.schedules import DROP_SCHEDULES, cubic_density, granet_drop_fraction
from tf_tickets.sparse_training.selection import keep_largest
from tf_tickets.sparse_training.slots import slots_of
from tf_tickets.support.numbers import is_number, is_whole

PART = 0.75  # of a training in which masks move, where nothing else is said (RigL, section 3)


class MaskUpdates(keras.callbacks.Callback):
    """Moves the masks of a model every so many steps of its optimizer. A base class: see the ones below.

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
        ticket: after the training, the Ticket that the model carries.

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
        self.frequency = _whole("frequency", frequency, 1)
        self.begin_step = None if begin_step is None else _whole("begin_step", begin_step, 0)
        self.end_step = None if end_step is None else _whole("end_step", end_step, 1)
        self.source = source
        self.seed = _whole("seed", seed, 0)
        self.ticket: Ticket | None = None
        self._entries: list[MaskedWeight] = []
        self._taps: list[GradientTap] = []
        self._first_density = 1.0
        self._begin: int | None = None
        self._first_epoch: int | None = None
        self._resumed = False
        self._at_first = self._steps = self._end = self._last = self._before = 0
        self._adding: int | None = None
        self._move: Callable[..., None] | None = None

    def due(self, step: int) -> bool:
        """Whether masks move after this step, counted from 1 at the beginning of the training."""
        return 0 < step < self._end and step % self.frequency == 0

    def updated(self, masks: list[tf.Tensor], numbers: dict[str, tf.Tensor]) -> list[tf.Tensor]:
        """The masks after an update: a part of one traced function.

        Args:
            masks: bool tensors in forward order, what is kept now.
            numbers: what `numbers` gave for the step.
        """
        raise NotImplementedError

    def numbers(self, step: int) -> dict[str, Any]:
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
        self._check_readings()
        self._allowed = self._check_source([np.asarray(mask) for mask in self._masks])
        self._slots = slots_of(self.model, [entry.weight for entry in entries])
        self._at_first = self._done()
        if known != entries or self.begin_step is None or self._at_first <= self.begin_step:
            # Otherwise this is the next part of a training whose beginning it has seen.
            self._first_density = self.density
        self._begin, self._first_epoch, self._resumed = None, None, False
        self._move = None

    def _plan(self) -> None:
        """Where the moving begins and ends: known before the first step, with its epoch."""
        # The optimizer does not count steps that overflow, so where it stands in a checkpoint does not say
        # how many there were.
        now = self._at_first if self._resumed else self._done()
        first = now - self._steps_until(self._first_epoch or 0)
        begin = first if self.begin_step is None else self.begin_step
        steps = self._steps_until(self.params.get("epochs") or 0)
        self._steps = max(first + steps - begin, 0) if steps else 0
        self._end = self._last = self._end_of(self.end_step, PART, known=bool(steps))
        self.check()
        self._begin = begin
        self._attach_taps()

    def check(self) -> None:
        """Raises ValueError if the updates cannot take place; the model is known then."""

    @property
    def density(self) -> float:
        """Fraction of all prunable weights that the masks keep now."""
        return self._kept / sum(entry.size for entry in self._entries)

    @property
    def _kept(self) -> int:
        return sum(int(np.asarray(mask).sum()) for mask in self._masks)

    @property
    def _masks(self) -> list[keras.Variable]:
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
        done = self._done() - self._begin
        following = next((step for step in range(done + 1, self._last + 1) if self.due(step)), None)
        if following is None:
            return 2**31
        return max(1, following - done - self.watches_gradient)

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        if self._begin is None:
            self._plan()  # in a loop that has no epochs
        self._before = self._done()
        if self._taps:
            self._open_taps()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        step = self._due_between(self._before, self._done())
        if step is not None:
            self.move(step)

    def on_train_end(self, logs: dict | None = None) -> None:
        self._detach_taps()
        self.ticket = ticket_of(self.model, {"found_by": type(self).__name__, "seed": self.seed})
        if self.ticket.collapsed:
            warnings.warn(f"After training, {self.ticket.collapsed}.", stacklevel=2)

    def move(self, step: int) -> None:
        """Moves the masks as after the step, counted from 1 at the beginning of the training."""
        if self._move is None:
            self._move = tf.function(self._update, autograph=False)
        numbers = {name: tf.constant(value) for name, value in self.numbers(step).items()}
        strategy = getattr(self._entries[0].weight._value, "distribute_strategy", None)
        with strategy.scope() if strategy is not None else contextlib.nullcontext():
            self._move(numbers)
        for tap in self._taps:
            tap.close()
        self._adding = None

    def _open_taps(self) -> None:
        """Opens them for a call that takes part in a step which is due; of several batches, at the first."""
        optimizer = self._inner_optimizer
        size, made = optimizer.gradient_accumulation_steps or 1, int(np.asarray(optimizer._iterations))
        if not self._due_between(self._before, (made + self._steps_of_a_call() - 1) // size + 1):
            return
        # A batch that overflowed is not counted and has spoilt the sums: they begin anew.
        goes_on = made % size and self._adding is not None and self._adding < made
        for tap in () if goes_on else self._taps:
            tap.open()
        self._adding = made

    def _update(self, numbers: dict[str, tf.Tensor]) -> None:
        before = [tf.convert_to_tensor(mask.value) for mask in self._masks]
        after = self.updated(before, numbers)
        for entry, slots, mask, old, new in zip(
            self._entries, self._slots, self._masks, before, after, strict=True
        ):
            grown = new & ~old
            # What the mask hid is still in the variable, and what was learned of it in the optimizer.
            entry.weight.assign(tf.where(grown, tf.zeros_like(entry.weight.value), entry.weight.value))
            for slot in slots:
                value = slot.variable.value
                slot.variable.assign(tf.where(grown, tf.cast(slot.fresh, value.dtype), value))
            mask.assign(new)

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

    def _done(self) -> int:
        return int(np.asarray(self.model.optimizer.iterations))

    def _steps_of_a_call(self) -> int:
        return int(getattr(self.model, "steps_per_execution", None) or 1)

    def _check_readings(self) -> None:
        for entry in self._entries if self.watches_gradient else ():
            known = entry.layer.readings.get(entry.attribute)
            if known is not None and not isinstance(known, GradientTap):
                raise ValueError(
                    f"{entry.name} is computed by {type(known).__name__}, which does not go together with "
                    f"{type(self).__name__}."
                )

    def _attach_taps(self) -> None:
        self._taps, self._adding = [], None
        if not self.watches_gradient:
            return
        for entry in self._entries:
            # Another callback's tap does for both.
            known = entry.layer.readings.get(entry.attribute)
            self._taps.append(known if isinstance(known, GradientTap) else GradientTap(entry.weight))
            if known is None:
                attach_reading(entry.layer, entry.attribute, self._taps[-1])
        forget_traces(self.model)

    def _detach_taps(self) -> None:
        for entry in self._entries if self._taps else ():
            detach_reading(entry.layer, entry.attribute)
        if self._taps:
            forget_traces(self.model)
        self._taps = []


class DropAndGrow(MaskUpdates):
    """Exchanges the weakest connections of every layer for new ones; each layer keeps its count.

    Args:
        drop_fraction: fraction of a layer's connections that the first update exchanges, in (0, 1).
        drop_schedule: how the fraction goes down to `end_step`: `"cosine"`, `"constant"` or `"cubic"`.
        **kwargs: see `MaskUpdates`. `end_step` is by default three quarters of the training from
            `begin_step` on.
    """

    rounding = "down"

    def __init__(self, drop_fraction: float = 0.3, drop_schedule: str = "cosine", **kwargs: Any):
        super().__init__(**kwargs)
        self.drop_fraction = _drop_fraction(drop_fraction)
        check_choice("drop_schedule", drop_schedule, tuple(DROP_SCHEDULES))
        self.drop_schedule = drop_schedule

    def check(self) -> None:
        if self._first_density == 1:
            raise ValueError(
                f"{type(self).__name__} exchanges what is pruned, and model '{self.model.name}' is dense: "
                'call tf_tickets.prune(model, "erk", sparsity) first.'
            )
        if self.frequency >= self._end:
            raise ValueError(
                f"{type(self).__name__}(frequency={self.frequency}) never moves a mask: the first update "
                f"would be after step {self.frequency}, and they end before step {self._end}. Lower the "
                "frequency."
            )
        if all(np.array_equal(a, m) for a, m in zip(self._allowed, self._masks, strict=True)):
            raise ValueError(
                f"{type(self).__name__} has nowhere to grow: the masks keep all of source=. Prune the model "
                "within the source first."
            )

    def fraction(self, step: int) -> float:
        """Fraction of the connections that is exchanged after a step."""
        return DROP_SCHEDULES[self.drop_schedule](self.drop_fraction, step / self._end)

    def numbers(self, step: int) -> dict[str, Any]:
        return {"fraction": np.float64(self.fraction(step)), "step": np.int32(step)}

    def growth(self, position: int, numbers: dict[str, tf.Tensor]) -> tf.Tensor:
        """Non-negative scores for growing in the weight at a position."""
        return tf.abs(self._taps[position].total)

    def updated(self, masks: list[tf.Tensor], numbers: dict[str, tf.Tensor]) -> list[tf.Tensor]:
        return [
            drop_and_grow(
                entry.weight.value,
                mask,
                self.growth(position, numbers),
                part_of(mask, numbers["fraction"], self.rounding),
                self._allowed[position],
            )
            for position, (entry, mask) in enumerate(zip(self._entries, masks, strict=True))
        ]


class RigL(DropAndGrow):
    """Drops by magnitude and grows by gradient (Evci et al., 2020).

    The gradient is that of the effective weight, mask * w, in the step before the update, where pruned
    weights have one; it is caught on its way through backpropagation (`tf_tickets.layers.GradientTap`). What
    grows starts at zero with fresh optimizer state, but a connection that was dropped in the same update and
    comes back, which keeps both.

    The authors' code makes the update instead of an optimizer step; here the step is made too, as in the code
    of GraNet and of in-time over-parameterization (RigL-ITOP).

    Args:
        drop_fraction, drop_schedule: see `DropAndGrow`; alpha and f_decay of the paper.
        **kwargs: see `MaskUpdates`; `frequency` is the paper's Delta T.

    Example:
        >>> tt.prune(model, "erk", sparsity=0.9)
        >>> model.fit(x, y, epochs=30, callbacks=[tt.callbacks.RigL(frequency=100)])

    Reference:

    - [Evci et al., 2020](https://arxiv.org/abs/1911.11134), section 3
    """

    watches_gradient = True


class SET(DropAndGrow):
    """Drops by magnitude and grows at random (Mocanu et al., 2018): sparse evolutionary training.

    Args:
        drop_fraction: zeta of the paper.
        drop_schedule: the paper's is `"constant"`.
        **kwargs: see `MaskUpdates`.

    Reference:

    - [Mocanu et al., 2018](https://arxiv.org/abs/1707.04780)
    """

    def __init__(self, drop_fraction: float = 0.3, drop_schedule: str = "constant", **kwargs: Any):
        super().__init__(drop_fraction, drop_schedule, **kwargs)

    def growth(self, position: int, numbers: dict[str, tf.Tensor]) -> tf.Tensor:
        shape = self._entries[position].shape
        layer = numbers["step"] * len(self._entries) + position
        return tf.random.stateless_uniform(shape, [self.seed % 2**31, layer])


class GradualMagnitudePruning(MaskUpdates):
    """Prunes by magnitude, all layers ranked together, along a cubic schedule that ends at the target.

    Pruned weights stay pruned, so inside a source mask all masks are.

    Args:
        sparsity: fraction of the prunable weights that is removed at the end, in [0, 1).
        schedule: `step -> (prune now?, sparsity)` instead of the cubic schedule, such as a PruningSchedule of
            tensorflow-model-optimization; steps count from 1 here. Not with `sparsity`, `end_step` or
            `initial_sparsity`.
        initial_sparsity: where the cubic schedule begins. None: at the sparsity that the masks have when this
            training begins. Say it, with `begin_step` and `end_step`, where one schedule is cut into several
            trainings: each with a callback of its own, or one that goes on from masks that were put back
            before (`BackupAndRestore` placed before this callback).
        **kwargs: see `MaskUpdates`. `end_step` is by default three quarters of the training from
            `begin_step` on.

    Raises:
        ValueError: as `MaskUpdates`; and, at the start of training, a target denser than the masks, or a
            schedule that ends after the training, unless `initial_sparsity` makes it one of several.

    Example:
        >>> model.fit(x, y, epochs=30, callbacks=[tt.callbacks.GradualMagnitudePruning(sparsity=0.95)])

    Reference:

    - [Zhu and Gupta, 2017](https://arxiv.org/abs/1710.01878), section 3
    """

    def __init__(
        self,
        sparsity: float | None = None,
        schedule: Callable[[int], tuple[Any, Any]] | None = None,
        initial_sparsity: float | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if (sparsity is None) == (schedule is None):
            raise ValueError(
                f"Pass either sparsity= or schedule=. Received: sparsity={sparsity}, schedule={schedule}"
            )
        ends = (self.end_step, initial_sparsity)
        if schedule is not None and (not callable(schedule) or ends != (None, None)):
            raise ValueError(
                "schedule= is a callable step -> (prune now?, sparsity), which says by itself where it "
                f"begins and where it ends. Received: schedule={schedule!r}, end_step={self.end_step}, "
                f"initial_sparsity={initial_sparsity}"
            )
        self.sparsity = None if sparsity is None else check_sparsity(sparsity)
        self.initial_sparsity = None if initial_sparsity is None else check_sparsity(initial_sparsity)
        if (self.initial_sparsity or 0.0) > (1.0 if self.sparsity is None else self.sparsity):
            raise ValueError(
                "initial_sparsity= is where the schedule begins, at most sparsity=. Received: "
                f"initial_sparsity={initial_sparsity}, sparsity={sparsity}"
            )
        self.schedule = schedule

    def check(self) -> None:
        if self.sparsity is None:
            return
        keep = total_to_keep(sum(entry.size for entry in self._entries), self.sparsity)
        if keep > self._kept:
            raise ValueError(
                f"{type(self).__name__}(sparsity={self.sparsity}) is to keep {keep:,} weights, and the "
                f"model's masks keep {self._kept:,}: a target cannot be denser than the source."
            )
        if self._end < 1:
            raise ValueError(
                f"{type(self).__name__}(begin_step={self.begin_step}) never moves a mask: the training ends "
                "before. Lower begin_step=."
            )
        if self._ends_later and self.initial_sparsity is None:
            raise ValueError(
                f"{type(self).__name__}(end_step={self.end_step}) would end after the training, which has "
                f"{self._steps} steps from begin_step on, and miss its target. Lower end_step=; or, if this "
                "is the first of several trainings with one schedule, pass initial_sparsity= and begin_step=."
            )
        if self.initial_sparsity is not None:
            self._first_density = 1 - self.initial_sparsity

    @property
    def _ends_later(self) -> bool:
        """Whether the schedule goes on after this training, as far as its length is known."""
        return bool(self.params.get("steps")) and self._end > self._steps

    def on_train_begin(self, logs: dict | None = None) -> None:
        if not masked_weights(self.model):
            mask_layers(self.model)
        super().on_train_begin(logs)

    def on_train_end(self, logs: dict | None = None) -> None:
        super().on_train_end(logs)
        if self.sparsity is None or self._ends_later:
            return
        keep = total_to_keep(sum(entry.size for entry in self._entries), self.sparsity)
        if self._kept > keep:
            warnings.warn(
                f"{type(self).__name__} did not reach its target: the training ended at a density of "
                f"{self.density:.6g}, and {1 - self.sparsity:.6g} was asked for. The masks are left as "
                "they are.",
                stacklevel=2,
            )

    def due(self, step: int) -> bool:
        if self.schedule is not None:
            return step > 0 and bool(self.schedule(step)[0])
        return step == self._end or super().due(step)

    def steps_alone(self) -> int:
        return 1 if self.schedule is not None else super().steps_alone()

    def sparsity_at(self, step: int) -> float:
        """The sparsity that an update after the step brings about."""
        if self.schedule is not None:
            return float(self.schedule(step)[1])
        assert self.sparsity is not None
        return 1 - cubic_density(self._first_density, 1 - self.sparsity, min(step / self._end, 1))

    def _end_of(self, end_step: int | None, part: float, known: bool) -> int:
        return 2**31 - 1 if self.schedule is not None else super()._end_of(end_step, part, known)

    def numbers(self, step: int) -> dict[str, Any]:
        total = sum(entry.size for entry in self._entries)
        return {"keep": np.int64(total_to_keep(total, self.sparsity_at(step)))}

    def updated(self, masks: list[tf.Tensor], numbers: dict[str, tf.Tensor]) -> list[tf.Tensor]:
        kept = tf.add_n([tf.math.count_nonzero(mask) for mask in masks])
        magnitudes = [tf.abs(entry.weight.value) for entry in self._entries]
        return keep_largest(magnitudes, tf.minimum(numbers["keep"], kept), masks)


class GraNet(GradualMagnitudePruning):
    """Gradual magnitude pruning with neuroregeneration: prunes, then drops and grows (Liu et al., 2021).

    Every update first prunes along the cubic schedule, up to `end_step`, then exchanges a fraction of each
    layer's connections for those with the largest gradients, up to the end of the training.

    Args:
        sparsity: fraction of the prunable weights that is removed at the end, in [0, 1).
        drop_fraction: fraction exchanged at the beginning; a cosine takes it to 0.005.
        initial_sparsity: see `GradualMagnitudePruning`.
        **kwargs: see `MaskUpdates`. `end_step` is where pruning ends.

    Reference:

    - [Liu et al., 2021](https://arxiv.org/abs/2106.10404), section 4
    """

    watches_gradient = True

    def __init__(
        self,
        sparsity: float,
        drop_fraction: float = 0.5,
        initial_sparsity: float | None = None,
        **kwargs: Any,
    ):
        super().__init__(sparsity, initial_sparsity=initial_sparsity, **kwargs)
        self.drop_fraction = _drop_fraction(drop_fraction)

    def check(self) -> None:
        super().check()
        self._last = max(self._steps, self._end)

    def due(self, step: int) -> bool:
        return step == self._end or (0 < step < self._last and step % self.frequency == 0)

    def numbers(self, step: int) -> dict[str, Any]:
        fraction = granet_drop_fraction(self.drop_fraction, step / self._last)
        return {**super().numbers(step), "fraction": np.float64(fraction)}

    def updated(self, masks: list[tf.Tensor], numbers: dict[str, tf.Tensor]) -> list[tf.Tensor]:
        pruned = super().updated(masks, numbers)
        return [
            drop_and_grow(
                entry.weight.value,
                mask,
                tf.abs(tap.total),
                part_of(mask, numbers["fraction"], "up"),
                allowed,
            )
            for entry, mask, tap, allowed in zip(
                self._entries, pruned, self._taps, self._allowed, strict=True
            )
        ]


def _whole(argument: str, value: Any, least: int) -> int:
    if not is_whole(value, least):
        raise ValueError(f"{argument}= is a whole number, {least} or more. Received: {value!r}")
    return int(value)


def _drop_fraction(value: Any) -> float:
    if not is_number(value) or not 0 < value < 1:
        raise ValueError(f"drop_fraction= is a fraction in (0, 1). Received: {value!r}")
    return float(value)
