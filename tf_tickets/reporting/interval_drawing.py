"""Confidence intervals drawn in the rows of a table, and the axis over and under them, as SVG."""

from __future__ import annotations

import html

from tf_tickets.reporting.document import Interval, printable
from tf_tickets.reporting.interval_scale import IntervalScale, signed

WIDTH, SIDE = 206.0, 14.0  # pixels; the sides hold halves of the first and the last label
ROW, AXIS = 18.0, 20.0  # heights
LETTER = 6.2  # width of a digit of a label


def interval_svg(interval: Interval, scale: IntervalScale) -> str:
    """An interval at its size on the scale of its table, with the band of the margin and the ticks."""
    middle = ROW / 2
    low, high = (_place(end, scale) for end in (interval.low, interval.high))
    ends = "".join(f"M{x:g} {middle - 3:g}v6" for x in (low, high))
    return (
        f'<svg width="{WIDTH:g}" height="{ROW:g}" role="img" aria-label="{_said(interval.label)}">'
        f'{_band(scale, 0, ROW)}<path d="{_lines(scale, 0, ROW)}" class="tick"/>'
        f'<path d="M{_place(0, scale):g} 0V{ROW:g}" class="zero"/>'
        f'<path d="M{low:g} {middle:g}H{high:g}{ends}" class="interval"/>'
        f'<circle cx="{_place(interval.middle, scale):g}" cy="{middle:g}" r="3" class="mean"/></svg>'
    )


def axis_svg(scale: IntervalScale) -> str:
    """The axis: ticks with their numbers, and the band of the margin."""
    labels = "".join(
        f'<text x="{_place(tick, scale):g}" y="10" class="label">{signed(tick)}</text>'
        for tick in _labelled(scale)
    )
    return (
        f'<svg width="{WIDTH:g}" height="{AXIS:g}" role="img" aria-label="{_said(scale.said)}">'
        f'{_band(scale, 13, AXIS - 13)}<path d="M{SIDE:g} {AXIS - 0.5:g}H{WIDTH - SIDE:g}'
        f'{_lines(scale, 14, AXIS - 14)}" class="axis"/>{labels}</svg>'
    )


def _said(text: str) -> str:
    """A text, in which there may be a unit of the user's, as an attribute."""
    return html.escape(printable(text))


def _labelled(scale: IntervalScale) -> list[float]:
    """Ticks whose numbers have room: 0, the ends and the margins first."""
    chosen: list[float] = []
    first = (0.0, scale.low, scale.high, -scale.margin, scale.margin)
    for tick in (*first, *sorted(scale.ticks, key=abs, reverse=True)):
        apart = (LETTER * (len(signed(tick)) + len(signed(other))) / 2 + 2 for other in chosen)
        distances = (abs(_place(tick, scale) - _place(other, scale)) for other in chosen)
        if all(distance >= least for distance, least in zip(distances, apart, strict=True)):
            chosen.append(tick)
    return sorted(chosen)


def _place(value: float, scale: IntervalScale) -> float:
    """Where a difference is, in pixels from the left."""
    return round(SIDE + (WIDTH - 2 * SIDE) * scale.place(value), 2)


def _band(scale: IntervalScale, top: float, height: float) -> str:
    """Differences within the margin."""
    left, right = _place(-scale.margin, scale), _place(scale.margin, scale)
    return f'<rect x="{left:g}" y="{top:g}" width="{right - left:.2f}" height="{height:g}" class="margin"/>'


def _lines(scale: IntervalScale, top: float, height: float) -> str:
    return "".join(f"M{_place(tick, scale):g} {top:g}v{height:g}" for tick in scale.ticks)
