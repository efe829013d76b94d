"""Drop and grow: exchanging the weakest connections of a layer for new ones, as RigL and SET do."""

from typing import Any

import numpy as np
import tensorflow as tf

from tf_tickets.layers import value_of
from tf_tickets.pruning.choices import check_choice
from tf_tickets.sparse_training.drop_fractions import DROP_SCHEDULES, check_drop_fraction, exchanged_count
from tf_tickets.sparse_training.mask_updates import MaskUpdates
from tf_tickets.sparse_training.traced_ranking import top_k_masks


class DropAndGrow(MaskUpdates):
    """Exchanges the weakest connections of every layer for new ones; each layer keeps its count.

    Args:
        drop_fraction: fraction of a layer's connections that the first update exchanges, in (0, 1).
        drop_schedule: how the fraction goes down to `end_step`: `"cosine"`, `"constant"`, `"cubic"`, or
            `"cosine_floor"`, a cosine to 0.005 as in the code of GraNet and RigL-ITOP.
        **kwargs: see `MaskUpdates`. `end_step` is by default three quarters of the training from
            `begin_step` on.
    """

    rounding = "down"

    def __init__(self, drop_fraction: float = 0.3, drop_schedule: str = "cosine", **kwargs: Any):
        super().__init__(**kwargs)
        self.drop_fraction = check_drop_fraction(drop_fraction)
        check_choice("drop_schedule", drop_schedule, tuple(DROP_SCHEDULES))
        self.drop_schedule = drop_schedule

    def check_plan(self) -> None:
        if self._initial_density == 1:
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
        masks = [value_of(mask) for mask in self._masks]
        if all(np.array_equal(a, m) for a, m in zip(self._allowed, masks, strict=True)):
            raise ValueError(
                f"{type(self).__name__} has nowhere to grow: the masks keep all of source=. Prune the model "
                "within the source first."
            )

    def fraction(self, step: int) -> float:
        """Fraction of the connections that is exchanged after a step."""
        return DROP_SCHEDULES[self.drop_schedule](self.drop_fraction, step / self._end)

    def settings(self, step: int) -> dict[str, Any]:
        return {"fraction": np.float64(self.fraction(step)), "step": np.int32(step)}

    def growth(self, position: int, settings: dict[str, tf.Tensor]) -> tf.Tensor:
        """Non-negative scores for growing in the weight at a position."""
        return tf.abs(self._taps.taps[position].total)

    def updated_masks(self, masks: list[tf.Tensor], settings: dict[str, tf.Tensor]) -> list[tf.Tensor]:
        return [
            drop_and_grow(
                entry.weight.value,
                mask,
                self.growth(position, settings),
                exchanged_count(mask, settings["fraction"], self.rounding),
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
    of GraNet and of in-time over-parameterization (RigL-ITOP). As there, the first update is `frequency`
    steps after `begin_step`; the authors' code makes one at `begin_step` already, by default that of an
    untrained network at the first step. Their cosine counts from step 0, ours from `begin_step`.

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

    As in RigL's code, the smallest magnitudes are dropped, and what is drawn again in the same update keeps
    its value. The authors' own code takes the fraction of the positive and of the negative weights each, and
    starts what it draws again at zero.

    Args:
        drop_fraction: zeta of the paper.
        drop_schedule: the paper's is `"constant"`.
        **kwargs: see `MaskUpdates`.

    Reference:

    - [Mocanu et al., 2018](https://arxiv.org/abs/1707.04780)
    """

    def __init__(self, drop_fraction: float = 0.3, drop_schedule: str = "constant", **kwargs: Any):
        super().__init__(drop_fraction, drop_schedule, **kwargs)

    def growth(self, position: int, settings: dict[str, tf.Tensor]) -> tf.Tensor:
        shape = self._entries[position].shape
        layer = settings["step"] * len(self._entries) + position
        return tf.random.stateless_uniform(shape, [self.seed % 2**31, layer])


def drop_and_grow(
    weight: tf.Tensor, mask: tf.Tensor, growth: tf.Tensor, count: tf.Tensor, allowed: tf.Tensor
) -> tf.Tensor:
    """The mask after `count` weights were exchanged; as many are kept as before.

    The weights of smallest magnitude are dropped. Those with the largest growth scores come in their place,
    out of all that is not kept then, what was just dropped included.

    Args:
        weight: the layer's weights.
        mask: bool, what is kept now.
        growth: non-negative scores, such as |d loss / d (mask * w)| for RigL or random numbers for SET.
        count: how many to exchange.
        allowed: bool, where weights may grow; what is kept must be allowed.

    Reference:

    - [Evci et al., 2020](https://arxiv.org/abs/1911.11134), algorithm 1
    """
    count = tf.cast(count, tf.int64)
    (kept,) = top_k_masks([tf.abs(weight)], tf.math.count_nonzero(mask) - count, [mask])
    (grown,) = top_k_masks([growth], count, [allowed & ~kept])
    return kept | grown
