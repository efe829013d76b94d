"""The scale on which a table draws differences: one for all its rows, so that they can be compared."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable

# Ticks on either side of 0, in margins; the drawing ends at one of them.
TICKS = (1, 3, 10, 30, 100, 300, 1000, 3000, 10000)
NEAR = 3  # margins: where all that is drawn lies within, lengths are in proportion


@dataclasses.dataclass(frozen=True)
class IntervalScale:
    """Where a drawing of differences begins and ends.

    Attributes:
        low, high: the ends, in the unit; 0 lies between them.
        margin: differences within it count as none.
        unit: of differences of the metric; empty where they have none.
    """

    low: float
    high: float
    margin: float
    unit: str

    @property
    def is_linear(self) -> bool:
        """Whether lengths are in proportion; otherwise they are logarithmic beyond the margin."""
        return max(-self.low, self.high) <= NEAR * self.margin * (1 + 1e-9)

    @property
    def ticks(self) -> list[float]:
        """0, the margins, and what follows up to the ends, from the lowest to the highest."""
        steps = [self.margin * step for step in TICKS]
        below = [-step for step in reversed(steps) if step <= -self.low * (1 + 1e-9)]
        return [*below, 0.0, *(step for step in steps if step <= self.high * (1 + 1e-9))]

    @property
    def said(self) -> str:
        """The scale in words."""
        form = "" if self.is_linear else f", logarithmic beyond ±{self.margin:g}"
        ends = " ".join(filter(None, (f"from {signed(self.low)} to {signed(self.high)}", self.unit)))
        return (
            f"All intervals are drawn on one scale, {ends}{form}; the band is the margin, ±{self.margin:g}."
        )

    def place(self, value: float) -> float:
        """Where a difference is between the ends, from 0 to 1."""
        low, high, at = map(self._stretched, (self.low, self.high, value))
        return min(max((at - low) / (high - low), 0.0), 1.0)

    def _stretched(self, value: float) -> float:
        # Almost linear within the margin, almost logarithmic beyond it, and without a seam.
        return value if self.is_linear else math.asinh(value / self.margin)


def scale_of(values: Iterable[float], margin: float, unit: str) -> IntervalScale:
    """The scale on which the largest of the values has its place, and the margin is seen.

    Args:
        values: what is drawn; what is not finite is not asked.
        margin: of equivalence.
        unit: of both, for people.
    """
    known = [value for value in values if math.isfinite(value)]
    low, high = -_end(-min(known, default=0.0), margin), _end(max(known, default=0.0), margin)
    return IntervalScale(low, high, margin, unit)


def signed(value: float) -> str:
    """A tick: `−30`, `0`, `+0.5`."""
    return f"{value:+g}".replace("-", "−") if value else "0"


def _end(value: float, margin: float) -> float:
    """The first tick beyond the margin that a value does not exceed."""
    return next((margin * step for step in TICKS[1:] if value <= margin * step * (1 + 1e-9)), value)
