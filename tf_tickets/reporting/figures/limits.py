"""Where an axis of accuracies begins and ends; means and spreads in per cent."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence

Limits = tuple[float, float]


def limits(cells: Sequence[Sequence[float]], dense: float | None) -> Limits:
    """A range in per cent for means and spreads: from 0 where they are far apart, otherwise from below."""
    ends = [(mean(cell) or 0.0, spread(cell) or 0.0) for cell in cells]
    ends += [] if dense is None else [(dense, 0.0)]
    low, high = min(middle - half for middle, half in ends), max(middle + half for middle, half in ends)
    span = max(high - low, 0.5)
    step = next(step for step in (0.5, 1, 2, 5, 10, 20, 50, 100, 200) if span <= 10 * step)
    bottom = math.floor((low - 0.15 * span) / step) * step
    return (0.0 if bottom < 40 else float(bottom)), min(high + 0.06 * span, 104.0)


def near_the_best(cells: Sequence[Sequence[float]]) -> list[Sequence[float]]:
    """Those whose mean is within 25 points of the best one's, if they are most of all: few that lie far below
    would hide their differences."""
    best = max(mean(cell) or 0.0 for cell in cells)
    near = [cell for cell in cells if (mean(cell) or 0.0) > best - 25]
    return near if len(near) >= 0.6 * len(cells) else list(cells)


def where_from(ends: Limits) -> str:
    """Says where an axis begins, if not at 0."""
    return "" if ends[0] == 0 else f", from {ends[0]:g} %"


def mean(values: Iterable[float]) -> float | None:
    """Mean of accuracies in per cent; None of none."""
    values = list(values)
    return 100 * statistics.fmean(values) if values else None


def spread(values: Sequence[float]) -> float | None:
    """Standard deviation of accuracies in per cent; None of a single one."""
    return 100 * statistics.stdev(values) if len(values) > 1 else None
