"""What figures of the metric share: how each method is drawn, and lines over a fraction of the network."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from tf_tickets.reporting.arm_states import COLLAPSED
from tf_tickets.reporting.figures.composition import Sample
from tf_tickets.reporting.figures.limits import Limits, mean, spread
from tf_tickets.reporting.figures.marks import draw_over
from tf_tickets.reporting.palette import MUTED, method_style
from tf_tickets.results import DENSE, Arm, Experiment, Run, Variant

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclasses.dataclass(frozen=True)
class Line:
    """A method's metric.

    Attributes:
        sample: how it is drawn.
        places: where on the horizontal axis.
        cells: at each place the numbers of the seeds, as they are shown; of none there the line has a gap.
        across: at each place a standard deviation along the horizontal axis.
        marks: at each place those of `ArmState.marks`.
    """

    sample: Sample
    places: Sequence[float]
    cells: Sequence[Sequence[float]]
    across: Sequence[float] | None = None
    marks: Sequence[str] = ()


DENSE_SAMPLE = Sample(DENSE, MUTED, line=":")


def samples_of(experiment: Experiment) -> dict[Variant, Sample]:
    """How each method is drawn in every figure: those without a target as points."""
    samples = {
        variant: Sample(experiment.names[variant], *method_style(position))
        for position, variant in enumerate(experiment.variants)
    }
    return {
        variant: sample if variant.aims else dataclasses.replace(sample, line=None)
        for variant, sample in samples.items()
    }


def tickets(experiment: Experiment, variant: Variant) -> list[tuple[float | None, list[Run]]]:
    """Sparsity asked for, ascending, and the runs without a check."""
    return [
        (target, list(runs.values()))
        for target in experiment.targets
        if (runs := experiment.arms.get(Arm(variant, target, None)))
    ]


def with_gaps(experiment: Experiment, variant: Variant) -> list[tuple[float | None, list[Run]]]:
    """The same as `tickets`, and of sparsities that other methods have no runs, where the line has a gap."""
    found = dict(tickets(experiment, variant))
    targets = experiment.sparsities if variant.aims else list(found)
    return [(target, found.get(target, [])) for target in targets]


def sparsity_tick(sparsity: float) -> str:
    """A sparsity at an axis in per cent."""
    return f"{100 * sparsity:.6g}"


def accuracies(runs: Sequence[Run]) -> list[float]:
    """Of each run what it is judged by, as it is shown: accuracies in per cent."""
    return [run.scale.factor * run.endpoint for run in runs]


def shown(experiment: Experiment, values: Iterable[float]) -> list[float]:
    """Numbers of an experiment's metric as they are shown."""
    return [experiment.scale.factor * value for value in values]


def draw_line(axes: Axes, line: Line) -> None:
    """Draws means with their spreads."""
    means = [math.nan if (middle := mean(cell)) is None else middle for cell in line.cells]
    spreads = [spread(cell) or 0.0 for cell in line.cells]
    axes.errorbar(line.places, means, spreads, line.across, elinewidth=0.9, capsize=0, **line.sample.options)
    for place, middle, marks in zip(line.places, means, line.marks, strict=bool(line.marks)):
        if COLLAPSED in marks and axes.get_ylim()[0] <= middle <= axes.get_ylim()[1]:
            draw_over(axes, place, middle, COLLAPSED)


def draw_by_fraction(
    axes: Axes, lines: Sequence[Line], dense: float | None, ends: Limits, titles: tuple[str, str]
) -> None:
    """Draws lines over a fraction of the network: of its weights, or of its multiply-adds."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    begin(axes, ends, titles)
    for line in lines:
        draw_line(axes, line)
    every = [x for line in lines for x in line.places]
    decades = math.log10(max(every) / min(every))
    room = max(1.25, math.sqrt(3 / 10**decades))  # so that some tick is in sight
    axes.set_xlim(min(every) / room, max(every) * room)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 2.5 else (1,)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}"))
    draw_dense(axes, dense)


def begin(axes: Axes, ends: Limits, titles: tuple[str, str]) -> None:
    """Sets a logarithmic horizontal axis and the vertical one, with their titles."""
    axes.set_xscale("log")
    axes.set_ylim(*ends)
    axes.set_xlabel(titles[0])
    axes.set_ylabel(titles[1])


def draw_dense(axes: Axes, dense: float | None) -> None:
    """Draws the dense network's number across."""
    if dense is not None:
        axes.axhline(dense, color=MUTED, linestyle=":", linewidth=1.2)
