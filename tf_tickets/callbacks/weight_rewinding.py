"""Weight rewinding: the weights and learning rates of an earlier epoch again."""

import numpy as np

from tf_tickets.callbacks.learning_rate_rewinding import LearningRateRewinding, Schedule
from tf_tickets.layers import restore_weights, stock_values


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
            self._weights = stock_values(self.model)
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
