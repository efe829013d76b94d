"""Cells that several tables share: means over seeds with their spread, differences, and training costs."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence

from tf_tickets.reporting.document import NONE, Cell, percent, significant
from tf_tickets.results import Run
from tf_tickets.support.scale import Scale

COST = (
    "Training cost: forward multiply-adds of all trainings behind a ticket, in epochs of the dense network, "
    "pruned weights not counted; it is what sparse arithmetic would need, not a time."
)


def accuracy_cell(
    values: Iterable[float], scale: Scale, *, strong: bool = False, span: int = 1, detail: str | None = None
) -> Cell:
    """Mean ± standard deviation of the metric; beside it how many, unless `detail` says something else."""
    values = list(values)
    if not values:
        return Cell(span=span)
    if detail is None:
        detail = f"({len(values)})"
    return Cell(mean_and_spread(values, scale), detail, strong=strong, span=span)


def mean_and_spread(values: Sequence[float], scale: Scale) -> str:
    """Mean ± standard deviation of the metric, without its unit; of one value no spread."""
    mean = scale.shown(statistics.fmean(values))
    return mean if len(values) < 2 else f"{mean} ± {scale.shown(statistics.stdev(values))}"


def mean(values: Iterable[float | None], exact: bool = False) -> str:
    """Mean in per cent of the values that are known; with two decimals, or with three digits."""
    known = known_mean(values)
    if known is None:
        return NONE
    return percent(known) if exact else significant(known)


def known_mean(values: Iterable[float | None]) -> float | None:
    """The mean of the values that are known."""
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def points(difference: float, scale: Scale) -> str:
    """A difference of the metric, of shares in points, with its sign."""
    return scale.difference(difference).replace("-", "−")


def in_differences(what: str, scale: Scale) -> str:
    """Heads a column of differences, or of their intervals, with their unit."""
    return ", ".join(filter(None, (what, scale.unit_of_differences)))


def in_points(scale: Scale) -> str:
    """In which unit differences are, to be added; nothing where they have none."""
    return f", in {scale.unit_of_differences}" if scale.unit_of_differences else ""


def final(scale: Scale) -> str:
    """The metric of the final epoch, with its unit."""
    return scale.words_with_unit.replace(scale.words, f"{scale.words} of the final epoch", 1)


def direction(scale: Scale) -> str:
    """Says where less is better, to be added."""
    return "" if scale.higher_is_better else " (less is better)"


def paired(own: Mapping[int, float], values: Mapping[int, float], scale: Scale) -> str:
    """The mean difference to one's own numbers over the seeds that both have."""
    common = own.keys() & values.keys()
    return points(statistics.fmean(values[seed] - own[seed] for seed in common), scale) if common else ""


def cost(value: float | None) -> str:
    """A training cost."""
    if value is None:
        return NONE
    return f"{value:.2f}" if value < 100 else f"{value:,.0f}"


def costs(runs: Iterable[Run]) -> str:
    """The training cost of runs, from the least to the most where they differ."""
    known = [run.training_cost for run in runs if run.training_cost is not None]
    if not known:
        return NONE
    return "–".join(dict.fromkeys((cost(min(known)), cost(max(known)))))
