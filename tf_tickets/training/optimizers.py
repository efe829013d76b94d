"""The optimizers by name: a table. Reading it loads no TensorFlow."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from tf_tickets.support.late import late
from tf_tickets.support.short_reprs import Rows

if TYPE_CHECKING:
    import keras


@dataclasses.dataclass(frozen=True)
class Optimizer:
    """One row of the table.

    Attributes:
        make: (learning_rate, **hyperparameters) -> the Keras optimizer.
        uses: names of the hyperparameters that it takes beside the learning rate, as a recipe names them.
    """

    make: Callable[..., keras.optimizers.Optimizer]
    uses: tuple[str, ...] = ()


OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": Optimizer(late("tf_tickets.training.sgd:SGD"), uses=("momentum", "nesterov", "weight_decay")),
    "adam": Optimizer(late("keras.optimizers:Adam")),
    "adamw": Optimizer(late("keras.optimizers:AdamW"), uses=("weight_decay",)),
}
OPTIMIZERS = Rows(OPTIMIZERS)


class Hyperparameters(Protocol):
    """What an optimizer is made from: a recipe, with the fields that the optimizer's row uses."""

    @property
    def optimizer(self) -> str:
        """One of `OPTIMIZERS`."""

    @property
    def learning_rate(self) -> float:
        """What it begins with."""


def make_optimizer(recipe: Hyperparameters) -> keras.optimizers.Optimizer:
    """A new optimizer, with the hyperparameters of a recipe."""
    row = OPTIMIZERS[recipe.optimizer]
    return row.make(recipe.learning_rate, **{field: getattr(recipe, field) for field in row.uses})
