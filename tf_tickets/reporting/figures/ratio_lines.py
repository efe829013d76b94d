"""Lines: the keep-ratio of each layer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tf_tickets.reporting.document import Figure, sparsity_text
from tf_tickets.reporting.figures.accuracy_lines import tickets
from tf_tickets.reporting.figures.axis_titles import DENSITY, LAYER
from tf_tickets.reporting.figures.composition import Draw, Sample, compose
from tf_tickets.reporting.palette import INK, shades
from tf_tickets.results import Experiment, Variant
from tf_tickets.results.loaded_run import layer_ratios

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Sparsity asked for, None where there is none -> the keep-ratio of each layer.
Ratios = Mapping[float | None, list[float]]

NOTHING_KEPT = Sample("nothing of the layer is kept", INK, "x")


def ratios(experiment: Experiment, name: str) -> Figure | None:
    """Keep-ratios of each layer, one panel a method, one line a sparsity."""
    targets = experiment.targets
    found: dict[Variant, Ratios] = {
        variant: {target: list(layer_ratios(runs).values()) for target, runs in tickets(experiment, variant)}
        for variant in experiment.variants
    }
    found = {variant: by_target for variant, by_target in found.items() if by_target}
    if not found:
        return None
    positive = [x for by_target in found.values() for y in by_target.values() for x in y if x > 0]
    floor = 10.0 ** math.floor(math.log10(min(positive, default=0.1)) - 1e-9)
    samples = {
        target: Sample(_label(target), colour, "o", "-")
        for target, colour in zip(targets, shades(len(targets)), strict=True)
    }

    has_crosses = any(0 in y for by_target in found.values() for y in by_target.values())

    def draw(by_target: Ratios) -> Draw:
        return lambda axes: _draw_ratios(axes, by_target, samples, floor)

    return compose(
        name,
        "Keep-ratio of each layer in per cent (logarithmic), layers in the order in which data meets them, "
        "means over seeds.",
        [(experiment.names[variant], draw(by_target)) for variant, by_target in found.items()],
        [*samples.values(), *([NOTHING_KEPT] if has_crosses else [])],
        size=(300, 190),
    )


def _label(target: float | None) -> str:
    return sparsity_text(target) if target is None else f"sparsity {sparsity_text(target)}"


def _draw_ratios(axes: Axes, by_target: Ratios, samples: Mapping[float | None, Sample], floor: float) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    axes.set_yscale("log")
    for target, values in by_target.items():
        sample, layers = samples[target], range(1, len(values) + 1)
        left = [value if value > 0 else math.nan for value in values]
        axes.plot(layers, left, **{**sample.options, "markersize": 2.6, "linewidth": 1.2})
        gone = [layer for layer, value in zip(layers, values, strict=True) if value == 0]
        if gone:  # an empty line that is not clipped would count as lying in the figure's corner
            bottom = [floor] * len(gone)
            axes.plot(gone, bottom, "x", color=sample.colour, clip_on=False)
    axes.set_ylim(floor, 1.25)
    axes.yaxis.set_major_locator(LogLocator(numticks=8))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g}"))
    axes.set_xlabel(LAYER)
    axes.set_ylabel(DENSITY)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
