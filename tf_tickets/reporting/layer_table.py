"""Layers as a table for other programs, a CSV file: one row a layer."""

from __future__ import annotations

from collections.abc import Sequence

from tf_tickets.results import FINISHED, Run
from tf_tickets.storage import csv_cells

LAYER_COLUMNS = ("path", "layer", "name", "kept", "total", "on_path")


def layer_table(runs: Sequence[Run]) -> str:
    """One row a layer of a finished run, in forward order from 0."""
    rows = [
        {"path": str(run.path), "layer": number, **{x: layer.get(x) for x in LAYER_COLUMNS[2:]}}
        for run in runs
        if run.status == FINISHED
        for number, layer in enumerate(run.result["layers"])
    ]
    return csv_cells.table(LAYER_COLUMNS, rows)
