"""What each method's networks gain in each way to ship them."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

from tf_tickets.deployments.deployed import Deployed, Deployment
from tf_tickets.reporting.document import NONE, Cell, Row, Table, sparsity_text
from tf_tickets.reporting.tables.cells import accuracy_cell
from tf_tickets.results import Arm, Experiment, shipping_grounds
from tf_tickets.support.memory import in_words


def deployments(experiment: Experiment) -> list[Table]:
    """One table for each machine, number of threads and size of batches."""
    return [
        Table(
            f"Deployment, measured on {ground}: size on disk, milliseconds of the processor for a batch, and "
            "how many times as fast that is; medians of each run, means over seeds. The gain of sparsity is "
            f"that over folded dense.{_left_out(by_arm.values())}",
            ("method", "sparsity", "way", "size", "CPU ms", "× Keras's", "× folded", experiment.scale.words),
            tuple(_rows(experiment, by_arm)),
            align="lrlrrrrr",
        )
        for ground, by_arm in shipping_grounds(experiment).items()
    ]


def _rows(experiment: Experiment, by_arm: dict[Arm, list[Deployment]]) -> Iterable[Row]:
    for arm, tables in by_arm.items():
        for number, (way, rows) in enumerate(rows_by_way(tables).items()):
            accuracies = [row.accuracy for row in rows if row.accuracy is not None]
            yield Row(
                (
                    Cell(experiment.names[arm.variant]),
                    Cell(sparsity_text(arm.sparsity) if arm.variant.prunes else NONE),
                    Cell(way),
                    Cell(in_words(statistics.fmean(row.bytes for row in rows))),
                    Cell(f"{statistics.fmean(row.cpu.median for row in rows):.3g}"),
                    Cell(_times([row.faster for row in rows])),
                    Cell(_times([row.faster_than_folded for row in rows])),
                    accuracy_cell(accuracies, experiment.scale) if accuracies else Cell(),
                ),
                "more" if number else "row",
            )


def rows_by_way(tables: Iterable[Deployment]) -> dict[str, list[Deployed]]:
    """Way -> its rows in several tables, in their order."""
    found: dict[str, list[Deployed]] = {}
    for table in tables:
        for row in table.rows:
            found.setdefault(row.name, []).append(row)
    return found


def _times(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{statistics.fmean(known):.2f}" if known else NONE


def _left_out(tables: Iterable[Sequence[Deployment]]) -> str:
    ways = {way: why for several in tables for table in several for way, why in table.left_out.items()}
    return "".join(f" {way} was left out: {why.rstrip('.')}." for way, why in ways.items())
