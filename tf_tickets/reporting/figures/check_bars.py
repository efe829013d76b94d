"""Bars: tickets and their checks, by sparsity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tf_tickets.reporting.document import Figure, sparsity_text
from tf_tickets.reporting.figures.accuracy_lines import DENSE_SAMPLE, shown
from tf_tickets.reporting.figures.composition import Draw, Sample, compose
from tf_tickets.reporting.figures.limits import Limits, limits, mean, near_the_best, spread
from tf_tickets.reporting.palette import ERROR, INK, MUTED, check_colour
from tf_tickets.reporting.tables.cells import direction
from tf_tickets.results import Experiment, Variant

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TICKET = "the ticket"

# A check, None for the ticket itself, and the colour of its bars.
Series = tuple[str | None, str]


def bars(experiment: Experiment, name: str) -> Figure | None:
    """Tickets and their checks by sparsity, one panel a method, as the paper's Figure 3."""
    variants = [x for x in experiment.variants if experiment.checks(x)]
    if not variants:
        return None
    series: list[Series] = [(None, INK), *((check, check_colour(check)) for check in experiment.checks())]
    cells = [
        values
        for variant in variants
        for sparsity in experiment.sparsities
        for check, _ in series
        if (values := _values(experiment, variant, sparsity, check))
    ]
    scale = experiment.scale
    dense = mean(shown(experiment, experiment.dense.values()))
    ends = limits(near_the_best(cells, scale), dense, scale)

    def draw(variant: Variant) -> Draw:
        own = [entry for entry in series if entry[0] in (None, *experiment.checks(variant))]
        sparsities = [
            sparsity
            for sparsity in experiment.sparsities
            if any(experiment.endpoints(variant, sparsity, check) for check, _ in own)
        ]
        return lambda axes: _draw_bars(axes, experiment, variant, sparsities, own, ends, dense)

    samples = [Sample(check or TICKET, colour) for check, colour in series]
    if dense is not None:
        samples.append(DENSE_SAMPLE)
    start = (
        "Axes start at 0." if ends[0] == 0 else f"Axes start at {scale.with_unit(f'{ends[0]:g}')}, not at 0."
    )
    if any((mean(values) or 0.0) < ends[0] for values in cells):
        start += f" A number with an arrow is one of {scale.words} that lies below them."
    crowded = len(experiment.sparsities) * len(series) > 16
    return compose(
        name,
        f"Tickets and their checks: test {scale.words_with_unit}, mean and standard deviation over seeds"
        f"{direction(scale)}. {start}",
        [(experiment.names[variant], draw(variant)) for variant in variants],
        samples,
        size=(450, 230) if crowded else (300, 210),
    )


def _values(experiment: Experiment, variant: Variant, sparsity: float, check: str | None) -> list[float]:
    return shown(experiment, experiment.endpoints(variant, sparsity, check).values())


def _draw_bars(
    axes: Axes,
    experiment: Experiment,
    variant: Variant,
    sparsities: Sequence[float],
    series: Sequence[Series],
    ends: Limits,
    dense: float | None,
) -> None:
    width = 0.84 / len(series)
    for place, (check, colour) in enumerate(series):
        for group, sparsity in enumerate(sparsities):
            values = _values(experiment, variant, sparsity, check)
            if not values:
                continue
            height, half = mean(values) or 0.0, spread(values)
            x = group + (place - (len(series) - 1) / 2) * width
            if height < ends[0]:
                bottom = ends[0] + 0.02 * (ends[1] - ends[0])
                axes.text(x, bottom, f"↓ {height:.0f}", color=MUTED, rotation=90, ha="center", fontsize=10)
                continue
            axes.bar(x, height - ends[0], 0.88 * width, bottom=ends[0], color=colour)
            if half is not None:
                axes.errorbar(x, height, half, color=ERROR, elinewidth=1.0, capsize=min(20 * width, 3))
    if dense is not None:
        axes.axhline(dense, color=MUTED, linestyle=":", linewidth=1.2)
    axes.set_xticks(range(len(sparsities)), [sparsity_text(sparsity) for sparsity in sparsities])
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.55, len(sparsities) - 0.45)
    axes.set_ylim(*ends)
    if ends[0] > 0:
        _cut(axes)


def _cut(axes: Axes) -> None:
    """Marks a vertical axis that does not start at 0."""
    slanted = [(-1, -0.6), (1, 0.6)]
    axes.plot(
        [0, 0],
        [0.035, 0.065],
        transform=axes.transAxes,
        marker=slanted,
        markersize=9,
        markeredgewidth=1.1,
        linestyle="none",
        color=MUTED,
        clip_on=False,
    )
