"""Methods inside a source mask against themselves from the dense network."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from tf_tickets.reporting.document import NONE, Cell, Row, Table, note, significant, sparsity_text
from tf_tickets.reporting.tables.cells import (
    COST,
    accuracy_cell,
    cost,
    direction,
    in_differences,
    known_mean,
    paired,
    points,
)
from tf_tickets.results import Experiment, SourceContrast


def source_contrasts(experiment: Experiment, found: Sequence[SourceContrast]) -> Table | None:
    """One row a method inside a source and sparsity: what it lost or gained there, and what it saved."""
    if not found:
        return None
    scale = experiment.scale
    head = (
        "inside a source",
        "sparsity",
        "from dense",
        "inside",
        in_differences("difference", scale),
        "seeds",
        "cost from dense",
        "cost inside",
        "saved",
    )
    rows = [_row(experiment, contrast) for contrast in found]
    rows += [note(text, len(head)) for contrast in found for text in _density_notes(experiment, contrast)]
    return Table(
        f"Test {scale.words_with_unit}, mean ± standard deviation over the seeds that both have"
        f"{direction(scale)}. The difference is the {scale.words} inside the source less that of the same "
        f"method from the dense network, with its confidence interval. {COST} What is saved of it is in per "
        "cent.",
        head,
        tuple(rows),
        align="lrrrlrrrr",
        compact=True,
    )


def _row(experiment: Experiment, contrast: SourceContrast) -> Row:
    scale = experiment.scale
    seeds, comparison = contrast.verdict.seeds, contrast.verdict.comparison
    dense, inside = (
        [experiment.arms[arm][seed] for seed in seeds] for arm in (contrast.dense, contrast.inside)
    )
    before, after = (known_mean(run.training_cost for run in runs) for runs in (dense, inside))
    if comparison is None:
        detail = f"({contrast.verdict.reason})"
    else:
        detail = f"[{', '.join(points(end, scale) for end in comparison.interval)}]"
    by_seed = [{run.seed: run.endpoint for run in runs} for runs in (dense, inside)]
    return Row(
        (
            Cell(experiment.names[contrast.inside.variant]),
            Cell(sparsity_text(contrast.inside.sparsity)),
            *(accuracy_cell([run.endpoint for run in runs], scale, detail="") for runs in (dense, inside)),
            Cell(paired(by_seed[0], by_seed[1], scale), detail),
            Cell(str(len(seeds))),
            Cell(cost(before)),
            Cell(cost(after)),
            Cell(NONE if not before or after is None else f"{100 * (1 - after / before):.1f}"),
        )
    )


def _density_notes(experiment: Experiment, contrast: SourceContrast) -> list[str]:
    """Says so where the two did not end at one density although one sparsity was asked of both."""
    dense, inside = (
        statistics.fmean(run.density for run in experiment.arms[arm].values())
        for arm in (contrast.dense, contrast.inside)
    )
    if math.isclose(dense, inside, rel_tol=0.01):
        return []
    name = experiment.names[contrast.inside.variant]
    return [
        f"{name} at {sparsity_text(contrast.inside.sparsity)}: the densities reached differ, "
        f"{significant(dense)} % from dense and {significant(inside)} % inside."
    ]
