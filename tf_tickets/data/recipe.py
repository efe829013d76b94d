"""How a network is trained on a dataset, as one frozen record: `Recipe`."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

from tf_tickets.support.numbers import is_finite, is_whole

MOST = 2**31 - 1  # of whole numbers
# Fields that came when runs had been named: at their defaults they are no part of a run's name.
LATER_FIELDS = ("label_smoothing",)


def _milestone_rate(recipe: Recipe, epoch: int) -> float:
    starts = (
        round(milestone * recipe.epochs) if milestone < 1 else milestone for milestone in recipe.milestones
    )
    return recipe.learning_rate * recipe.lr_decay ** sum(start <= epoch for start in starts)


def _cosine_rate(recipe: Recipe, epoch: int) -> float:
    progress = min(epoch / recipe.epochs, 1.0)
    amplitude = recipe.learning_rate - recipe.min_learning_rate
    return recipe.min_learning_rate + 0.5 * (1 + math.cos(math.pi * progress)) * amplitude


@dataclasses.dataclass(frozen=True)
class Schedule:
    """How a learning rate changes: one row of the table.

    Attributes:
        rate: (recipe, 0-based epoch after the warm-up) -> the rate.
        uses: fields of the recipe that mean something to it alone.
    """

    rate: Callable[[Recipe, int], float]
    uses: tuple[str, ...] = ()


SCHEDULES: dict[str, Schedule] = {
    "milestones": Schedule(_milestone_rate, uses=("milestones", "lr_decay")),
    "cosine": Schedule(_cosine_rate, uses=("min_learning_rate",)),
    "constant": Schedule(lambda recipe, epoch: recipe.learning_rate),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """The training that a dataset comes with, and that flags may override field by field.

    Every dataset carries the recipe of its paper; `dataclasses.replace(recipe, epochs=10)` makes a
    changed one, checked again.

    Args:
        model: Name for `tf_tickets.models.build`, for example `"resnet32"`.
        epochs: Length of the training, at least 1.
        augment: Whether training images are randomly cropped and flipped.
        width: Multiplier of the model's channels.
        batch_size: Training examples in one step.
        optimizer: Name of the optimizer, for example `"sgd"`.
        learning_rate: The rate at the top of the schedule.
        momentum: In [0, 1).
        nesterov: Whether the momentum is Nesterov's.
        weight_decay: Coupled L2 of every trainable variable.
        schedule: `"milestones"`, `"cosine"` or `"constant"`.
        milestones: Where the rate is multiplied by `lr_decay`: a value below 1 is a fraction of
            the epochs, any other a 0-based epoch.
        lr_decay: In (0, 1].
        min_learning_rate: Floor of the cosine schedule.
        warmup_epochs: Epochs over which the rate rises linearly.
        label_smoothing: In [0, 1): the part of every training label that is spread evenly over all
            classes. What is evaluated is the plain cross-entropy.

    Raises:
        ValueError: If a value is out of range; the message names the field and the value.

    Example:

    >>> recipe = Recipe(model="resnet32", epochs=160, augment=True)
    >>> [recipe.learning_rate_at(epoch) for epoch in (79, 80)]
    [0.1, 0.010000000000000002]

    Reference: the authors' code behind "Sanity-Checking Pruning Methods", whose training is the
    same for dense networks and every kind of ticket.
    """

    model: str
    epochs: int
    augment: bool
    width: float = 1.0
    batch_size: int = 64
    optimizer: str = "sgd"
    learning_rate: float = 0.1
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 1e-4
    schedule: str = "milestones"
    milestones: tuple[float, ...] = (0.5, 0.75)
    lr_decay: float = 0.1
    min_learning_rate: float = 0.0
    warmup_epochs: int = 0
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        for field in ("model", "optimizer"):
            value = getattr(self, field)
            _require(isinstance(value, str) and value != "", field, "a name", value)
        for field in ("augment", "nesterov"):
            value = getattr(self, field)
            _require(isinstance(value, bool), field, "True or False", value)
        for field, (accepts, expected) in _NUMBERS.items():
            value = getattr(self, field)
            _require(_is_number(value) and accepts(value), field, expected, value)
        _require(self.schedule in SCHEDULES, "schedule", f"one of {', '.join(SCHEDULES)}", self.schedule)
        _require(
            self.min_learning_rate <= self.learning_rate,
            "min_learning_rate",
            f"at most the learning_rate, {self.learning_rate}",
            self.min_learning_rate,
        )
        _require(
            self.warmup_epochs <= self.epochs,
            "warmup_epochs",
            f"at most the epochs, {self.epochs}",
            self.warmup_epochs,
        )
        _require(
            isinstance(self.milestones, (tuple, list)) and all(map(_is_milestone, self.milestones)),
            "milestones",
            "fractions of the epochs in [0, 1) or whole 0-based epochs, as in (0.5, 0.75)",
            self.milestones,
        )
        object.__setattr__(self, "milestones", tuple(self.milestones))  # JSON reads a list

    @property
    def identity(self) -> dict[str, Any]:
        """What names a run: all fields, but later ones only where they are not at their defaults."""
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        fields = dataclasses.asdict(self)
        return {
            name: value
            for name, value in fields.items()
            if name not in LATER_FIELDS or value != defaults[name]
        }

    def learning_rate_at(self, epoch: int) -> float:
        """The learning rate of a 0-based epoch; constant within the epoch.

        Args:
            epoch: 0-based, non-negative. From the last epoch on, cosine stays at its floor.

        Raises:
            ValueError: If `epoch` is negative or not whole.
        """
        _require(_is_number(epoch) and _whole(epoch) and epoch >= 0, "epoch", "0 or more", epoch)
        if epoch < self.warmup_epochs:
            return self.learning_rate * (epoch + 1) / self.warmup_epochs
        return SCHEDULES[self.schedule].rate(self, epoch)


def _is_number(value: Any) -> bool:
    # Whole numbers can be of any length; JSON has no numbers of NumPy.
    return isinstance(value, (int, float)) and is_finite(value) and not is_whole(abs(value), MOST + 1)


def _whole(value: float) -> bool:
    return value == int(value)


def _is_milestone(value: Any) -> bool:
    return _is_number(value) and value >= 0 and (value < 1 or _whole(value))


# Field -> (what is accepted of a number, that in words).
_NUMBERS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "epochs": (lambda value: is_whole(value, 1), f"a whole number, 1 to {MOST}"),
    "batch_size": (lambda value: is_whole(value, 1), f"a whole number, 1 to {MOST}"),
    "warmup_epochs": (lambda value: is_whole(value, 0), f"a whole number, 0 to {MOST}"),
    "width": (lambda value: value > 0, "a number above 0"),
    "learning_rate": (lambda value: value > 0, "a number above 0"),
    "momentum": (lambda value: 0 <= value < 1, "a number in [0, 1)"),
    "weight_decay": (lambda value: value >= 0, "a number, 0 or more"),
    "lr_decay": (lambda value: 0 < value <= 1, "a number in (0, 1]"),
    "min_learning_rate": (lambda value: value >= 0, "a number, 0 or more"),
    "label_smoothing": (lambda value: 0 <= value < 1, "a number in [0, 1)"),
}


def _require(condition: bool, field: str, expected: str, value: Any) -> None:
    if not condition:
        raise ValueError(f"The recipe's {field} must be {expected}. Received: {value!r:.80}")
