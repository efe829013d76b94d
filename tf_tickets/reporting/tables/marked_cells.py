"""Cells of arms that collapsed, and of arms that are not there: marked as in the figures."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from tf_tickets.reporting.arm_states import COLLAPSED, state_of
from tf_tickets.reporting.document import NONE, Cell, Row
from tf_tickets.results import Experiment, Variant


def marked(
    cell: Cell, experiment: Experiment, variant: Variant, sparsity: float | None, check: str | None = None
) -> Cell:
    """The cell of an arm; where layers collapsed in some of its runs, with a mark and how many those are."""
    collapsed = state_of(experiment, variant, sparsity, check).collapsed
    if not collapsed:
        return cell
    return dataclasses.replace(cell, detail=f"{cell.detail} {COLLAPSED}{collapsed}".strip())


def what_marks_say(rows: Iterable[Row]) -> str:
    """Sentences on the marks that are in a table, to go on with its caption."""
    cells = [cell for row in rows for cell in row.cells]
    said = ""
    if any(cell.text == NONE for cell in cells):
        said += f" {NONE}: no finished run."
    if any(COLLAPSED in cell.detail for cell in cells):
        said += f" {COLLAPSED}n: in n runs a layer collapsed, of which nothing is left on a path."
    return said
