"""GraNet: gradual magnitude pruning that drops and grows connections on its way."""

from typing import Any

import numpy as np
import tensorflow as tf

from tf_tickets.sparse_training.drop_and_grow import drop_and_grow
from tf_tickets.sparse_training.drop_fractions import (
    check_drop_fraction,
    exchanged_count,
    granet_drop_fraction,
)
from tf_tickets.sparse_training.gradual_pruning import GradualMagnitudePruning


class GraNet(GradualMagnitudePruning):
    """Gradual magnitude pruning with neuroregeneration: prunes, then drops and grows (Liu et al., 2021).

    Every update first prunes along the cubic schedule, up to `end_step`, then exchanges a fraction of each
    layer's connections for those with the largest gradients, up to the end of the training. What is pruned is
    zero, with fresh optimizer state, before the exchange, and starts so where growth takes it back in the
    same update. What the exchange itself drops and takes back keeps its value and its state, as in `RigL`.

    So does the authors' code. What differs: counts are met exactly, where theirs keeps one weight less than
    it counts; `end_step` itself is an update, and the cubic schedule reaches its target there, where theirs
    counts in whole updates.

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
        self.drop_fraction = check_drop_fraction(drop_fraction)

    def check_plan(self) -> None:
        super().check_plan()
        self._last = max(self._steps, self._end)

    def due(self, step: int) -> bool:
        return step == self._end or (0 < step < self._last and step % self.frequency == 0)

    def settings(self, step: int) -> dict[str, Any]:
        fraction = granet_drop_fraction(self.drop_fraction, step / self._last)
        return {**super().settings(step), "fraction": np.float64(fraction)}

    def updated_masks(self, masks: list[tf.Tensor], settings: dict[str, tf.Tensor]) -> list[tf.Tensor]:
        pruned = super().updated_masks(masks, settings)
        self.start_afresh([mask & ~left for mask, left in zip(masks, pruned, strict=True)])
        return [
            drop_and_grow(
                entry.weight.value,
                mask,
                tf.abs(tap.total),
                exchanged_count(mask, settings["fraction"], "up"),
                allowed,
            )
            for entry, mask, tap, allowed in zip(
                self._entries, pruned, self._taps.taps, self._allowed, strict=True
            )
        ]
