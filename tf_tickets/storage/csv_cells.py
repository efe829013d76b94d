"""JSON values as cells of CSV files: a spreadsheet shows them, and they read back exactly.

Numbers, `True`, `False` and most texts stand as they are, null is an empty cell, and all else is JSON: lists,
mappings, texts that would read as something else, and those with letters that are not shown.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any

# What a spreadsheet takes for the beginning of a formula, and what then stands before it.
FORMULAS = ("=", "+", "-", "@")
TEXT = "'"
_WORDS = {"": None, "True": True, "False": False, **{x: float(x) for x in ("nan", "inf", "-inf")}}


def written(value: Any) -> Any:
    """The cell of a value."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, str) and value.isprintable():
        cell = f"{TEXT}{value}" if value.startswith(FORMULAS) else value
        if read(cell) == value:
            return cell
    return json.dumps(value, separators=(",", ":"))


def read(cell: str) -> Any:
    """The value of a cell; what is not JSON is a text."""
    if cell in _WORDS:
        return _WORDS[cell]
    if cell.startswith(TEXT) and cell[1:].startswith(FORMULAS):
        return cell[1:]
    try:
        return json.loads(cell)
    except (ValueError, RecursionError):
        return cell


def table(columns: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """A CSV file of rows; where a row has no such column its cell is empty."""
    columns = list(columns)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(map(written, columns))
    writer.writerows([written(row.get(name)) for name in columns] for row in rows)
    return file.getvalue()


def rows_of(text: str) -> list[dict[str, str]]:
    """The rows of a CSV file, column -> cell.

    Raises:
        ValueError: it is no CSV file, or a row has not as many cells as there are columns.
    """
    usual = csv.field_size_limit(sys.maxsize)  # the layers of a large network are one cell
    try:
        columns, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    except csv.Error as error:
        raise ValueError(str(error)) from None
    finally:
        csv.field_size_limit(usual)
    names = [str(read(name)) for name in columns]
    return [dict(zip(names, row, strict=True)) for row in rows]
