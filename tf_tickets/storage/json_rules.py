"""Rules of JSON that is read: what a value looks like, and one line on the first that does not."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

from tf_tickets.support.numbers import is_number, is_whole

Rule = tuple[Callable[[Any], bool], str]
# Name -> whether it must be there, and what it looks like.
Rules = Mapping[str, tuple[bool, Rule]]


class Unfit(Exception):
    """What is wrong with a file, in one line."""


def read(path: pathlib.Path) -> Any:
    """What a JSON file holds.

    Raises:
        Unfit: it is missing, no file, damaged, or cannot be read; names the file without its folder.
    """
    try:
        if path.exists() and not path.is_file():  # of a pipe the end would be waited for
            raise Unfit(f"{path.name} is no file")
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Unfit(f"{path.name} is missing") from None
    except OSError as error:
        raise Unfit(f"{path.name} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise Unfit(f"{path.name} is damaged: {str(error)[:120]}") from None


def check(values: Mapping[str, Any], rules: Rules, where: str) -> None:
    """Raises Unfit if a value is missing or is not what its rule says; `where` they stand, for people."""
    for name, (required, (accepts, expected)) in rules.items():
        value = values.get(name)
        if value is None and not required:
            continue
        require(name in values, f"{where}: {name} is missing")
        require(accepts(value), f"{where}: {name} is {brief(value)}, not {expected}")


def mapping(value: Any, where: str) -> dict[str, Any]:
    """The value, if it is a mapping; else Unfit."""
    require(isinstance(value, dict), f"{where} is {brief(value)}, not a mapping")
    return value


def require(condition: bool, problem: str) -> None:
    """Raises Unfit where the condition does not hold."""
    if not condition:
        raise Unfit(problem)


def brief(value: Any) -> str:
    """A value for people."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _is_count(value: Any) -> bool:
    return is_whole(value, 0, 2**63 - 1)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(inner, str) for inner in value)


def _is_amount(value: Any) -> bool:
    return is_number(value) and 0 <= value < 1e12


TEXT: Rule = (lambda x: isinstance(x, str), "text")
TEXTS: Rule = (_are_texts, "a list of texts")
COUNT: Rule = (_is_count, "a whole number, 0 or more")
POSITIVE: Rule = (lambda x: _is_count(x) and x > 0, "a whole number, 1 or more")
FRACTION: Rule = (lambda x: is_number(x) and 0 <= x <= 1, "a number in [0, 1]")
SPARSITY: Rule = (lambda x: is_number(x) and 0 <= x < 1, "a number in [0, 1)")
NUMBER: Rule = (lambda x: is_number(x) and abs(x) < 1e300, "a finite number")
AMOUNT: Rule = (_is_amount, "a number, 0 or more")
MAPPING: Rule = (lambda x: isinstance(x, dict), "a mapping")
SECONDS: Rule = (
    lambda x: isinstance(x, dict) and all(value is None or _is_amount(value) for value in x.values()),
    "a mapping of seconds",
)
