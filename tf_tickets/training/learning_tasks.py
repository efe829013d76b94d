"""What networks learn: `TASKS`, one row for each: what targets are, and by which losses and metrics.

Reading the table loads no TensorFlow.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from tf_tickets.support.short_reprs import Rows
from tf_tickets.training.losses import BINARY_CROSS_ENTROPY, CROSS_ENTROPY, MEAN_SQUARED
from tf_tickets.training.metrics import ACCURACY, BINARY_ACCURACY, ROOT_MEAN_SQUARED_ERROR

CLASSIFICATION, MULTI_LABEL, REGRESSION = "classification", "multi_label", "regression"
BY_TARGETS = "auto"  # stands for the one that the targets of a dataset tell
# What targets evidently are, of a user's own arrays.
NAMES, WHOLE, ONE_HOT, YES_NO, NUMBERS, ROWS = (
    "names",
    "whole numbers",
    "one-hot rows",
    "rows of 0 and 1",
    "numbers",
    "rows of numbers",
)


@dataclasses.dataclass(frozen=True)
class LearningTask:
    """One row of the table.

    Attributes:
        about: one line for people.
        takes: what targets can be, in the user's own arrays.
        has_classes: whether a target is one class, a whole number; otherwise it is a row of float32.
        gives: what the last layer gives, for people.
        losses, metrics: names of those that fit, the default one first. Those of the user's own fit all.
        constant: (targets, number of outputs) -> the outputs of a network that always gives the best constant
            answer, float32 `(examples, outputs)`.
        nouns: of one output and of several, for people.
    """

    about: str
    takes: tuple[str, ...]
    has_classes: bool
    gives: str
    losses: tuple[str, ...]
    metrics: tuple[str, ...]
    constant: Callable[[np.ndarray, int], np.ndarray]
    nouns: tuple[str, str]


def _most_frequent(labels: np.ndarray, outputs: int) -> np.ndarray:
    return _repeated(np.eye(outputs)[np.bincount(labels, minlength=outputs).argmax()], labels)


def _majorities(targets: np.ndarray, outputs: int) -> np.ndarray:
    return _repeated(np.where(targets.mean(axis=0) >= 0.5, 1.0, -1.0), targets)


def _means(targets: np.ndarray, outputs: int) -> np.ndarray:
    return _repeated(targets.mean(axis=0, dtype=np.float64), targets)


def _repeated(answer: np.ndarray, targets: np.ndarray) -> np.ndarray:
    return np.broadcast_to(answer.astype(np.float32), (len(targets), len(answer)))


TASKS: dict[str, LearningTask] = {
    CLASSIFICATION: LearningTask(
        about="one class an example",
        takes=(NAMES, WHOLE, ONE_HOT),
        has_classes=True,
        gives="a logit a class",
        losses=(CROSS_ENTROPY,),
        metrics=(ACCURACY,),
        constant=_most_frequent,
        nouns=("class", "classes"),
    ),
    MULTI_LABEL: LearningTask(
        about="labels of which any number can hold",
        takes=(YES_NO, ONE_HOT, WHOLE),
        has_classes=False,
        gives="a logit a label",
        losses=(BINARY_CROSS_ENTROPY, MEAN_SQUARED),
        metrics=(BINARY_ACCURACY, "auc"),
        constant=_majorities,
        nouns=("label", "labels"),
    ),
    REGRESSION: LearningTask(
        about="numbers",
        takes=(NUMBERS, ROWS, WHOLE, YES_NO, ONE_HOT),
        has_classes=False,
        gives="the numbers",
        losses=(MEAN_SQUARED, "mean_absolute", "huber"),
        metrics=(ROOT_MEAN_SQUARED_ERROR, "mean_absolute_error", "r2"),
        constant=_means,
        nouns=("number", "numbers"),
    ),
}
TASKS = Rows(TASKS)
