"""Lines: how each method learns, epoch by epoch."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tf_tickets.reporting.document import Figure, sparsity_text
from tf_tickets.reporting.figures.accuracy_lines import samples_of
from tf_tickets.reporting.figures.axis_titles import EPOCH, LOSS, metric_title
from tf_tickets.reporting.figures.composition import Draw, Sample, compose
from tf_tickets.reporting.tables.cells import direction
from tf_tickets.results import Arm, Experiment, Run
from tf_tickets.results.learning_curve import LOSS as LOSS_FIELD
from tf_tickets.support.scale import Scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_EPOCHS = 120  # that are drawn of a training; of longer ones every second, third, ...
# What an axis shows at least: points of shares, of other metrics a part of the largest number, and of losses
# how many times the lowest the highest is.
LEAST_POINTS, LEAST_PART, LEAST_RATIO = 10.0, 0.1, 2.0

# Epochs from 1 on, means over seeds, and standard deviations (0 of a single seed).
Curve = tuple[Sequence[int], Sequence[float], Sequence[float]]


def learning(experiment: Experiment, name: str) -> Figure | None:
    """Test metric and training loss by epoch, two panels a sparsity, one line a method, without checks."""
    panels: list[tuple[str, Draw]] = []
    shown: dict[str, Sample] = {}
    scale = experiment.scale
    for target in experiment.targets:
        arms = {
            sample: list(experiment.arms.get(Arm(variant, target, None), {}).values())
            for variant, sample in samples_of(experiment).items()
        }
        title = "without a target" if target is None else f"sparsity {sparsity_text(target)}"
        for what, field, of_metric, axis in (
            ("test", scale.name_on_test, scale, metric_title(scale)),
            ("training loss", LOSS_FIELD, None, LOSS),
        ):
            factor = of_metric.factor if of_metric else 1.0
            curves = {
                sample: curve for sample, runs in arms.items() if (curve := _curve(runs, field, factor))
            }
            if curves:
                panels.append((f"{title}: {what}", _drawing(curves, axis, of_metric)))
                shown |= {sample.label: sample for sample in curves}
    if not panels:
        return None
    runs = [run for arm, by_seed in experiment.arms.items() if not arm.check for run in by_seed.values()]
    without = sum(not run.curve for run in runs if run.arm.variant.prunes)
    return compose(
        name,
        "Learning curves of the retraining: means over seeds, and bands of a standard deviation on either "
        f"side. Test {scale.words_with_unit}{direction(scale)}; losses are those of training, on a "
        "logarithmic axis."
        + (f" Runs whose epochs are not known are left out: {without}." if without else ""),
        panels,
        list(shown.values()),
        size=(440, 250),
    )


def _curve(runs: Sequence[Run], field: str, factor: float) -> Curve | None:
    """Of each epoch that all runs have; None where there are fewer than two."""
    by_run = [
        {row["epoch"]: factor * row[field] for row in run.curve if math.isfinite(row.get(field, math.nan))}
        for run in runs
        if run.curve
    ]
    epochs = sorted(set.intersection(*map(set, by_run))) if by_run else []
    if len(epochs) < 2:
        return None
    step = math.ceil(len(epochs) / MOST_EPOCHS)
    epochs = sorted({*epochs[::step], epochs[-1]})
    values = [[row[epoch] for row in by_run] for epoch in epochs]
    return (
        [epoch + 1 for epoch in epochs],
        [statistics.fmean(x) for x in values],
        [statistics.stdev(x) if len(x) > 1 else 0.0 for x in values],
    )


def _drawing(curves: dict[Sample, Curve], title: str, scale: Scale | None) -> Callable[[Axes], None]:
    return lambda axes: _draw(axes, curves, title, scale)


def _draw(axes: Axes, curves: dict[Sample, Curve], title: str, scale: Scale | None) -> None:
    """Draws curves of a metric, or of losses, which have no scale."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    lowest = min(x for _, means, _ in curves.values() for x in means)
    is_logarithmic = scale is None and lowest > 0
    if is_logarithmic:
        axes.set_yscale("log")
    longest = max(len(epochs) for epochs, _, _ in curves.values())
    for sample, (epochs, means, spreads) in curves.items():
        # A band that would reach 0, where a logarithmic axis has no place, ends below all means.
        floor = 0.5 * lowest if is_logarithmic else -math.inf
        low = [max(mean - spread, floor) for mean, spread in zip(means, spreads, strict=True)]
        high = [mean + spread for mean, spread in zip(means, spreads, strict=True)]
        axes.fill_between(epochs, low, high, color=sample.colour, alpha=0.16, linewidth=0)
        options = {**sample.options, "markersize": 2.6, "linewidth": 1.2}
        if sample.line is None:
            options["linestyle"] = "-"
        axes.plot(epochs, means, markevery=max(1, longest // 8), **options)
    _widen(axes, is_logarithmic, scale)
    if is_logarithmic:
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel(EPOCH)
    axes.set_ylabel(title)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))


def _widen(axes: Axes, is_logarithmic: bool, scale: Scale | None) -> None:
    """Shows at least so much of the vertical axis that the noise of what learns nothing does not fill it."""
    low, high = axes.get_ylim()
    if is_logarithmic:
        part = max(0.0, math.log(LEAST_RATIO * low / high)) / 2
        axes.set_ylim(low * math.exp(-part), high * math.exp(part))
    elif scale is not None:
        least = LEAST_POINTS if scale.is_share else LEAST_PART * max(abs(low), abs(high))
        part = max(0.0, least - (high - low)) / 2
        bottom = max(low - part, 0.0) if low >= 0 or scale.is_share else low - part
        axes.set_ylim(bottom, min(high + part, 104.0) if scale.is_share else high + part)
