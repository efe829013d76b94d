"""Runs as a table, one row a run: a CSV file for spreadsheets, from which the same runs are read back.

What a row does not hold is the learning curve. Files of versions that wrote no layers, and nested values as
`name=value`, are read as well; what is not in them is not known then.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tf_tickets.config import Config
from tf_tickets.results import reading
from tf_tickets.results.loaded_run import Run
from tf_tickets.results.reading import BROKEN, FINISHED, UNFINISHED
from tf_tickets.storage import csv_cells
from tf_tickets.storage.json_rules import Unfit, require
from tf_tickets.storage.run_numbers import check_numbers, check_result
from tf_tickets.training.recipe import Recipe

SUFFIX = ".csv"
# Columns that are there for people: they follow from others.
DERIVED = ("setting", "label", "epochs_in_all", "collapsed_layers")
_OWN = ("path", "status", "problem", *DERIVED)
_SHARED = ("method", "sparsity", "seed", "sanity_check")  # that a result and its config both have
_SECONDS = "seconds_"
_CONFIG = {field.name for field in dataclasses.fields(Config)} - {"recipe"}
_RECIPE = {field.name for field in dataclasses.fields(Recipe)}
# Before the name of a column that would be taken for another's.
_OF_RESULT, _OF_CONFIG, _OF_RECIPE = "result_", "config_", "recipe_"


def run_table(runs: Sequence[Run]) -> str:
    """A CSV file with one row a run, finished or not: what it is, its result, and its config."""
    rows = [_row(run) for run in runs]
    return csv_cells.table(dict.fromkeys(name for row in rows for name in row), rows)


def records(path: pathlib.Path) -> Iterator[tuple[str, reading.Record]]:
    """Path and record of each run of a table, in its order; a row that is no run's is broken.

    Args:
        path: of a file that `run_table` has written.

    Raises:
        ValueError: it is no table of runs.
        OSError: it cannot be read.
    """
    try:
        rows = csv_cells.rows_of(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is no table of runs: {error}.") from None
    for number, row in enumerate(rows, start=2):
        if not {"path", "status", "method"} <= row.keys():
            raise ValueError(f"{path} is no table of runs: it lacks the columns path, status and method.")
        yield str(csv_cells.read(row["path"])), _record(row, f"line {number}")


def _row(run: Run) -> dict[str, Any]:
    row: dict[str, Any] = {"path": str(run.path), "status": run.status}
    if run.status == FINISHED:
        row["setting"] = run.setting.label
        row["label"] = run.arm.label
        for name, value in run.result.items():
            if name == "seconds":
                row.update({f"{_SECONDS}{part}": seconds for part, seconds in (value or {}).items()})
            elif name != "config":
                row[_column(name)] = value
        row["epochs_in_all"] = run.epochs
        row["collapsed_layers"] = len(run.collapsed_layers)
    config = dict(run.config)
    recipe = config.pop("recipe", None)
    row.update({x if x in _RECIPE else f"{_OF_RECIPE}{x}": y for x, y in _mapping(recipe).items()})
    row.update({x if x in _CONFIG else f"{_OF_CONFIG}{x}": y for x, y in config.items()})
    row["problem"] = run.problem
    return row


def _column(name: str) -> str:
    """The column of a number of a result."""
    is_taken = name in _CONFIG | _RECIPE | {*_OWN} or name.startswith((_OF_CONFIG, _OF_RECIPE, _OF_RESULT))
    return f"{_OF_RESULT}{name}" if is_taken and name not in _SHARED else name


def _record(row: Mapping[str, str], where: str) -> reading.Record:
    try:
        values = {name: csv_cells.read(cell) for name, cell in row.items()}
        status = values["status"]
        require(status in (FINISHED, UNFINISHED, BROKEN), f"{where}: status is {str(status)[:60]!r}")
        problem = None if values.get("problem") is None else str(values["problem"])
        if status == BROKEN:
            return reading.Record(BROKEN, {}, problem=problem)
        config = reading.checked_config(_config(values), where)
        if status == UNFINISHED:
            return reading.Record(UNFINISHED, config, problem=problem)
        result = _result(values)
        result["config"] = config
        if "layers" in result:
            check_result(result, where)
        else:
            result["layers"] = []
            check_numbers(result, where)
        return reading.Record(FINISHED, config, result)
    except Unfit as error:
        return reading.Record(BROKEN, {}, problem=str(error))


def _config(values: Mapping[str, Any]) -> dict[str, Any]:
    config = {name: value for name, value in values.items() if name in _CONFIG}
    recipe = {name: value for name, value in values.items() if name in _RECIPE}
    for name, value in values.items():
        if name.startswith(_OF_CONFIG) and value is not None:
            config[name.removeprefix(_OF_CONFIG)] = value
        elif name.startswith(_OF_RECIPE) and value is not None:
            recipe[name.removeprefix(_OF_RECIPE)] = value
    for fields, usual in ((config, reading.DEFAULTS), (recipe, _RECIPE_DEFAULTS)):
        for name, default in usual.items():
            if isinstance(default, (list, dict)) and not isinstance(fields.get(name, default), (list, dict)):
                fields[name] = _nested(fields[name], default)
    return {**config, "recipe": recipe}


def _result(values: Mapping[str, Any]) -> dict[str, Any]:
    known = {*_OWN, *(_CONFIG | _RECIPE)} - {*_SHARED}
    result: dict[str, Any] = {"seconds": {}}
    for name, value in values.items():
        if name.startswith(_SECONDS):
            if value is not None:
                result["seconds"][name.removeprefix(_SECONDS)] = value
        elif name not in known and value is not None and not name.startswith((_OF_CONFIG, _OF_RECIPE)):
            result[name.removeprefix(_OF_RESULT)] = value
    return {"sanity_check": None, **result}


def _nested(value: Any, default: list | dict) -> list | dict:
    """A list or mapping as earlier versions wrote it: `0.5 0.75`, `frequency=20 until=0.8`."""
    words = [] if value is None else str(value).split()
    if isinstance(default, list):
        return [csv_cells.read(word) for word in words]
    pairs = (word.partition("=") for word in words)
    return {name: csv_cells.read(inner) for name, _, inner in pairs}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


_RECIPE_DEFAULTS: dict[str, Any] = json.loads(
    json.dumps(
        {x.name: x.default for x in dataclasses.fields(Recipe) if x.default is not dataclasses.MISSING}
    )
)
