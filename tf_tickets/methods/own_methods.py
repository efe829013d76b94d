"""Methods of the user's own, as a run's config keeps them: what must be known of a row without its code."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from tf_tickets.methods.searches import Search, no_callbacks
from tf_tickets.methods.table import METHODS, Method
from tf_tickets.support.late import late

# Functions stay in the user's file, and no row of a user's is a null; all else of a row is kept.
_NOT_KEPT = ("score", "search", "solver", "null")
# Columns that came later are kept where they say something, so that names of runs stay.
_LATER = {"pattern": None}
_COLUMNS = tuple(x.name for x in dataclasses.fields(Method) if x.name not in (*_NOT_KEPT, *_LATER))
_OF_SEARCH = ("options", "library", "drawn", "aims", "grows", "in_levels")


def facts_of(row: Method) -> dict[str, Any]:
    """What a config keeps of a row: JSON-able; `row_of_facts` is the inverse."""
    found = {column: getattr(row, column) for column in _COLUMNS}
    found |= {name: getattr(row, name) for name, usual in _LATER.items() if getattr(row, name) != usual}
    found["score"] = row.score if isinstance(row.score, str) else None  # it is the attribute of the row
    search = row.search
    found["search"] = None
    if row.solver is not None:  # a later column: configs of before, and rows without one, lack it
        found["solver"] = True
    if search is not None:
        of_search = {column: getattr(search, column) for column in _OF_SEARCH}
        has = {"callbacks": search.callbacks is not no_callbacks, "convert": search.convert is not None}
        found["search"] = {**of_search, "options": dict(search.options), **has}
    return found


def row_of_facts(name: str, facts: Mapping[str, Any]) -> Method:
    """The row that a config has kept. Its functions are imported when they are called, and not before.

    Args:
        name: `"module:attribute"` or `"file.py:attribute"` of the row.
        facts: see `facts_of`.
    """
    row = {column: facts[column] for column in _COLUMNS} | {x: facts.get(x, _LATER[x]) for x in _LATER}
    row["score"] = f"{name}.score" if facts["score"] is None else facts["score"]
    if facts.get("solver"):
        row["solver"] = late(f"{name}.solver")
    kept = facts["search"]
    if kept is None:
        return Method(**row)
    search = {column: kept[column] for column in _OF_SEARCH}
    if kept["callbacks"]:
        search["callbacks"] = late(f"{name}.search.callbacks")
    if kept["convert"]:
        search["convert"] = late(f"{name}.search.convert")
    return Method(**row, search=Search(**search))


def known_row(name: str, facts: Mapping[str, Any] | None) -> Method | None:
    """The row of a method by its name or by what a config has kept of it; None where neither is known."""
    if name in METHODS:
        return METHODS[name]
    return None if facts is None else row_of_facts(name, facts)
