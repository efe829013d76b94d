"""Taps on the gradients of all masked weights, for the steps whose gradient an update of the masks needs."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from tf_tickets.layers import (
    GradientTap,
    MaskedWeight,
    attach_parametrization,
    detach_parametrization,
    forget_traces,
)


class GradientTaps:
    """One `GradientTap` for each masked weight of a model, while they are attached.

    Attributes:
        taps: in forward order; none while they are not attached.
    """

    def __init__(self) -> None:
        self.taps: list[GradientTap] = []
        self._adding: int | None = None

    @staticmethod
    def check(entries: Sequence[MaskedWeight], what: str) -> None:
        """Raises ValueError if a weight has another parametrization; `what` needs the taps."""
        for entry in entries:
            known = entry.layer.parametrizations.get(entry.attribute)
            if known is not None and not isinstance(known, GradientTap):
                raise ValueError(
                    f"{entry.name} is computed by {type(known).__name__}, which does not go together with "
                    f"{what}."
                )

    def attach(self, model: keras.Model, entries: Sequence[MaskedWeight]) -> None:
        """Puts a tap on every weight that has none yet: that of another callback does for both.

        A step of `model.fit` that fails takes them off again, since nothing is called at the end then.
        """
        self.taps, self._adding = [], None
        for entry in entries:
            known = entry.layer.parametrizations.get(entry.attribute)
            self.taps.append(known if isinstance(known, GradientTap) else GradientTap(entry.weight))
            if known is None:
                attach_parametrization(entry.layer, entry.attribute, self.taps[-1])
        forget_traces(model)
        step = getattr(model, "train_function", None)
        if step is not None:
            model.train_function = self._guarded(step, model, entries)

    def _guarded(self, step: Callable, model: keras.Model, entries: Sequence[MaskedWeight]) -> Callable:
        def guarded(*args: Any) -> Any:
            try:
                return step(*args)
            except (StopIteration, tf.errors.OutOfRangeError):
                raise  # how data end
            except BaseException:
                self.detach(model, entries)
                raise

        return guarded

    def detach(self, model: keras.Model, entries: Sequence[MaskedWeight]) -> None:
        """Takes them off again, if they are attached."""
        if not self.taps:
            return
        for entry in entries:
            detach_parametrization(entry.layer, entry.attribute)
        forget_traces(model)
        self.taps = []

    def open(self, batches: int, per_step: int) -> None:
        """Opens them for the next batch; where several batches make a step, at the first of them.

        Args:
            batches: that the optimizer has taken in.
            per_step: how many make a step.
        """
        # A batch that overflowed is not counted and has spoilt the sums: they begin anew.
        goes_on = batches % per_step and self._adding is not None and self._adding < batches
        for tap in () if goes_on else self.taps:
            tap.open()
        self._adding = batches

    def close(self) -> None:
        """From now on, gradients pass by."""
        for tap in self.taps:
            tap.close()
        self._adding = None
