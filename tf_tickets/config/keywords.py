"""Flags from Python: keyword arguments with the flags' names, and objects of the user's own by name."""

from __future__ import annotations

import numbers
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from absl import flags

from tf_tickets.config.additions import TABLES
from tf_tickets.support.options import written
from tf_tickets.support.own_code import name_of_object
from tf_tickets.support.words import did_you_mean


def flag_values(
    define: Callable[[flags.FlagValues], None], given: Mapping[str, Any], groups: Sequence[str], abroad: bool
) -> flags.FlagValues:
    """Parsed flags of keyword arguments; those that are None are left out.

    Args:
        define: defines a program's flags.
        given: name of a flag -> value: text, number, list, mapping, or an object of the user's own.
        groups: of flags that are listed where a name is unknown.
        abroad: whether other processes work with them, which find objects by their names alone.

    Raises:
        ValueError: an unknown name, a value that the flag does not take, or an object that cannot be found
            where it is needed.
    """
    values = flags.FlagValues()
    define(values)
    asked = {name: value for name, value in given.items() if value is not None}
    for name in asked:
        if name not in values:
            by_group = values.flags_by_module_dict()
            known = [flag.name for group in groups for flag in by_group[group]]
            raise ValueError(
                f"{name}= is unknown.{did_you_mean(name, known)} Accepted are flags: {', '.join(known)}."
            )
    texts = {name: written(_as_texts(name, value, abroad)) for name, value in asked.items()}
    try:
        values(["tf_tickets", *(f"--{name}={text}" for name, text in texts.items())])
    except flags.Error as error:
        raise ValueError(str(error)) from None
    return values


def _as_texts(name: str, value: Any, abroad: bool) -> Any:
    """Objects by name; mappings as `name=value`, where what reads as a number is one; others as given."""
    if isinstance(value, Mapping):
        return [f"{key}={_as_text(name, inner, abroad)}" for key, inner in value.items()]
    if isinstance(value, (list, tuple)):
        return [_as_text(name, part, abroad) for part in value]
    return _as_text(name, value, abroad)


def _as_text(name: str, value: Any, abroad: bool) -> Any:
    if _holds_numbers(value):
        raise ValueError(
            f"{name}= takes no arrays and no tables, but a name, or a function that returns them. "
            f"Received: {type(value).__name__}"
        )
    if not _is_object(value):
        return value
    # A row of a table is known by its name there, in other processes too.
    known = next((key for key, row in TABLES.get(name, {}).items() if row is value), None)
    return name_of_object(name, value, abroad) if known is None else known


def _holds_numbers(value: Any) -> bool:
    """Whether it is, or holds, an array, a table or a tf.data.Dataset, which no command line could write."""
    if isinstance(value, (list, tuple)):
        return any(_holds_numbers(part) or getattr(part, "ndim", 0) == 1 for part in value)
    return getattr(value, "ndim", 0) > 1 or hasattr(value, "element_spec")


def _is_object(value: Any) -> bool:
    """Whether it is a function, a row of a table, ...: nothing that a command line could write."""
    return callable(value) or not isinstance(value, (str, numbers.Number, os.PathLike, Iterable))
