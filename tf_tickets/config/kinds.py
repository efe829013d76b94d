"""Kinds of options that only a run has."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from tf_tickets.methods.own_methods import row_of_facts
from tf_tickets.pruning.pattern_names import pattern_of
from tf_tickets.storage.user_paths import user_path, user_place
from tf_tickets.support.options import Kind, number, text


def _file(name: str, value: str) -> str:
    user_path(f"--{name}={value}", value)
    return PLACE.parse(name, value)


def _pattern(name: str, value: str | None) -> str | None:
    return None if value is None else str(pattern_of(value))


def _are_facts(value: Any) -> bool:
    """Whether a row of a method can be made of a value."""
    try:
        return isinstance(value, Mapping) and bool(row_of_facts("", value))
    except (KeyError, TypeError, ValueError, AttributeError):
        return False


_FRACTION = number("[0, 1]")
_PROPORTION = number("(-inf, inf)")
# A name, or numbers; on a command line also those of a ticket.
RATIOS = Kind(
    "string",
    lambda value: (
        isinstance(value, str) or (isinstance(value, (list, tuple)) and all(map(_PROPORTION.accepts, value)))
    ),
    "a name or numbers",
)
# A number; on a command line also the word for nothing set apart.
CLASSIFIER_KEEP = Kind("string", _FRACTION.accepts, _FRACTION.expected)
# A path or a URL, and a file of this machine, with `~` for the user's own folder.
PLACE = dataclasses.replace(text(), parse=lambda name, value: user_place(f"--{name}={value}", value))
FILE = dataclasses.replace(text(), parse=_file)
# One name for all ways to write a pattern.
PATTERN = dataclasses.replace(text(), parse=_pattern)
# What is kept of the row of a method of the user's own.
METHOD_FACTS = Kind("", _are_facts, "columns of a method")
