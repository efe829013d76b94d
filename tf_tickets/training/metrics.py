"""The metrics that runs are judged by: `METRICS`, one row for each, and rows of the user's own.

Reading the table loads no TensorFlow.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from tf_tickets.support.late import late, split
from tf_tickets.support.own_code import is_own, row_of
from tf_tickets.support.scale import PERCENT, Scale
from tf_tickets.support.short_reprs import Rows

if TYPE_CHECKING:
    import keras

# Names of numbers that stand beside a metric's, which it can therefore not have.
TAKEN = ("epoch", "loss", "learning_rate", "density", "macs_density")


@dataclasses.dataclass(frozen=True)
class Metric:
    """One row of the table: what runs of a task can be judged by.

    A metric of your own is such a row, in a module or a file of yours:

        KAPPA = Metric(make=lambda outputs: Kappa(), unit="", margin=0.02)

    and `--metric=my_file.py:KAPPA` names it.

    Attributes:
        make: (number of outputs) -> a `keras.metrics.Metric` of (targets, outputs), whose variables are there
            when it is made, and whose result is one number. It is made anew for every training.
        higher_is_better: whether more of it is better.
        unit: `"%"` for shares in [0, 1], which are shown in per cent; of others the unit of the numbers.
        margin: differences smaller than this count as none, unless a verdict is asked for another; None
            where that must be said.
        trials: labels of the test set -> how many things are right or wrong, of which the metric is the
            share: it moves in steps of one of them. None: it is no such share.
        both_ways: whether each output of the test set must have targets of both kinds, 0 and 1.
        chance: labels of the test set -> what is reached without looking at the examples; None computes what
            the best constant answer of the task reaches.
        about: one line for people.
    """

    make: Callable[[int], keras.metrics.Metric]
    higher_is_better: bool = True
    unit: str = ""
    margin: float | None = None
    trials: Callable[[np.ndarray], int] | None = None
    both_ways: bool = False
    chance: Callable[[np.ndarray], float] | None = None
    about: str = "of your own"

    def scale(self, name: str) -> Scale:
        """How its numbers read.

        Args:
            name: of the metric, as it was asked for.
        """
        return Scale(plain_name(name), self.higher_is_better, self.unit, self.margin)


def _largest_share(labels: np.ndarray) -> float:
    """The accuracy of always answering with the most frequent class."""
    return float(np.bincount(labels).max() / len(labels))


def _of(function: str) -> Callable[[int], keras.metrics.Metric]:
    return late(f"tf_tickets.training.example_metrics:{function}")


ACCURACY, BINARY_ACCURACY, ROOT_MEAN_SQUARED_ERROR = "accuracy", "binary_accuracy", "root_mean_squared_error"

METRICS: dict[str, Metric] = {
    ACCURACY: Metric(
        _of("accuracy"),
        unit=PERCENT,
        margin=0.01,
        trials=len,
        chance=_largest_share,
        about="the share of examples whose class has the largest output",
    ),
    BINARY_ACCURACY: Metric(
        _of("binary_accuracy"),
        unit=PERCENT,
        margin=0.01,
        trials=np.size,
        about="the share of labels, over examples and labels, on whose side of 0 the output is",
    ),
    "auc": Metric(
        _of("auc"),
        unit=PERCENT,
        margin=0.01,
        both_ways=True,
        about="the area under the ROC curve, its mean over the labels (macro)",
    ),
    "mean_absolute_error": Metric(
        _of("mean_absolute_error"),
        higher_is_better=False,
        about="the mean absolute error, in the unit of the targets",
    ),
    ROOT_MEAN_SQUARED_ERROR: Metric(
        _of("root_mean_squared_error"),
        higher_is_better=False,
        about="the root of the mean squared error, in the unit of the targets",
    ),
    "r2": Metric(
        _of("r2"),
        margin=0.01,
        about="the part of the targets' variance that is explained, its mean over the outputs",
    ),
}
METRICS = Rows(METRICS)


def metric_row(name: str) -> Metric:
    """The row of a metric's name, also of one of the user's own.

    Raises:
        ValueError: there is no such metric.
    """
    made = (
        ", which does not say whether more is better: make it a row, NAME = tf_tickets.training.Metric("
        "make=lambda outputs: a keras.metrics.Metric, higher_is_better=...)."
    )
    row = row_of("metric", name, METRICS, Metric, what=made)
    if name not in METRICS and (plain_name(name) in TAKEN or not plain_name(name).isidentifier()):
        raise ValueError(
            f"metric={name!r}: call it otherwise; {plain_name(name)} is another number of a run."
        )
    return row


def scale_of(name: str) -> Scale:
    """How the numbers of a metric read, by its name as it was asked for; errors as for `metric_row`."""
    return metric_row(name).scale(name)


def plain_name(name: str) -> str:
    """The name of a metric without where it is from, as names of numbers have it: `test_kappa`."""
    return split(name)[2].lower() if is_own(name) else name
