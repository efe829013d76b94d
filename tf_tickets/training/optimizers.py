"""The optimizers by name: a table. Reading it loads no TensorFlow."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from tf_tickets.support.late import late
from tf_tickets.support.own_code import failures_told, row_of
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


def optimizer_row(name: str) -> Optimizer:
    """The row of an optimizer's name; one made of a function or class of the user's own, by `file.py:name`.

    That is called as `(learning_rate) -> keras.optimizers.Optimizer`, and sets everything else itself.

    Raises:
        ValueError: there is no such optimizer, or it cannot be called.
    """
    return row_of("--optimizer", name, OPTIMIZERS, Optimizer, Optimizer)


def make_optimizer(recipe: Hyperparameters) -> keras.optimizers.Optimizer:
    """A new optimizer, with the hyperparameters of a recipe.

    Raises:
        ValueError: there is no such optimizer, or one of the user's own cannot be made.
    """
    row = optimizer_row(recipe.optimizer)
    settings = {field: getattr(recipe, field) for field in row.uses}
    if recipe.optimizer in OPTIMIZERS:
        return row.make(recipe.learning_rate, **settings)
    import keras

    from tf_tickets.layers.optimizer_reset import has_own_schedule

    how = ". It is called as (learning_rate) -> keras.optimizers.Optimizer."
    with failures_told(f"--optimizer={recipe.optimizer}", how):
        made = row.make(recipe.learning_rate, **settings)
    if not isinstance(made, keras.optimizers.Optimizer):
        raise ValueError(
            f"--optimizer={recipe.optimizer} is to return a keras.optimizers.Optimizer. "
            f"Received: {type(made).__name__}"
        )
    if has_own_schedule(made):
        raise ValueError(
            f"--optimizer={recipe.optimizer} has a LearningRateSchedule of its own, and runs set the rate: "
            "let it take the learning_rate that it is handed, and name the schedule by --schedule."
        )
    return made
