"""Lines: the metric against sparsity, and against the multiply-adds that are left."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tf_tickets.reporting.document import Figure, sparsity_text
from tf_tickets.reporting.figures.accuracy_lines import (
    DENSE_SAMPLE,
    Line,
    accuracies,
    draw_by_fraction,
    draw_line,
    finish,
    samples_of,
    shown,
    tickets,
)
from tf_tickets.reporting.figures.composition import Draw, compose
from tf_tickets.reporting.figures.limits import Limits, limits, mean, near_the_best, where_from
from tf_tickets.reporting.tables.cells import direction
from tf_tickets.results import Experiment, Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_APART = 0.06  # of lines at the same sparsities, in logarithms


def curves(experiment: Experiment, name: str) -> Figure | None:
    """The metric against sparsity, and against the multiply-adds that are left."""
    samples, lines, by_macs = [], [], []
    every: list[Sequence[float]] = []
    for variant, sample in samples_of(experiment).items():
        found = tickets(experiment, variant)
        if not found:
            continue
        samples.append(sample)
        cells = [accuracies(runs) for _, runs in found]
        every += cells
        if variant.aims:
            lines.append(Line(sample, [1 - target for target, _ in found if target is not None], cells))
        macs = [_macs_left(runs) for _, runs in found]
        known = [(x, cell) for x, cell in zip(macs, cells, strict=True) if x]
        by_macs.append(Line(sample, [x for x, _ in known], [cell for _, cell in known]))
    scale = experiment.scale
    dense = mean(shown(experiment, experiment.dense.values()))
    if not every:
        return None
    whole, near = limits(every, dense, scale), limits(near_the_best(every, scale), dense, scale)
    kept = sorted({x for line in lines for x in line.places}, reverse=True)

    def by_sparsity(ends: Limits) -> Draw:
        return lambda axes: _draw_by_sparsity(axes, lines, kept, dense, ends)

    panels = [
        (f"{scale.words} against sparsity{where_from(ends, scale)}", by_sparsity(ends))
        for ends in dict.fromkeys((whole, near))
        if len(kept) > 1
    ]
    # The zoomed view leaves out what the first panel shows; where there is no such panel, nothing.
    of_macs = near if len(kept) > 1 else whole
    if len({round(x, 4) for line in by_macs for x in line.places}) > 1:
        panels.append(
            (
                f"{scale.words} against multiply-adds kept{where_from(of_macs, scale)}",
                lambda axes: draw_by_fraction(axes, by_macs, dense, of_macs),
            )
        )
    if not panels:
        return None
    if dense is not None:
        samples.append(DENSE_SAMPLE)
    return compose(
        name,
        f"Test {scale.words_with_unit}, mean and standard deviation over seeds{direction(scale)}; horizontal "
        "axes are logarithmic. "
        "Lines over sparsity are drawn a little beside each other, so that none hides another."
        + ("" if of_macs == whole else f" Means below {near[0]:g} % are in the first panel only."),
        panels,
        samples,
        size=(440, 310) if len(panels) != 3 else (300, 260),
    )


def _draw_by_sparsity(
    axes: Axes, lines: Sequence[Line], kept: Sequence[float], dense: float | None, ends: Limits
) -> None:
    axes.set_xscale("log")
    for offset, line in zip(_offsets(len(lines), kept), lines, strict=True):
        draw_line(axes, Line(line.sample, [x * offset for x in line.places], line.cells))
    axes.set_xticks(kept, [sparsity_text(1 - x) for x in kept])
    axes.minorticks_off()
    axes.set_xlim(max(kept) * 1.25, min(kept) / 1.25)
    finish(axes, dense, ends)


def _offsets(number: int, kept: Sequence[float]) -> list[float]:
    """Factors that set lines of the same places side by side, closer where the places are close."""
    closest = min((math.log(a / b) for a, b in itertools.pairwise(kept)), default=1.0)
    step = min(MOST_APART, 0.5 * closest) / max(number, 1)
    return [math.exp(step * (place - (number - 1) / 2)) for place in range(number)]


def _macs_left(runs: Sequence[Run]) -> float | None:
    """The mean of the runs of which it is known."""
    known = [run.macs_left for run in runs if run.macs_left is not None]
    return statistics.fmean(known) if known else None
