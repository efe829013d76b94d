"""Lines: the metric against the density that was reached."""

from __future__ import annotations

import statistics

from tf_tickets.reporting.arm_states import COLLAPSED
from tf_tickets.reporting.document import Figure
from tf_tickets.reporting.figures.accuracy_lines import (
    DENSE_SAMPLE,
    Line,
    accuracies,
    draw_by_fraction,
    samples_of,
    shown,
    with_gaps,
)
from tf_tickets.reporting.figures.axis_titles import DENSITY, metric_title
from tf_tickets.reporting.figures.composition import Draw, Sample, compose
from tf_tickets.reporting.figures.limits import Limits, below, limits, mean, near_the_best, where_from
from tf_tickets.reporting.figures.marks import legend_of
from tf_tickets.reporting.tables.cells import direction
from tf_tickets.results import Experiment, Variant


def densities(experiment: Experiment, name: str) -> Figure | None:
    """The metric against the density that was reached; methods without a target are points."""
    if not experiment.is_about_density:
        return None
    samples: list[Sample] = []
    lines: list[Line] = []
    for variant, sample in samples_of(experiment).items():
        line = _line(experiment, variant, sample)
        if line is not None:
            samples.append(sample)
            lines.append(line)
    if not lines:
        return None
    scale = experiment.scale
    dense = mean(shown(experiment, experiment.dense.values()))
    every = [cell for line in lines for cell in line.cells if cell]
    views = list(
        dict.fromkeys((limits(every, dense, scale), limits(near_the_best(every, scale), dense, scale)))
    )

    titles = DENSITY, metric_title(scale)

    def draw(ends: Limits) -> Draw:
        return lambda axes: draw_by_fraction(axes, lines, dense, ends, titles)

    if dense is not None:
        samples.append(DENSE_SAMPLE)
    samples += legend_of(mark for line in lines for mark in line.marks)
    return compose(
        name,
        f"Test {scale.words_with_unit} against the density of the final ticket (logarithmic), means and "
        f"standard deviations over seeds of both{direction(scale)}."
        + (" Methods without a target are points." if None in experiment.targets else "")
        + ("" if len(views) == 1 else f" Means {below(views[1], scale)} are in the first panel only."),
        [(f"{scale.words} against true density{where_from(ends, scale)}", draw(ends)) for ends in views],
        samples,
        size=(440, 310),
    )


def _line(experiment: Experiment, variant: Variant, sample: Sample) -> Line | None:
    """A method's numbers at the densities that it reached; None where it kept nothing."""
    found = [
        (runs, [run.density for run in runs] or [1 - (target or 0.0)])
        for target, runs in with_gaps(experiment, variant)
    ]
    found = [(runs, kept) for runs, kept in found if statistics.fmean(kept) > 0]
    if not any(runs for runs, _ in found):
        return None
    return Line(
        sample,
        [statistics.fmean(kept) for _, kept in found],
        [accuracies(runs) for runs, _ in found],
        [statistics.stdev(kept) if len(kept) > 1 else 0.0 for _, kept in found],
        [COLLAPSED if any(run.collapsed_layers for run in runs) else "" for runs, _ in found],
    )
