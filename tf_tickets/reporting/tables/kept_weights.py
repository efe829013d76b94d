"""What is left of the network, in all and layer by layer."""

from __future__ import annotations

import collections
import math
from collections.abc import Sequence

from tf_tickets.reporting.document import NONE, Cell, Folded, Row, Table, significant, sparsity_text
from tf_tickets.reporting.tables.cells import mean
from tf_tickets.results import Arm, Experiment, Run
from tf_tickets.results.loaded_run import layer_ratios
from tf_tickets.support.words import plural


def compute(experiment: Experiment) -> Table | None:
    """What is left of the network: weights, multiply-adds, weights on a path, collapsed layers."""
    rows: list[Row] = []
    before = None
    for arm, by_seed in experiment.arms.items():
        runs = list(by_seed.values())
        own = experiment.arms.get(Arm(arm.variant, arm.sparsity, None), {})
        collapsed = _collapsed(runs)
        if not arm.variant.prunes or (arm.check and collapsed in ("", _collapsed(list(own.values())))):
            continue
        rows.append(
            Row(
                (
                    Cell(experiment.names[arm.variant], arm.check or ""),
                    Cell(sparsity_text(arm.sparsity)),
                    Cell(mean(run.density for run in runs)),
                    Cell(mean(run.macs_left for run in runs)),
                    Cell(mean((run.result.get("effective_sparsity") for run in runs), exact=True)),
                    Cell(collapsed or NONE),
                ),
                "more" if arm.variant == before else "row",
            )
        )
        before = arm.variant
    if not rows:
        return None
    return Table(
        "What is left of the network, in per cent, means over seeds. Effective sparsity counts only weights "
        "on a path from an input to an output. A layer has collapsed where nothing of it is left on a path. "
        "A check is listed only where other layers collapsed than without it.",
        ("method", "sparsity", "weights kept", "multiply-adds kept", "effective sparsity", "collapsed"),
        tuple(rows),
        align="lrrrrw",
    )


def keep_ratios(experiment: Experiment) -> list[Folded]:
    """Layers x methods, one table a sparsity."""
    found = []
    for target in experiment.targets:
        arms = {
            variant: runs
            for variant in experiment.variants
            if (runs := experiment.arms.get(Arm(variant, target, None)))
        }
        if not arms:
            continue
        ratios = {variant: layer_ratios(runs.values()) for variant, runs in arms.items()}
        layers = list(dict.fromkeys(name for by_layer in ratios.values() for name in by_layer))
        lowest = min((x for y in ratios.values() for x in y.values() if x > 0), default=1.0)
        rows = tuple(
            Row(
                (
                    Cell(_layer_label(layer)),
                    *(_ratio_cell(by_layer.get(layer), lowest) for by_layer in ratios.values()),
                )
            )
            for layer in layers
        )
        at = "without a target" if target is None else f"at {sparsity_text(target)}"
        table = Table(
            f"Weights kept of each layer {at}, in per cent, means over seeds; layers in the "
            "order in which data meets them.",
            ("layer", *(experiment.names[variant] for variant in ratios)),
            rows,
            on_page="The colour follows the logarithm.",
        )
        found.append(Folded(f"Keep-ratios {at}, in numbers", (table,)))
    return found


def _collapsed(runs: Sequence[Run]) -> str:
    layers = collections.Counter(_layer_label(name) for run in runs for name in run.collapsed_layers)
    if not layers:
        return ""
    number = sum(bool(run.collapsed_layers) for run in runs)
    every = all(
        len(run.collapsed_layers) == len(run.result["layers"]) for run in runs if run.collapsed_layers
    )
    if every:
        what = "no path is left"
    else:
        names = [f"{name} ({count})" for name, count in layers.most_common(3)]
        more = len(layers) - len(names)
        what = ", ".join([*names, *([f"{more} more"] if more else [])])
    return f"{number} of {plural(len(runs), 'run')}: {what}"


def _layer_label(name: str) -> str:
    """A weight's label, without what all of them end in."""
    return name.removesuffix("/kernel")


def _ratio_cell(ratio: float | None, lowest: float) -> Cell:
    if ratio is None:
        return Cell()
    if ratio == 0:
        return Cell("0", strong=True)
    scale = math.log(lowest) or -1.0
    return Cell(significant(ratio), heat=round(1 - math.log(ratio) / scale, 3))
