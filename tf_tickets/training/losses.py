"""The losses that networks are trained and scored by: `LOSSES`, one row for each, and rows of the user's own.

Reading the table loads no TensorFlow.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tf_tickets.support.late import late
from tf_tickets.support.own_code import row_of
from tf_tickets.support.short_reprs import Rows

if TYPE_CHECKING:
    import keras

CROSS_ENTROPY, BINARY_CROSS_ENTROPY, MEAN_SQUARED = "cross_entropy", "binary_cross_entropy", "mean_squared"


@dataclasses.dataclass(frozen=True)
class Loss:
    """One row of the table.

    Attributes:
        of_examples: (targets, outputs) -> losses `(batch,)`, one an example, in float32 or float64.
        of_logits: whether the outputs are logits, which a temperature divides.
        smooths: whether `of_examples` takes `smoothing=` too, the part of every label that is spread evenly.
        made_by_keras: () -> the same as a loss of Keras, which compiled models have; None makes one of
            `of_examples`.
        about: one line for people.
    """

    of_examples: Callable[..., Any]
    of_logits: bool = False
    smooths: bool = False
    made_by_keras: Callable[[], keras.Loss] | None = None
    about: str = "a function of your own"

    @property
    def compiled(self) -> keras.Loss:
        """The loss as a model is compiled with it: its mean over the examples of a batch."""
        if self.made_by_keras is not None:
            return self.made_by_keras()
        return late("tf_tickets.training.example_losses:ExampleLoss")(self.of_examples, self.of_logits)


def _of(function: str) -> Callable[..., Any]:
    return late(f"tf_tickets.training.example_losses:{function}")


LOSSES: dict[str, Loss] = {
    CROSS_ENTROPY: Loss(
        _of("cross_entropy"),
        of_logits=True,
        smooths=True,
        made_by_keras=late("keras.losses:SparseCategoricalCrossentropy", from_logits=True),
        about="the cross-entropy of a softmax of logits, one class an example",
    ),
    BINARY_CROSS_ENTROPY: Loss(
        _of("binary_cross_entropy"),
        of_logits=True,
        smooths=True,
        about="the cross-entropies of sigmoids of logits, their mean over the labels",
    ),
    MEAN_SQUARED: Loss(_of("mean_squared"), about="squared errors, their mean over the outputs"),
    "mean_absolute": Loss(_of("mean_absolute"), about="absolute errors, their mean over the outputs"),
    "huber": Loss(
        _of("huber"), about="half of squared errors up to 1, beyond it absolute ones less a half; their mean"
    ),
}
LOSSES = Rows(LOSSES)


def loss_row(name: str) -> Loss:
    """The row of a loss's name; of a function of the user's own, `(targets, outputs) -> losses`, one for it.

    Raises:
        ValueError: there is no such loss.
    """
    return row_of("loss", name, LOSSES, Loss, Loss)
