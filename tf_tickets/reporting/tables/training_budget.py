"""How long each method was trained, and what it cost."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from tf_tickets.reporting.document import NONE, Cell, Row, Table
from tf_tickets.reporting.tables.cells import COST, costs
from tf_tickets.results import Experiment, Run, Variant, control_label


def budget(experiment: Experiment) -> Table | None:
    """How long each method was trained."""
    rows = []
    entries = _trained(experiment)
    of_each = [costs(runs) for _, runs in entries]
    knows_costs = any(cost != NONE for cost in of_each)
    for (name, runs), cost in zip(entries, of_each, strict=True):
        first = runs[0]
        epochs = first.epochs
        before = first.typed.recipe.epochs * first.typed.pretrains if first.row else None
        rows.append(
            Row(
                (
                    Cell(name),
                    Cell(NONE if epochs is None else f"{epochs:,}"),
                    Cell(NONE if before is None else f"{before:,}"),
                    Cell(_seconds([run.train_seconds for run in runs])),
                    Cell(_seconds([(run.result.get("seconds") or {}).get("dense") for run in runs])),
                    *([Cell(cost)] if knows_costs else []),
                )
            )
        )
    if not rows:
        return None
    caption = (
        "Training budget of one ticket: epochs and seconds (means over runs) of dense training, rounds, "
        "scoring and retraining. Runs of one seed share a dense training; here each is charged with it."
    )
    if any(variant.in_source for variant in experiment.variants):
        caption += " Inside a source, dense training is that of the whole source."
    head: tuple[str, ...] = ("method", "epochs in all", "dense epochs", "seconds in all", "dense seconds")
    if knows_costs:
        caption += f" {COST} The least and the most over runs, where they differ."
        head = (*head, "training cost")
    return Table(caption, head, tuple(rows))


def _trained(experiment: Experiment) -> list[tuple[str, list[Run]]]:
    """Name and runs of everything that was trained, dense networks first."""
    by_variant: dict[Variant, list[Run]] = {}
    for arm, by_seed in experiment.arms.items():
        if arm.check is None:
            by_variant.setdefault(arm.variant, []).extend(by_seed.values())
    dense, pruned = (
        [
            (experiment.names[variant], runs)
            for variant, runs in by_variant.items()
            if variant.prunes == prunes
        ]
        for prunes in (False, True)
    )
    longer = [(control_label(epochs), list(runs.values())) for epochs, runs in experiment.controls.items()]
    return [*dense, *longer, *pruned]


def _seconds(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{statistics.fmean(known):,.1f}" if known else NONE
