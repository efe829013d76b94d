"""The densities that tickets reached, and what they are judged by there."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from tf_tickets.reporting.document import Cell, Row, Table, significant, sparsity_text
from tf_tickets.reporting.tables.cells import COST, costs, direction, mean, mean_and_spread
from tf_tickets.results import Experiment


def densities(experiment: Experiment) -> Table | None:
    """One row a ticket: the density that it reached, and its metric there."""
    if not experiment.is_about_density:
        return None
    rows: list[Row] = []
    before, scale = None, experiment.scale
    for arm, by_seed in experiment.arms.items():
        if arm.check is not None or not arm.variant.prunes:
            continue
        runs = list(by_seed.values())
        kept = [run.density for run in runs]
        rows.append(
            Row(
                (
                    Cell(experiment.names[arm.variant]),
                    Cell(sparsity_text(arm.sparsity)),
                    Cell(mean(kept), _spread(kept)),
                    Cell(mean(run.effective_density for run in runs)),
                    Cell(mean_and_spread([run.endpoint for run in runs], scale)),
                    Cell(str(len(runs))),
                    Cell(costs(runs)),
                ),
                "more" if arm.variant == before else "row",
            )
        )
        before = arm.variant
    return Table(
        "Density is the fraction of the weights that the final ticket keeps; effective density counts only "
        "weights on a path from an input to an output. Both in per cent, means over seeds (± standard "
        f"deviation, where it is seen). Test {scale.words_with_unit}, mean ± standard deviation"
        f"{direction(scale)}. {COST}",
        (
            "method",
            "sparsity asked for",
            "density",
            "effective density",
            scale.words,
            "seeds",
            "training cost",
        ),
        tuple(rows),
    )


def _spread(values: Sequence[float]) -> str:
    """A standard deviation of fractions in per cent; nothing where it is below a hundredth of the mean."""
    if len(values) < 2 or statistics.stdev(values) < 0.01 * statistics.fmean(values):
        return ""
    return f"± {significant(statistics.stdev(values))}"
