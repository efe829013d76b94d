"""Measures the theory of random masks, and draws docs/theory/*.svg with their numbers beside.

    ./scripts/theory
    ./scripts/theory --seed=1 --folder=elsewhere

Three experiments, a figure each: how often a random source of the required width holds its target, how often
every input has an edge beside the lower bound, and how many values a subset sum needs. numbers.json has all
that is drawn, and the standard errors.
"""

import dataclasses
import json
import math
import pathlib
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from absl import app, flags

from tf_tickets import theory
from tf_tickets.reporting import figures
from tf_tickets.reporting.palette import MUTED, method_style
from tf_tickets.support.words import plural
from tf_tickets.theory import Frequency

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "docs" / "theory"

ARCH, DELTA = (5, 8, 6, 3), 0.1
DENSITIES = (0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
WIDE, WIDE_SHARE = 0.2, 5  # sources of lower densities are so wide that so many times fewer are drawn
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
SHARED_DENSITY = 0.5

BOUND_DENSITIES = (0.5, 0.3, 0.2, 0.1, 0.05, 0.01)
BOUND_INPUTS = (1, 10, 100)
CURVE_DENSITIES, CURVE_INPUTS = (0.5, 0.2, 0.1), 10

EPS, SUBSET_DELTA = 0.01, 0.05
SUBSET_DENSITIES = (1.0, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05)


@dataclasses.dataclass(frozen=True)
class Effort:
    """Seed and numbers of trials."""

    seed: int
    trials: int
    more_trials: int


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags of the program."""
    flags.DEFINE_string("folder", str(FOLDER), "Where figures and numbers go.", flag_values=values)
    for name, default, least, about in (
        ("seed", 0, 0, "Of every random draw."),
        ("trials", 2000, 2, "Random sources drawn for each measured point; a fifth of the widest."),
        ("more_trials", 10_000, 2, "Trials of a point of the lower bound and of subset sums."),
    ):
        flags.DEFINE_integer(name, default, about, lower_bound=least, flag_values=values)


def main(argv: Sequence[str]) -> int:
    """Measures, draws, writes."""
    if argv[1:]:
        print(f"scripts/theory takes no arguments beside flags. Received: {argv[1]}", file=sys.stderr)
        return 1
    values = flags.FLAGS
    make(pathlib.Path(values.folder), Effort(values.seed, values.trials, values.more_trials))
    return 0


def make(folder: pathlib.Path, effort: Effort) -> None:
    """Runs every experiment; writes its figure at once, and the numbers of all at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers: dict[str, Any] = {"seed": effort.seed}
    for name, (measure, draw) in EXPERIMENTS.items():
        numbers[name] = measure(effort)
        path = folder / f"{name}.svg"
        path.write_text(draw(numbers[name]), encoding="utf-8")
        print(path, flush=True)
    (folder / "numbers.json").write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")


def measure_width_factors(effort: Effort) -> dict[str, Any]:
    """Required factors by density, and how often sources of these widths and of narrower ones succeed."""
    target = _target()
    by_density = []
    for density in DENSITIES:
        factors = theory.er_widths(ARCH, density, DELTA).factors
        # What the formula gives where the edge into a copy is forgotten to be random.
        forgotten = theory.required_width_factor(density, ARCH[0] * ARCH[1], factors[1], DELTA, len(ARCH) - 1)
        one_edge = (math.ceil(forgotten), *factors[1:])
        by_density.append(
            {
                "density": density,
                "factors": factors,
                **_succeeding(density, factors, effort, target),
                "one_edge_factors": one_edge,
                "one_edge": _succeeding(density, one_edge, effort, target),
            }
        )
    by_share = []
    required = theory.er_widths(ARCH, SHARED_DENSITY, DELTA).factors
    for share in SHARES:
        factors = tuple(math.ceil(share * factor) for factor in required)
        by_share.append(
            {"share": share, "factors": factors, **_succeeding(SHARED_DENSITY, factors, effort, target)}
        )
    return {
        "arch": ARCH,
        "delta": DELTA,
        "by_density": by_density,
        "density_of_shares": SHARED_DENSITY,
        "by_share": by_share,
    }


def _succeeding(density: float, factors: Sequence[int], effort: Effort, target: Any) -> dict[str, Any]:
    """Frequencies of success and of what the theorem bounds, over sources of the given factors."""
    trials = max(2, effort.trials // (WIDE_SHARE if density < WIDE else 1))
    first = effort.seed * trials
    found = [
        theory.embed_target(target, density, DELTA, seed=first + trial, factors=factors[:-1])
        for trial in range(trials)
    ]
    return {
        "every_copy_is_complete": _frequency(
            Frequency(sum(embedding.every_copy_is_complete for embedding in found), trials)
        ),
        "holds_the_target": _frequency(Frequency(sum(embedding.success for embedding in found), trials)),
    }


def _target() -> Any:
    import keras

    rng = np.random.default_rng(0)
    layers = [keras.layers.Dense(units, "relu") for units in ARCH[1:-1]]
    target = keras.Sequential([keras.Input(ARCH[:1]), *layers, keras.layers.Dense(ARCH[-1])])
    target.set_weights([rng.normal(size=weight.shape) for weight in target.weights])
    return target


def measure_lower_bound(effort: Effort) -> dict[str, Any]:
    """The bound by density, and how often all inputs are connected around it."""
    bounds = []
    for density in BOUND_DENSITIES:
        for inputs in BOUND_INPUTS:
            bound = theory.lower_bound_width(density, inputs, DELTA)
            above = math.ceil(bound)
            bounds.append(
                {
                    "density": density,
                    "inputs": inputs,
                    "bound": bound,
                    "at_the_width_above": _connected(density, inputs, above, effort),
                    "at_the_width_below": _connected(density, inputs, above - 1, effort),
                }
            )
    curves = []
    for density in CURVE_DENSITIES:
        bound = theory.lower_bound_width(density, CURVE_INPUTS, DELTA)
        widths = sorted({max(1, round(bound * share)) for share in np.linspace(0.2, 1.8, 9)})
        points = [_connected(density, CURVE_INPUTS, width, effort) for width in widths]
        curves.append({"density": density, "inputs": CURVE_INPUTS, "bound": bound, "points": points})
    return {"delta": DELTA, "trials": effort.more_trials, "bounds": bounds, "curves": curves}


def _connected(density: float, inputs: int, width: int, effort: Effort) -> dict[str, Any]:
    measured = theory.connected_frequency(density, inputs, width, effort.more_trials, effort.seed)
    exact = theory.connected_probability(density, inputs, width)
    return {"width": width, "exact": exact, "measured": _frequency(measured)}


def measure_subset_sums(effort: Effort) -> dict[str, Any]:
    """The smallest base set by density, with the sizes one standard error of its rank away."""
    trials = effort.more_trials
    rank, error = (1 - SUBSET_DELTA) * trials, math.sqrt(trials * SUBSET_DELTA * (1 - SUBSET_DELTA))
    rows = []
    for density in SUBSET_DENSITIES:
        sizes = np.sort(theory.base_set_sizes(density, EPS, trials, effort.seed))
        low, size, high = (
            int(sizes[min(trials - 1, math.ceil(place - 1e-9) - 1)])
            for place in (rank - error, rank, rank + error)
        )
        per_log = None if density == 1 else size * -math.log1p(-density)
        rows.append(
            {
                "density": density,
                "smallest": size,
                "from": low,
                "to": high,
                "times_density": size * density,
                "times_log": per_log,
            }
        )
    return {"eps": EPS, "delta": SUBSET_DELTA, "trials": trials, "rows": rows}


def draw_width_factors(numbers: dict[str, Any]) -> str:
    """Three panels: factors by density, success by density, success by width."""
    rows, shares = numbers["by_density"], numbers["by_share"]
    fine = np.geomspace(DENSITIES[0], DENSITIES[-1], 60)
    lines = [theory.er_widths(ARCH, float(density), DELTA).factors for density in fine]
    copies = [_sample(place, f"copies of layer {place}", marker=None) for place in range(1, len(ARCH) - 1)]
    copies.insert(0, _sample(0, "copies of inputs", marker=None))
    every, holds = _sample(3, "every copy is complete"), _sample(4, "the target is in the source")
    of_one_edge = "q_0 of one edge"
    some = {
        "every_copy_is_complete": _sample(5, f"every copy is complete, {of_one_edge}"),
        "holds_the_target": _sample(6, f"the target is in the source, {of_one_edge}"),
    }

    def factors(axes: Any) -> None:
        for place, sample in enumerate(copies):
            axes.plot(fine, [line[place] for line in lines], **sample.options)
        _densities(axes, DENSITIES, "density of the source")
        _logarithmic(axes, "width factor q")

    def by_density(axes: Any) -> None:
        places = [row["density"] for row in rows]
        _measured(axes, every, places, [row["every_copy_is_complete"] for row in rows])
        _measured(axes, holds, places, [row["holds_the_target"] for row in rows])
        for event, sample in some.items():
            _measured(axes, sample, places, [row["one_edge"][event] for row in rows])
        _densities(axes, DENSITIES, "density of the source")
        _frequencies(axes, 1 - DELTA)

    def by_share(axes: Any) -> None:
        places = [row["share"] for row in shares]
        _measured(axes, every, places, [row["every_copy_is_complete"] for row in shares])
        _measured(axes, holds, places, [row["holds_the_target"] for row in shares])
        axes.set_xlabel("share of the required width factors")
        _frequencies(axes, 1 - DELTA)

    return _drawn(
        "width_factors",
        [
            ("required copies of each neuron", factors),
            ("frequency with the required widths", by_density),
            (f"frequency with narrower sources, density {SHARED_DENSITY:g}", by_share),
        ],
        [*copies, every, holds, *some.values()],
    )


def draw_lower_bound(numbers: dict[str, Any]) -> str:
    """Two panels: the bound by density, connected inputs by width."""
    fine = np.geomspace(min(BOUND_DENSITIES), max(BOUND_DENSITIES), 60)
    bounds = [_sample(place, f"{plural(d, 'input')}", marker=None) for place, d in enumerate(BOUND_INPUTS)]
    curves = [
        _sample(place, f"{CURVE_INPUTS} inputs, density {density:g}")
        for place, density in enumerate(CURVE_DENSITIES, start=len(bounds))
    ]

    def by_density(axes: Any) -> None:
        for inputs, sample in zip(BOUND_INPUTS, bounds, strict=True):
            widths = [theory.lower_bound_width(float(density), inputs, DELTA) for density in fine]
            axes.plot(fine, widths, **sample.options)
        _densities(axes, BOUND_DENSITIES, "density of the source")
        _logarithmic(axes, "least width")

    def by_width(axes: Any) -> None:
        for curve, sample in zip(numbers["curves"], curves, strict=True):
            widths = range(1, curve["points"][-1]["width"] + 1)
            exact = [theory.connected_probability(curve["density"], CURVE_INPUTS, n) for n in widths]
            axes.plot(widths, exact, color=sample.colour, linewidth=1.0)
            places = [point["width"] for point in curve["points"]]
            _measured(axes, sample, places, [point["measured"] for point in curve["points"]], line="none")
            axes.axvline(curve["bound"], color=sample.colour, linestyle=":", linewidth=1.0)
        axes.set_xlabel("width of the layer")
        _frequencies(axes, 1 - DELTA)

    return _drawn(
        "lower_bound",
        [
            (f"least width for all inputs to have an edge ({1 - DELTA:g})", by_density),
            ("formula (lines), frequency (points), bound (dotted)", by_width),
        ],
        [*bounds, *curves],
    )


def draw_subset_sums(numbers: dict[str, Any]) -> str:
    """Two panels: the smallest base set by density, and times what it should go with."""
    rows = numbers["rows"]
    sparse = [row for row in rows if row["times_log"] is not None]
    constant = float(np.exp(np.mean([math.log(row["times_log"]) for row in sparse if row["density"] <= 0.3])))
    law = _sample(0, f"{constant:.1f} / log(1 / sparsity)", marker=None)
    smallest = _sample(1, "smallest n, measured")
    by_log, by_share = _sample(2, "n log(1 / sparsity)"), _sample(3, "n times density")

    def against_density(axes: Any) -> None:
        fine = np.geomspace(SUBSET_DENSITIES[-1], 0.95, 60)
        axes.plot(fine, [constant / -math.log1p(-density) for density in fine], **law.options)
        places, sizes = [row["density"] for row in rows], [row["smallest"] for row in rows]
        lower, upper = ([abs(row["smallest"] - row[end]) for row in rows] for end in ("from", "to"))
        points = {**smallest.options, "linestyle": "none"}
        axes.errorbar(places, sizes, [lower, upper], elinewidth=0.9, **points)
        _densities(axes, SUBSET_DENSITIES, "density of the values")
        _logarithmic(axes, "values n")

    def products(axes: Any) -> None:
        axes.plot([row["density"] for row in sparse], [row["times_log"] for row in sparse], **by_log.options)
        axes.plot(
            [row["density"] for row in rows], [row["times_density"] for row in rows], **by_share.options
        )
        _densities(axes, SUBSET_DENSITIES, "density of the values")
        axes.set_ylim(0, None)

    return _drawn(
        "subset_sums",
        [
            (f"values needed for an error of {EPS:g}", against_density),
            ("what stays about constant", products),
        ],
        [law, smallest, by_log, by_share],
    )


def _drawn(name: str, panels: list[tuple[str, Callable[[Any], None]]], samples: list[figures.Sample]) -> str:
    """The panels in one SVG, in the style of the reports."""
    size = (440, 300) if len(panels) == 2 else (305, 270)
    return figures.compose(name, "", panels, samples, size).whole


def _sample(place: int, label: str, marker: str | None = "") -> figures.Sample:
    """A line of a figure; its marker is left out by None."""
    colour, own, line, filled = method_style(place)
    return figures.Sample(label, colour, own if marker == "" else marker, line, filled)


def _measured(
    axes: Any,
    sample: figures.Sample,
    places: Sequence[float],
    points: Sequence[dict[str, Any]],
    line: str | None = None,
) -> None:
    """Frequencies with their intervals."""
    options = sample.options if line is None else {**sample.options, "linestyle": line}
    values = [point["value"] for point in points]
    errors = [[abs(point["value"] - point["interval"][end]) for point in points] for end in (0, 1)]
    axes.errorbar(places, values, errors, elinewidth=0.9, **options)


def _logarithmic(axes: Any, label: str) -> None:
    """A vertical axis with its numbers written out."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axes.set_yscale("log")
    axes.set_ylabel(label)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _densities(axes: Any, ticks: Sequence[float], label: str) -> None:
    axes.set_xscale("log")
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel(label)


def _frequencies(axes: Any, promised: float) -> None:
    axes.axhline(promised, color=MUTED, linestyle=":", linewidth=1.2)
    axes.set_ylim(-0.03, 1.05)


def _frequency(found: Frequency) -> dict[str, Any]:
    return {
        "successes": found.successes,
        "trials": found.trials,
        "value": found.value,
        "interval": found.interval(),
    }


EXPERIMENTS = {
    "width_factors": (measure_width_factors, draw_width_factors),
    "lower_bound": (measure_lower_bound, draw_lower_bound),
    "subset_sums": (measure_subset_sums, draw_subset_sums),
}


if __name__ == "__main__":
    define_flags(flags.FLAGS)
    app.run(main)
