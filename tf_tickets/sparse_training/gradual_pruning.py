"""Gradual magnitude pruning: masks that lose their smallest weights while the model trains."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tf_tickets.layers import check_backup_comes_later, mask_layers, masked_weights, nothing_to_prune
from tf_tickets.pruning.sparsity import check_sparsity, total_to_keep
from tf_tickets.sparse_training.density_schedules import cubic_density
from tf_tickets.sparse_training.mask_updates import MaskUpdates
from tf_tickets.sparse_training.traced_ranking import top_k_masks


class GradualMagnitudePruning(MaskUpdates):
    """Prunes by magnitude, all layers ranked together, along a cubic schedule that ends at the target.

    Pruned weights stay pruned, so inside a source mask all masks are.

    Args:
        sparsity: fraction of the prunable weights that is removed at the end, in [0, 1).
        schedule: `step -> (prune now?, sparsity)` instead of the cubic schedule, such as a PruningSchedule of
            tensorflow-model-optimization; not with `sparsity`, `end_step` or `initial_sparsity`. As all
            updates are made after a step, what it says for step t, 1 or more, is done after the t-th step of
            the optimizer, the last included: one step later than tensorflow-model-optimization does it.
            `tf_tickets.callbacks.MagnitudePruning(schedule=)` follows that to the step.
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

    def check_plan(self) -> None:
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
            self._initial_density = 1 - self.initial_sparsity

    @property
    def _ends_later(self) -> bool:
        """Whether the schedule goes on after this training, as far as its length is known."""
        return bool(self.params.get("steps")) and self._end > self._steps

    def on_train_begin(self, logs: dict | None = None) -> None:
        check_backup_comes_later(self)
        if not masked_weights(self.model) and not mask_layers(self.model).masked:
            raise ValueError(nothing_to_prune(self.model))
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
        return 1 - cubic_density(self._initial_density, 1 - self.sparsity, min(step / self._end, 1))

    def _end_of(self, end_step: int | None, part: float, known: bool) -> int:
        return 2**31 - 1 if self.schedule is not None else super()._end_of(end_step, part, known)

    def settings(self, step: int) -> dict[str, Any]:
        total = sum(entry.size for entry in self._entries)
        return {"keep": np.int64(total_to_keep(total, self.sparsity_at(step)))}

    def updated_masks(self, masks: list[tf.Tensor], settings: dict[str, tf.Tensor]) -> list[tf.Tensor]:
        kept = tf.add_n([tf.math.count_nonzero(mask) for mask in masks])
        magnitudes = [tf.abs(entry.weight.value) for entry in self._entries]
        return top_k_masks(magnitudes, tf.minimum(settings["keep"], kept), masks)
