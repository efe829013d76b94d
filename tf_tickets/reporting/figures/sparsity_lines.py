"""Lines: the metric against sparsity, and against the multiply-adds that are left."""

from __future__ import annotations

import dataclasses
import itertools
import math
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tf_tickets.reporting.arm_states import FEWER, NOT_RUN, state_of
from tf_tickets.reporting.document import Figure
from tf_tickets.reporting.figures.accuracy_lines import (
    DENSE_SAMPLE,
    Line,
    accuracies,
    begin,
    draw_by_fraction,
    draw_dense,
    draw_line,
    samples_of,
    shown,
    sparsity_tick,
    tickets,
    with_gaps,
)
from tf_tickets.reporting.figures.axis_titles import MULTIPLY_ADDS, SPARSITY, metric_title
from tf_tickets.reporting.figures.composition import Draw, Sample, compose
from tf_tickets.reporting.figures.limits import Limits, below, limits, mean, near_the_best, where_from
from tf_tickets.reporting.figures.marks import draw_at_bottom, legend_of
from tf_tickets.reporting.tables.cells import direction
from tf_tickets.results import Experiment, Run, Variant

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_LEVEL = 6  # sparsities whose numbers fit beside each other
MISSING = "An open circle at the bottom: the method of its colour has no finished run there."
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
            lines.append(_over_sparsity(experiment, variant, sample))
        if any(_macs_left(runs) for _, runs in found):
            by_macs.append(_over_macs(experiment, variant, sample))
    scale = experiment.scale
    dense = mean(shown(experiment, experiment.dense.values()))
    if not every:
        return None
    whole, near = limits(every, dense, scale), limits(near_the_best(every, scale), dense, scale)
    kept = sorted({x for line in lines for x in line.places}, reverse=True)

    judged = metric_title(scale)

    def by_sparsity(ends: Limits) -> Draw:
        return lambda axes: _draw_by_sparsity(axes, lines, kept, dense, ends, judged)

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
                f"{scale.words} against multiply-adds{where_from(of_macs, scale)}",
                lambda axes: draw_by_fraction(axes, by_macs, dense, of_macs, (MULTIPLY_ADDS, judged)),
            )
        )
    if not panels:
        return None
    if dense is not None:
        samples.append(DENSE_SAMPLE)
    drawn = {mark for line in (*lines, *by_macs) for marks in line.marks for mark in marks}
    samples += legend_of(drawn - {FEWER})  # of which lines say nothing
    return compose(
        name,
        f"Test {scale.words_with_unit}, mean and standard deviation over seeds{direction(scale)}; horizontal "
        "axes are logarithmic. "
        "Lines over sparsity are drawn a little beside each other, so that none hides another."
        + (f" {MISSING}" if NOT_RUN in drawn else "")
        + ("" if of_macs == whole else f" Means {below(near, scale)} are in the first panel only."),
        panels,
        samples,
        size=(440, 310) if len(panels) != 3 else (300, 260),
    )


def _over_sparsity(experiment: Experiment, variant: Variant, sample: Sample) -> Line:
    """A method's numbers at all sparsities of the experiment, with a gap where it has none."""
    sparsities = experiment.sparsities
    return Line(
        sample,
        [1 - sparsity for sparsity in sparsities],
        [shown(experiment, experiment.endpoints(variant, sparsity).values()) for sparsity in sparsities],
        marks=[state_of(experiment, variant, sparsity).marks for sparsity in sparsities],
    )


def _over_macs(experiment: Experiment, variant: Variant, sample: Sample) -> Line:
    """A method's numbers at the multiply-adds that are left, where those are known."""
    found = [
        (_macs_left(runs) if runs else 1 - (target or 0.0), target, runs)
        for target, runs in with_gaps(experiment, variant)
    ]
    known = [(x, target, runs) for x, target, runs in found if x]
    return Line(
        sample,
        [x for x, _, _ in known],
        [accuracies(runs) for _, _, runs in known],
        marks=[state_of(experiment, variant, target).marks.replace(NOT_RUN, "") for _, target, _ in known],
    )


def _draw_by_sparsity(
    axes: Axes, lines: Sequence[Line], kept: Sequence[float], dense: float | None, ends: Limits, judged: str
) -> None:
    begin(axes, ends, (SPARSITY, judged))
    for offset, line in zip(_offsets(len(lines), kept), lines, strict=True):
        draw_line(axes, dataclasses.replace(line, places=[x * offset for x in line.places]))
    ends = max(kept) * 1.25, min(kept) / 1.25
    beside = (ends[1] / ends[0]) ** 0.03
    for number, place in enumerate(kept):
        missing = [line.sample.colour for line in lines if NOT_RUN in line.marks[number]]
        for above, colour in enumerate(missing):
            draw_at_bottom(axes, place * beside, NOT_RUN, colour, above)
    axes.set_xticks(kept, [sparsity_tick(1 - x) for x in kept], rotation=45 if len(kept) > MOST_LEVEL else 0)
    axes.minorticks_off()
    axes.set_xlim(*ends)
    draw_dense(axes, dense)


def _offsets(number: int, kept: Sequence[float]) -> list[float]:
    """Factors that set lines of the same places side by side, closer where the places are close."""
    closest = min((math.log(a / b) for a, b in itertools.pairwise(kept)), default=1.0)
    step = min(MOST_APART, 0.5 * closest) / max(number, 1)
    return [math.exp(step * (place - (number - 1) / 2)) for place in range(number)]


def _macs_left(runs: Sequence[Run]) -> float | None:
    """The mean of the runs of which it is known."""
    known = [run.macs_left for run in runs if run.macs_left is not None]
    return statistics.fmean(known) if known else None
