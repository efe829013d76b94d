"""Points: the metric against what a batch takes, and against bytes on disk, of each way to ship a network."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tf_tickets.deployments.deployed import Deployed
from tf_tickets.deployments.ways import WAYS
from tf_tickets.reporting.document import Figure
from tf_tickets.reporting.figures.accuracy_lines import begin, draw_dense
from tf_tickets.reporting.figures.axis_titles import SIZE, latency_title, metric_title
from tf_tickets.reporting.figures.composition import Draw, Sample, compose
from tf_tickets.reporting.figures.limits import limits, mean
from tf_tickets.reporting.palette import MUTED, PAPER, method_style, way_marker
from tf_tickets.reporting.tables.cells import direction
from tf_tickets.reporting.tables.ways_to_ship import rows_by_way
from tf_tickets.results import Arm, Experiment, shipping_grounds

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_POINT: dict[str, Any] = {
    "linestyle": "none",
    "markersize": 6.5,
    "markeredgecolor": PAPER,
    "markeredgewidth": 0.4,
}
# Place on the horizontal axis of each way of a network, and its metric.
Points = Mapping[str, tuple[float, float]]


def deployments(experiment: Experiment, name: str) -> list[Figure]:
    """One figure for each machine, number of threads and size of batches."""
    found, scale = [], experiment.scale
    for number, (ground, by_arm) in enumerate(shipping_grounds(experiment).items(), start=1):
        rows = {arm: rows_by_way(tables) for arm, tables in by_arm.items()}
        rows = {arm: known for arm, by_way in rows.items() if (known := _with_metric(by_way))}
        if rows:
            panels = _panels(experiment, rows, latency_title(ground.batch))
            ways = [way for way in WAYS if any(way in by_way for by_way in rows.values())]
            found.append(
                compose(
                    name if number == 1 else f"{name}-{number}",
                    f"Test {scale.words_with_unit} of what is shipped{direction(scale)}, against processor "
                    f"time of a batch and bytes on disk, both logarithmic: measured on {ground}. Points of "
                    "one network are joined; the further left, the better.",
                    panels,
                    [
                        *(Sample(_label(experiment, arm), _colour(experiment, arm)) for arm in _firsts(rows)),
                        *(Sample(way, MUTED, way_marker(way)) for way in ways),
                    ],
                    size=(440, 310),
                )
            )
    return found


def _panels(
    experiment: Experiment, rows: Mapping[Arm, Mapping[str, Sequence[Deployed]]], latency: str
) -> list[tuple[str, Draw]]:
    scale = experiment.scale
    judged = metric_title(scale)

    def points(of: str) -> list[tuple[str, Points]]:
        return [
            (
                _colour(experiment, arm),
                {
                    way: (
                        statistics.fmean(x.bytes / 1e6 if of == "bytes" else x.cpu.median for x in some),
                        statistics.fmean(scale.factor * (x.accuracy or 0.0) for x in some),
                    )
                    for way, some in by_way.items()
                },
            )
            for arm, by_way in rows.items()
        ]

    def drawn(of: str, title: str) -> Draw:
        found = points(of)
        dense = mean(scale.factor * value for value in experiment.dense.values())
        ends = limits([[y for _, y in network.values()] for _, network in found], dense, scale)

        def draw(axes: Axes) -> None:
            begin(axes, ends, (title, judged))
            _draw(axes, found)
            draw_dense(axes, dense)

        return draw

    return [
        (f"{scale.words} against time", drawn("cpu", latency)),
        (f"{scale.words} against size", drawn("bytes", SIZE)),
    ]


def _draw(axes: Axes, networks: Sequence[tuple[str, Points]]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    for colour, network in networks:
        places = sorted(network.values())
        axes.plot([x for x, _ in places], [y for _, y in places], color=colour, linewidth=0.8, alpha=0.5)
        for way, (x, y) in network.items():
            # Whole also where it lies on the edge of the axes.
            axes.plot(x, y, **_POINT, color=colour, marker=way_marker(way), clip_on=False)
    every = [x for _, network in networks for x, _ in network.values()]
    axes.set_xlim(min(every) / 1.4, max(every) * 1.4)
    decades = max(every) / min(every)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 300 else (1,)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _with_metric(by_way: Mapping[str, Sequence[Deployed]]) -> dict[str, list[Deployed]]:
    known = {way: [row for row in rows if row.accuracy is not None] for way, rows in by_way.items()}
    return {way: rows for way, rows in known.items() if rows}


def _firsts(rows: Mapping[Arm, object]) -> list[Arm]:
    """An arm of each variant."""
    return list({arm.variant: arm for arm in reversed(list(rows))}.values())[::-1]


def _label(experiment: Experiment, arm: Arm) -> str:
    return experiment.names[arm.variant]


def _colour(experiment: Experiment, arm: Arm) -> str:
    """That of the method in all figures; dense networks are grey."""
    if arm.variant not in experiment.variants:
        return MUTED
    return method_style(experiment.variants.index(arm.variant))[0]
