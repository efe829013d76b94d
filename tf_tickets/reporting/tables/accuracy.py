"""What runs are judged by, by sparsity: of the methods, and of tickets with their checks."""

from __future__ import annotations

import math
import statistics

from tf_tickets.reporting.document import NONE, Cell, Row, Table, sparsity_text
from tf_tickets.reporting.tables.cells import accuracy_cell, direction, final, in_points, paired
from tf_tickets.reporting.tables.marked_cells import marked, what_marks_say
from tf_tickets.results import Arm, Experiment, control_label
from tf_tickets.results.nulls import random_label


def accuracies(experiment: Experiment, *, alpha: float) -> Table | None:
    """Methods x sparsities, as the paper's Tables 1 and 4."""
    targets, variants, scale = experiment.targets, experiment.variants, experiment.scale
    if not variants and not experiment.dense and not experiment.controls:
        return None
    columns = max(len(targets), 1)
    rows = [
        Row((Cell(name), accuracy_cell(values, scale, span=columns)))
        for name, values in _dense_networks(experiment)
    ]
    best = {target: _threshold(experiment, target, alpha) for target in targets}
    for variant in variants:
        cells = []
        for target in targets:
            values = list(experiment.endpoints(variant, target).values())
            strong = bool(values) and scale.gain(statistics.fmean(values)) >= best[target]
            cell = accuracy_cell(values, scale, strong=strong)
            cells.append(marked(cell, experiment, variant, target))
        if any(cell.text != NONE for cell in cells):
            rows.append(Row((Cell(experiment.names[variant]), *cells)))
    for epochs, arms in experiment.longer.items():
        for variant in dict.fromkeys(arm.variant for arm in arms):
            reached = [
                [run.endpoint for run in arms.get(Arm(variant, x, None), {}).values()] for x in targets
            ]
            if any(reached):
                label = f"{random_label(variant)}, {epochs} epochs"
                rows.append(Row((Cell(label), *(accuracy_cell(values, scale) for values in reached))))
    caption = (
        f"Test {final(scale)}, mean ± standard deviation (seeds){direction(scale)}. Bold: the mean is "
        f"within the {100 * (1 - alpha):g} % confidence interval of the best sparse method's; "
        "a single seed has no interval."
    )
    caption += what_marks_say(rows)
    if None in targets:
        caption += " Methods without a target end at densities of their own; none of them is bold."
    return Table(caption, ("method", *(map(sparsity_text, targets) if targets else ("0 %",))), tuple(rows))


def checks(experiment: Experiment) -> Table | None:
    """Methods with their checks x sparsities, as the paper's Table 3."""
    sparsities, scale = experiment.sparsities, experiment.scale
    rows: list[Row] = []
    for variant in experiment.variants:
        names = experiment.checks(variant)
        if not names:
            continue
        own = {sparsity: experiment.endpoints(variant, sparsity) for sparsity in sparsities}
        cells = [
            marked(accuracy_cell(own[sparsity].values(), scale), experiment, variant, sparsity)
            for sparsity in sparsities
        ]
        rows.append(Row((Cell(experiment.names[variant], strong=True), *cells)))
        for check in names:
            cells = []
            for sparsity in sparsities:
                values = experiment.endpoints(variant, sparsity, check)
                detail = paired(own[sparsity], values, scale)
                cell = accuracy_cell(values.values(), scale, detail=detail)
                cells.append(marked(cell, experiment, variant, sparsity, check))
            rows.append(Row((Cell(check), *cells), "sub"))
    if not rows:
        return None
    return Table(
        f"Tickets and their checks: test {scale.words_with_unit}, mean ± standard deviation"
        f"{direction(scale)}; beside it the mean difference to the unattacked ticket over the seeds that "
        f"both have{in_points(scale)} (beside the ticket itself: its seeds)." + what_marks_say(rows),
        ("ticket and check", *map(sparsity_text, sparsities)),
        tuple(rows),
    )


def _dense_networks(experiment: Experiment) -> list[tuple[str, list[float]]]:
    found = [("dense (0 %)", list(experiment.dense.values()))] if experiment.dense else []
    for epochs, runs in experiment.controls.items():
        found.append((f"{control_label(epochs)} (0 %)", [run.endpoint for run in runs.values()]))
    return found


def _threshold(experiment: Experiment, target: float | None, alpha: float) -> float:
    """The worse end of the confidence interval of the best mean, as a gain; infinite where it has none."""
    if target is None:
        return math.inf
    arms = [list(experiment.endpoints(variant, target).values()) for variant in experiment.variants]
    gain = experiment.scale.gain
    best = max(filter(None, arms), key=lambda values: gain(statistics.fmean(values)), default=[])
    if len(best) < 2:
        return math.inf

    import scipy.stats

    quantile = float(scipy.stats.t.ppf(1 - alpha / 2, len(best) - 1))
    return gain(statistics.fmean(best)) - quantile * statistics.stdev(best) / math.sqrt(len(best)) - 1e-12
