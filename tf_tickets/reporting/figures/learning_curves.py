"""Lines: how each method learns, epoch by epoch."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tf_tickets.reporting.document import Figure, sparsity_text
from tf_tickets.reporting.figures.accuracy_lines import samples_of
from tf_tickets.reporting.figures.axis_titles import EPOCH, LOSS, accuracy_title
from tf_tickets.reporting.figures.composition import Draw, Sample, compose
from tf_tickets.results import Arm, Experiment, Run
from tf_tickets.results.learning_curve import LOSS as LOSS_FIELD
from tf_tickets.results.learning_curve import QUALITY

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_EPOCHS = 120  # that are drawn of a training; of longer ones every second, third, ...
LEAST_POINTS, LEAST_RATIO = 10.0, 2.0  # that an axis of accuracies, and one of losses, shows

# Epochs from 1 on, means over seeds, and standard deviations (0 of a single seed).
Curve = tuple[Sequence[int], Sequence[float], Sequence[float]]


def learning(experiment: Experiment, name: str) -> Figure | None:
    """Test accuracy and training loss by epoch, two panels a sparsity, one line a method, without checks."""
    panels: list[tuple[str, Draw]] = []
    shown: dict[str, Sample] = {}
    for target in experiment.targets:
        arms = {
            sample: list(experiment.arms.get(Arm(variant, target, None), {}).values())
            for variant, sample in samples_of(experiment).items()
        }
        title = "without a target" if target is None else f"sparsity {sparsity_text(target)}"
        for what, field, factor, axis in (
            ("test", QUALITY, 100.0, accuracy_title(experiment)),
            ("training loss", LOSS_FIELD, 1.0, LOSS),
        ):
            curves = {
                sample: curve for sample, runs in arms.items() if (curve := _curve(runs, field, factor))
            }
            if curves:
                panels.append((f"{title}: {what}", _drawing(curves, axis, field == LOSS_FIELD)))
                shown |= {sample.label: sample for sample in curves}
    if not panels:
        return None
    runs = [run for arm, by_seed in experiment.arms.items() if not arm.check for run in by_seed.values()]
    without = sum(not run.curve for run in runs if run.arm.variant.prunes)
    return compose(
        name,
        "Learning curves of the retraining: means over seeds, and bands of a standard deviation on either "
        "side. Losses are those of training, on a logarithmic axis."
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


def _drawing(curves: dict[Sample, Curve], title: str, is_loss: bool) -> Callable[[Axes], None]:
    return lambda axes: _draw(axes, curves, title, is_loss)


def _draw(axes: Axes, curves: dict[Sample, Curve], title: str, is_loss: bool) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    lowest = min(x for _, means, _ in curves.values() for x in means)
    is_logarithmic = is_loss and lowest > 0
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
    _widen(axes, is_logarithmic, is_loss)
    if is_logarithmic:
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel(EPOCH)
    axes.set_ylabel(title)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))


def _widen(axes: Axes, is_logarithmic: bool, is_loss: bool) -> None:
    """Shows at least so much of the vertical axis that the noise of what learns nothing does not fill it."""
    low, high = axes.get_ylim()
    if is_logarithmic:
        part = max(0.0, math.log(LEAST_RATIO * low / high)) / 2
        axes.set_ylim(low * math.exp(-part), high * math.exp(part))
    elif not is_loss:
        part = max(0.0, LEAST_POINTS - (high - low)) / 2
        axes.set_ylim(max(low - part, 0.0), min(high + part, 104.0))
