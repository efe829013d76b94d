"""The splits that every source gives: training and test examples as they were stored."""

from __future__ import annotations

import dataclasses

from tf_tickets.data.examples import Examples
from tf_tickets.training.learning_tasks import CLASSIFICATION


@dataclasses.dataclass(frozen=True)
class Splits:
    """Training and test examples as a source stores them.

    Args:
        train: of the shape and type of `test`.
        test: examples that are never used for anything but evaluation.
        num_classes: at least 2; None where the labels are no classes.
        as_given: whether the values are the model's input as they are, without any scaling.
        notes: what was recognised in the data, for people.
        task: what is learned, a name of `tf_tickets.training.TASKS`.
    """

    train: Examples
    test: Examples
    num_classes: int | None
    as_given: bool = False
    notes: tuple[str, ...] = ()
    task: str = CLASSIFICATION
