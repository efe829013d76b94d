"""Which part of the recipe's schedule a retraining follows: a table."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from tf_tickets.training.recipe import Recipe


@dataclasses.dataclass(frozen=True)
class Retraining:
    """One row of the table.

    Attributes:
        epochs: (recipe, the epoch that is rewound to) -> the epochs of the recipe that are run.
        rate: (recipe, epoch) -> the learning rate of an epoch.
        trains: whether there is a retraining at all.
    """

    epochs: Callable[[Recipe, int], range]
    rate: Callable[[Recipe, int], float] = Recipe.learning_rate_at
    trains: bool = True


RETRAININGS: dict[str, Retraining] = {
    "full": Retraining(lambda recipe, rewind: range(recipe.epochs)),
    "rest": Retraining(lambda recipe, rewind: range(rewind, recipe.epochs)),
    "last": Retraining(
        lambda recipe, rewind: range(recipe.epochs),
        rate=lambda recipe, epoch: recipe.learning_rate_at(recipe.epochs - 1),
    ),
    "none": Retraining(lambda recipe, rewind: range(0), trains=False),
}
