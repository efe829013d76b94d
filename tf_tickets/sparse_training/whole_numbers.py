"""Whole numbers that searches are told, checked."""

from typing import Any

from tf_tickets.support.numbers import is_whole


def check_whole_number(argument: str, value: Any, least: int) -> int:
    """The value as an int; ValueError if it is no whole number, or less than `least`."""
    if not is_whole(value, least):
        raise ValueError(f"{argument}= is a whole number, {least} or more. Received: {value!r}")
    return int(value)
