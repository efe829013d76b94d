"""Marks in figures of the metric: no finished run, fewer seeds, a collapsed layer; see `arm_states`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tf_tickets.reporting.arm_states import COLLAPSED, FEWER, MARKS, NOT_RUN
from tf_tickets.reporting.figures.composition import Sample
from tf_tickets.reporting.palette import INK, MUTED, PAPER

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

SAMPLES = {
    NOT_RUN: Sample(MARKS[NOT_RUN], MUTED, marker="o", filled=False),
    FEWER: Sample(MARKS[FEWER], MUTED, marker="o", half=True),
    COLLAPSED: Sample(MARKS[COLLAPSED], INK, marker="x"),
}
STEP = 0.07  # of the height of the axes, between marks over each other


def legend_of(marks: Iterable[str]) -> list[Sample]:
    """Samples of the marks that are drawn, in the order of legends."""
    drawn = set("".join(marks))
    return [sample for mark, sample in SAMPLES.items() if mark in drawn]


def draw_at_bottom(axes: Axes, x: float, marks: str, colour: str | None = None, above: int = 0) -> float:
    """Draws marks over each other, from the bottom of the axes on.

    Args:
        axes: to draw into.
        x: in data.
        marks: of `ArmState.marks`.
        colour: in the place of the marks' own.
        above: how many marks there are already.

    Returns:
        Where they end, as a part of the height of the axes.
    """
    for number, mark in enumerate(marks):
        line = _mark(axes, x, (above + number + 0.5) * STEP, mark, colour)
        line.set_transform(axes.get_xaxis_transform())
    return (above + len(marks)) * STEP


def draw_over(axes: Axes, x: float, y: float, mark: str) -> None:
    """Draws a mark at a point of the data."""
    _mark(axes, x, y, mark, None)


def edged(width: float) -> list:
    """What edges a line with paper, so that it is seen on every colour: for `path_effects`."""
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=width, foreground=PAPER)]


def _mark(axes: Axes, x: float, y: float, mark: str, colour: str | None) -> Line2D:
    from matplotlib import rcParams

    options = SAMPLES[mark].options
    if colour is not None:
        options.update(color=colour)
    if mark == NOT_RUN:
        options.update(markerfacecolor=PAPER)
    size = rcParams["lines.markersize"]
    if mark == COLLAPSED:
        options.update(markersize=1.35 * size, markeredgewidth=0.26 * size, path_effects=edged(0.7 * size))
    else:
        options.update(markersize=size, path_effects=edged(0.5 * size))
    (line,) = axes.plot([x], [y], zorder=5, clip_on=False, **options)
    return line
