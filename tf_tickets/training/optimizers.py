"""The optimizers by name: a table. Reading it loads no TensorFlow."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tf_tickets.support.late import late

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


def make_optimizer(name: str, learning_rate: float, **hyperparameters: Any) -> keras.optimizers.Optimizer:
    """A new optimizer.

    Args:
        name: one of `OPTIMIZERS`.
        learning_rate: what it begins with.
        **hyperparameters: those that the row uses are taken, others are left.
    """
    row = OPTIMIZERS[name]
    return row.make(learning_rate, **{field: hyperparameters[field] for field in row.uses})
