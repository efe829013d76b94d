"""The numbers of all runs, as tidy tables for other programs: one row a run, one row a layer."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tf_tickets.reporting.document import printable
from tf_tickets.results import FINISHED, Run

# What a spreadsheet takes for the beginning of a formula.
FORMULAS = ("=", "+", "-", "@")
LAYER_COLUMNS = ("path", "layer", "name", "kept", "total", "on_path")


def runs_csv(runs: Sequence[Run]) -> str:
    """One row a run, finished or not: what it is, every number of its result, and its config."""
    rows = [_row(run) for run in runs]
    return _csv(list(dict.fromkeys(name for row in rows for name in row)), rows)


def layers_csv(runs: Sequence[Run]) -> str:
    """One row a layer of a finished run, in forward order from 0."""
    rows = [
        {"path": str(run.path), "layer": number, **{x: layer.get(x) for x in LAYER_COLUMNS[2:]}}
        for run in runs
        if run.status == FINISHED
        for number, layer in enumerate(run.result["layers"])
    ]
    return _csv(LAYER_COLUMNS, rows)


def _row(run: Run) -> dict[str, Any]:
    row: dict[str, Any] = {"path": str(run.path), "status": run.status}
    if run.status == FINISHED:
        row["setting"] = run.setting.label
        row["label"] = run.arm.label
        for name, value in run.result.items():
            if isinstance(value, (int, float, str)) and not isinstance(value, bool):
                row[name] = value
        row.update(_numbers("seconds", run.result.get("seconds") or {}))
        row["epochs_in_all"] = run.epochs
        row["collapsed_layers"] = len(run.collapsed_layers)
    for name, value in run.config.items():
        if name == "recipe" and isinstance(value, dict):
            row.update({inner: _text(number) for inner, number in value.items()})
        elif name not in row:
            row[name] = _text(value)
    row["problem"] = run.problem
    return row


def _numbers(prefix: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{prefix}_{name}": value for name, value in values.items()}


def _text(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return " ".join(map(str, value))
    if isinstance(value, dict):
        return " ".join(f"{name}={inner}" for name, inner in value.items())
    return value


def _csv(columns: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> str:
    columns = list(columns)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(map(_cell, columns))
    writer.writerows([_cell(row.get(name)) for name in columns] for row in rows)
    return file.getvalue()


def _cell(value: Any) -> Any:
    """A text as a spreadsheet shows it: in one line, and never taken for a formula."""
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.startswith(FORMULAS) else text
