"""Learning-rate rewinding: the rates of earlier epochs again, with a fresh optimizer state."""

from collections.abc import Callable
from typing import TypeAlias

import keras

from tf_tickets.callbacks.epochs import check_epoch, check_within
from tf_tickets.layers import has_own_schedule, reset_optimizer, value_of

Schedule: TypeAlias = Callable[[int], float]


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
        self.epoch = check_epoch("epoch", epoch)
        self.to = check_epoch("to", to)
        if schedule is None and self.to > self.epoch:
            raise ValueError(f"Cannot rewind at epoch {epoch} to a later one without schedule=: to={to}.")
        self.schedule = schedule
        self._first: int | None = None
        self._seen: dict[int, float] = {}

    def on_train_begin(self, logs: dict | None = None) -> None:
        check_within(self, self.params.get("epochs"), self.epoch)
        own = has_own_schedule(self.model.optimizer)
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
        if has_own_schedule(optimizer):
            return
        if self.schedule is not None:
            offset = self.epoch - self.to if epoch >= self.epoch else 0
            optimizer.learning_rate = self.schedule(epoch - offset)
        elif epoch < self.epoch or self.to == self.epoch:
            self._seen[epoch] = float(value_of(optimizer.learning_rate))
        else:
            # Past the end of what was seen, the last rate goes on.
            optimizer.learning_rate = self._seen[min(epoch - self.epoch + self.to, max(self._seen))]

    def check_start(self, first: int) -> None:
        """Raises ValueError if training starts, at epoch `first`, too late for the rewinding."""
        if self.schedule is None and not has_own_schedule(self.model.optimizer) and first > self.to:
            raise ValueError(
                f"Training starts at epoch {first}, so the learning rate of epoch {self.to} is not seen: "
                "pass schedule=, or start at that epoch or before."
            )

    def rewind(self) -> None:
        """What happens once, at the start of epoch `epoch`, before its learning rate is set."""
        reset_optimizer(self.model)
