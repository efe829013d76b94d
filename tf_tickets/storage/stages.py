"""Stages of a run: what is noted of those that are finished, and what it must look like to be read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tf_tickets.support.numbers import is_number, is_whole


def is_stage(name: str, facts: Any) -> bool:
    """Whether these are facts of a finished stage."""
    return (
        isinstance(facts, dict)
        and facts.keys() >= _NEEDED.get(name, {"seconds"})
        and all(fits(facts[fact]) for fact, fits in _FACTS.items() if fact in facts)
    )


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_whole_or_none(value: Any) -> bool:
    return value is None or is_whole(value)


def _is_history(value: Any) -> bool:
    rows = value if isinstance(value, list) else [None]
    return all(isinstance(row, dict) and is_number(row.get("test_accuracy")) for row in rows)


def _are_numbers(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() >= {name for name, (needed, _) in _NUMBERS.items() if needed}
        and all(fits(value[name]) for name, (_, fits) in _NUMBERS.items() if name in value)
    )


# What is read of a network's numbers: name -> (whether it must be there, what it looks like).
_NUMBERS: dict[str, tuple[bool, Callable[[Any], bool]]] = {
    "test_accuracy": (True, is_number),
    "compressed_bytes": (True, is_whole),
    "weights_sha256": (True, _is_text),
    "macs": (True, _is_whole_or_none),
    "macs_kept": (True, _is_whole_or_none),
    "dense_seconds": (False, is_number),
    "dense_test_accuracy": (False, is_number),
    "pretraining_test_accuracy": (False, is_number),
    "dense_compressed_bytes": (False, is_whole),
}
# What is read of any stage: name -> what it looks like.
_FACTS: dict[str, Callable[[Any], bool]] = {
    "seconds": is_number,
    "outputs": _are_texts,
    "sha256": _is_text,
    "rounds_seconds": is_number,
    "compressed_bytes": is_whole,
    "history": _is_history,
    "numbers": _are_numbers,
}
# What must be there: stage -> names; of other stages the seconds alone.
_NEEDED = {
    "ticket": {"seconds", "sha256"},
    "train": {"seconds", "history", "compressed_bytes"},
    "retrain": {"seconds", "history"},
    "evaluate": {"seconds", "numbers"},
}
