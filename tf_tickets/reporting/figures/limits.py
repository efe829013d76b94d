"""Where an axis of the metric begins and ends; means and spreads of numbers as they are shown."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence

from tf_tickets.support.scale import Scale

Limits = tuple[float, float]


def limits(cells: Sequence[Sequence[float]], dense: float | None, scale: Scale) -> Limits:
    """A range for means and spreads: from 0 where they are far apart, otherwise from below."""
    ends = [(mean(cell) or 0.0, spread(cell) or 0.0) for cell in cells]
    ends += [] if dense is None else [(dense, 0.0)]
    low, high = min(middle - half for middle, half in ends), max(middle + half for middle, half in ends)
    if not scale.is_share:
        return _plain_limits(low, high)
    span = max(high - low, 0.5)
    step = next(step for step in (0.5, 1, 2, 5, 10, 20, 50, 100, 200) if span <= 10 * step)
    bottom = math.floor((low - 0.15 * span) / step) * step
    return (0.0 if bottom < 40 else float(bottom)), min(high + 0.06 * span, 104.0)


def _plain_limits(low: float, high: float) -> Limits:
    """The same of numbers that have no end."""
    span = (high - low) or abs(high) or 1.0
    step = 10.0 ** math.floor(math.log10(span))
    bottom = math.floor((low - 0.15 * span) / step) * step
    return (0.0 if 0 <= low < 0.5 * high or bottom < 0 <= low else bottom), high + 0.06 * span


def near_the_best(cells: Sequence[Sequence[float]], scale: Scale) -> list[Sequence[float]]:
    """Those whose mean is within 25 points of the best one's, if they are most of all: few that lie far below
    would hide their differences. Where numbers have no end, or less is better, all of them."""
    if not (scale.is_share and scale.higher_is_better):
        return list(cells)
    best = max(mean(cell) or 0.0 for cell in cells)
    near = [cell for cell in cells if (mean(cell) or 0.0) > best - 25]
    return near if len(near) >= 0.6 * len(cells) else list(cells)


def where_from(ends: Limits, scale: Scale) -> str:
    """Says where an axis begins, if not at 0."""
    return "" if ends[0] == 0 else f", from {scale.with_unit(f'{ends[0]:g}')}"


def below(ends: Limits, scale: Scale) -> str:
    """Says what lies under an axis."""
    return f"below {scale.with_unit(f'{ends[0]:g}')}"


def mean(values: Iterable[float]) -> float | None:
    """Mean; None of none."""
    values = list(values)
    return statistics.fmean(values) if values else None


def spread(values: Sequence[float]) -> float | None:
    """Standard deviation; None of a single one."""
    return statistics.stdev(values) if len(values) > 1 else None
