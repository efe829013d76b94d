"""How a network is trained on a dataset, as one frozen record: `Recipe`."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

from tf_tickets.support.options import (
    MODEL,
    MOST,
    SETTING,
    TRAINING,
    Kind,
    choice,
    described,
    name,
    number,
    option,
    options_of,
    row_name,
    switch,
    whole,
)
from tf_tickets.support.own_code import failures_told, is_own, row_of, short_name
from tf_tickets.training.learning_tasks import BY_TARGETS, CLASSIFICATION, TASKS
from tf_tickets.training.losses import LOSSES
from tf_tickets.training.metrics import METRICS
from tf_tickets.training.optimizers import OPTIMIZERS

WIDEST = 10_000.0  # times the channels of a network


def milestone_epochs(milestones: Sequence[float], epochs: int) -> list[int]:
    """The 0-based epochs of milestones; a part of a training is epoch 1 at least: none begins low."""
    return [int(x) if x >= 1 or not x else max(1, round(x * epochs)) for x in milestones]


def _milestone_rate(recipe: Recipe, epoch: int) -> float:
    starts = milestone_epochs(recipe.milestones, recipe.epochs)
    return recipe.learning_rate * recipe.lr_decay ** sum(start <= epoch for start in starts)


def _cosine_rate(recipe: Recipe, epoch: int) -> float:
    length = recipe.epochs - recipe.warmup_epochs
    progress = min((epoch - recipe.warmup_epochs) / length, 1.0) if length else 1.0
    amplitude = recipe.learning_rate - recipe.min_learning_rate
    return recipe.min_learning_rate + 0.5 * (1 + math.cos(math.pi * progress)) * amplitude


@dataclasses.dataclass(frozen=True)
class Schedule:
    """How a learning rate changes: one row of the table.

    Attributes:
        rate: (recipe, 0-based epoch of the training, not of the warm-up) -> the rate.
        uses: fields of the recipe that mean something to it alone.
    """

    rate: Callable[[Recipe, int], float]
    uses: tuple[str, ...] = ()


SCHEDULES: dict[str, Schedule] = {
    "milestones": Schedule(_milestone_rate, uses=("milestones", "lr_decay")),
    "cosine": Schedule(_cosine_rate, uses=("min_learning_rate",)),
    "constant": Schedule(lambda recipe, epoch: recipe.learning_rate),
}


def schedule_row(name: str) -> Schedule:
    """The row of a schedule's name; one made of a function of the user's own, by `file.py:name`.

    The function is called as `(epoch, epochs, learning_rate) -> rate`: the 0-based epoch, all epochs (of a
    cycle), and the recipe's rate.

    Raises:
        ValueError: there is no such schedule, or it is no function.
    """

    def made(function: Callable[[int, int, float], float]) -> Schedule:
        return Schedule(lambda recipe, epoch: _checked_rate(name, function, recipe, epoch))

    return row_of("--schedule", name, SCHEDULES, Schedule, made)


def _checked_rate(
    name: str, function: Callable[[int, int, float], float], recipe: Recipe, epoch: int
) -> float:
    where = f"--schedule={name} at epoch {epoch}"
    with failures_told(where, ". It is called as (epoch, epochs, learning_rate) -> rate."):
        rate = function(epoch, recipe.epochs, recipe.learning_rate)
    try:
        found = float(rate)
    except (TypeError, ValueError):
        found = math.nan
    _require(number("[0, inf)").accepts(found), where, "a rate, a number of 0 or more", rate)
    return found


# More are a slip of the keyboard: their batches would be drawn for years.
MOST_EPOCHS = 1_000_000


def _is_milestone(value: Any) -> bool:
    return number("[0, inf)").accepts(value) and value <= MOST and (value < 1 or value == int(value))


def _read_milestones(name: str, texts: Sequence[str]) -> tuple[float, ...]:
    """Whole numbers are epochs, fractions parts of the training."""
    found = []
    for written in texts:
        try:
            value = float(written)
        except ValueError:
            raise ValueError(f"--{name} takes numbers. Received: {written!r}") from None
        epoch = math.isfinite(value) and value >= 1 and value == int(value)
        found.append(int(value) if epoch else value)
    return tuple(found)


MILESTONES = Kind(
    "list",
    lambda value: isinstance(value, (list, tuple)) and all(map(_is_milestone, value)),
    "fractions of the epochs in [0, 1) or whole 0-based epochs, as in (0.5, 0.75)",
    parse=_read_milestones,
)
# A field of the recipe decides the setting. The first ones name every run; one that comes later only where it
# has another value than its default, so that runs keep their names.
_field = functools.partial(option, decides=SETTING)
_first = functools.partial(_field, always_named=True)


@described
@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe:
    """The training that a dataset comes with, and that flags may override field by field.

    Every dataset carries the recipe of its paper; `dataclasses.replace(recipe, epochs=10)` makes a
    changed one, checked again.

    Raises:
        ValueError: a value is out of range; the message names the field and the value.

    Example:

    >>> recipe = Recipe(model="resnet32", epochs=160, augment=True)
    >>> [recipe.learning_rate_at(epoch) for epoch in (79, 80)]
    [0.1, 0.010000000000000002]

    Reference: the authors' code behind "Sanity-Checking Pruning Methods", whose training is the
    same for dense networks and every kind of ticket.
    """

    model: str = _first(
        name(),
        MODEL,
        "vgg11, vgg13, vgg16, vgg19, resnet{6n+2}, resnet18_cifar, resnet34_cifar, resnet50_cifar, "
        "lenet_300_100, mlp_A_B_..., mlp_bn_A_B_..., or keras:NAME.",
        named=short_name,
    )
    epochs: int = _first(whole(1, MOST_EPOCHS), TRAINING, "Of dense training, and of retraining.")
    augment: bool = _first(switch(), TRAINING, "Random crops and flips.")
    width: float = _first(
        number(f"(0, {WIDEST:g}]"),
        MODEL,
        "Scales the widths; 1.0 is the paper's. Default: the recipe's, or 1.0 with --model.",
        default=1.0,
    )
    batch_size: int = _first(whole(1), TRAINING, "Global batch size.", default=64)
    optimizer: str = _first(
        row_name(OPTIMIZERS),
        TRAINING,
        f"{', '.join(OPTIMIZERS)}; or your own, module:function or file.py:function, such as "
        "keras.optimizers:Lion: (learning_rate) -> keras.optimizers.Optimizer.",
        default="sgd",
        named=short_name,
    )
    learning_rate: float = _first(number("(0, inf)"), TRAINING, "At the top of the schedule.", default=0.1)
    momentum: float = _first(number("[0, 1)"), TRAINING, "Of SGD.", default=0.9)
    nesterov: bool = _first(switch(), TRAINING, "Nesterov's momentum.", default=False)
    weight_decay: float = _first(
        number("[0, inf)"),
        TRAINING,
        "Of SGD: L2, added to every gradient. Of AdamW: decoupled.",
        default=1e-4,
    )
    schedule: str = _first(
        row_name(SCHEDULES),
        TRAINING,
        f"{', '.join(SCHEDULES)}; or your own, module:function or file.py:function: (epoch, epochs, "
        "learning_rate) -> rate.",
        default="milestones",
        named=short_name,
    )
    milestones: tuple[float, ...] = _first(
        MILESTONES,
        TRAINING,
        "Where the rate drops: fractions of the epochs, or 0-based epochs.",
        default=(0.5, 0.75),
    )
    lr_decay: float = _first(number("(0, 1]"), TRAINING, "Factor at each milestone.", default=0.1)
    min_learning_rate: float = _first(number("[0, inf)"), TRAINING, "Floor of the cosine.", default=0.0)
    warmup_epochs: int = _first(whole(0, MOST_EPOCHS), TRAINING, "Epochs of linear warm-up.", default=0)
    label_smoothing: float = _field(
        number("[0, 1)"),
        TRAINING,
        "Part of every training label that is spread evenly, over all classes or over yes and no, in [0, 1).",
        default=0.0,
    )
    cycles: int = _field(
        whole(1),
        TRAINING,
        "How many times the schedule is run through, warm-up and milestones with it, in the epochs.",
        default=1,
    )
    task: str = _field(
        choice((BY_TARGETS, *TASKS)),
        TRAINING,
        f"What is learned. {'; '.join(f'{name}: {row.about}' for name, row in TASKS.items())}. Default, and "
        f"{BY_TARGETS}: by the targets of the dataset.",
        default=CLASSIFICATION,
    )
    loss: str | None = _field(
        name(),
        TRAINING,
        f"Loss of training and of scores: {', '.join(LOSSES)}; or module:function for one of your own, "
        "(targets, outputs) -> losses, one an example. Default: the task's.",
        default=None,
        named=short_name,
    )
    metric: str | None = _field(
        name(),
        TRAINING,
        f"What runs are judged by: {', '.join(METRICS)}; or module:ROW for a tf_tickets.training.Metric of "
        "your own. Default: the task's.",
        default=None,
        named=short_name,
    )

    def __post_init__(self) -> None:
        known = self.schedule in SCHEDULES or is_own(self.schedule)
        _require(known, "schedule", f"one of {', '.join(SCHEDULES)}, or your own", self.schedule)
        for row in options_of(Recipe):
            value = getattr(self, row.field)
            accepted = row.kind.accepts(value) or (row.optional and value is None)
            _require(accepted, row.field, row.kind.wanted(value), value)
        _require(
            self.min_learning_rate <= self.learning_rate,
            "min_learning_rate",
            f"at most the learning_rate, {self.learning_rate}",
            self.min_learning_rate,
        )
        _require(
            self.epochs % self.cycles == 0,
            "cycles",
            f"a divisor of the epochs, {self.epochs}",
            self.cycles,
        )
        _require(
            self.warmup_epochs <= self.cycle_epochs,
            "warmup_epochs",
            f"at most the epochs{' of a cycle' if self.cycles > 1 else ''}, {self.cycle_epochs}",
            self.warmup_epochs,
        )
        object.__setattr__(self, "milestones", tuple(self.milestones))  # JSON reads a list

    @property
    def cycle_epochs(self) -> int:
        """Epochs of one run through the schedule."""
        return self.epochs // self.cycles

    @property
    def identity(self) -> dict[str, Any]:
        """What names a run: all fields, but later ones only where they are not at their defaults."""
        values = {row: getattr(self, row.field) for row in options_of(Recipe)}
        return {
            row.field: row.named(value)
            for row, value in values.items()
            if row.always_named or value != row.default
        }

    @property
    def loss_name(self) -> str:
        """The loss: the one that is asked for, or the task's."""
        return self.loss or TASKS[self.task].losses[0]

    @property
    def metric_name(self) -> str:
        """The metric: the one that is asked for, or the task's."""
        return self.metric or TASKS[self.task].metrics[0]

    def learning_rate_at(self, epoch: int) -> float:
        """The learning rate of a 0-based epoch; constant within the epoch.

        A warm-up of n epochs goes up in equal steps, from 1 / n of the rate to the rate itself in its last
        epoch. Then cosine falls over the epochs that are left, from the rate on, as in the code of Soft
        Threshold Reparameterization. Milestones are epochs of the whole training, warm-up included, as in
        "Accurate, Large Minibatch SGD" (Goyal et al., 2017): a drop that falls into the warm-up is made when
        that ends.

        Args:
            epoch: 0-based, non-negative. From the last epoch on, cosine stays at its floor.

        Raises:
            ValueError: `epoch` is negative or not whole.
        """
        _require(number("[0, inf)").accepts(epoch) and epoch == int(epoch), "epoch", "0 or more", epoch)
        if self.cycles > 1:
            begun = min(epoch // self.cycle_epochs, self.cycles - 1) * self.cycle_epochs
            one = dataclasses.replace(self, epochs=self.cycle_epochs, cycles=1)
            return one.learning_rate_at(epoch - begun)
        if epoch < self.warmup_epochs:
            return self.learning_rate * (epoch + 1) / self.warmup_epochs
        return schedule_row(self.schedule).rate(self, epoch)


def _require(condition: bool, field: str, expected: str, value: Any) -> None:
    if not condition:
        raise ValueError(f"The recipe's {field} must be {expected}. Received: {value!r:.80}")
