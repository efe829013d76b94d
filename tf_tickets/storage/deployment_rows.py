"""What a result.json says of deployment: what its rows can be, and what they say of each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tf_tickets.storage import json_rules
from tf_tickets.storage.json_rules import (
    AMOUNT,
    COUNT,
    FRACTION,
    MAPPING,
    POSITIVE,
    TEXT,
    TEXTS,
    Rule,
    require,
)


def check_deployment(value: Any, where: str, metric: Rule) -> None:
    """Checks the table of a deployment.

    Args:
        value: what stands under `deployment`.
        where: that is, for people.
        metric: what numbers of the run's metric can be.

    Raises:
        Unfit: something is missing or impossible, or contradicts what stands beside it.
    """
    where = f"{where}: deployment"
    of_metric: json_rules.Rules = {"accuracy": (False, metric)}
    json_rules.check(json_rules.mapping(value, where), {**_TABLE, **of_metric}, where)
    if value.get("channels") is not None:
        removed, total = value["channels"]
        require(removed <= total, f"{where}: more channels are removed than there are")
    for row in value["rows"]:
        name = json_rules.brief(json_rules.mapping(row, f"{where}: a row").get("name"))
        here = f"{where}: {name}"
        json_rules.check(row, {**_ROW, **of_metric}, here)
        for clock in ("cpu", "wall"):
            _check_spread(row[clock], f"{here}: {clock}")
    names = [row["name"] for row in value["rows"]]
    require(len(set(names)) == len(names), f"{where}: two rows have one name")


def _check_spread(spread: Mapping[str, Any], where: str) -> None:
    json_rules.check(spread, _SPREAD, where)
    require(spread["low"] <= spread["median"] <= spread["high"], f"{where}: the median is not between")


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2


_COUNTS: Rule = (lambda x: _is_pair(x) and all(map(COUNT[0], x)), "two whole numbers")
_IF_KNOWN: Rule = (
    lambda x: _is_pair(x) and all(y is None or COUNT[0](y) for y in x),
    "two whole numbers, or null for what is not known",
)
_WORDS: Rule = (
    lambda x: isinstance(x, dict) and all(isinstance(word, str) for word in x.values()),
    "a mapping of texts",
)
_TABLE: json_rules.Rules = {
    "model": (True, TEXT),
    "batch": (True, POSITIVE),
    "threads": (True, POSITIVE),
    "machine": (True, TEXT),
    "versions": (True, _WORDS),
    "sparsity": (True, FRACTION),
    "channels": (False, _COUNTS),
    "macs": (False, _IF_KNOWN),
    "metric": (True, TEXT),
    "rows": (True, (lambda x: isinstance(x, list) and len(x) > 0, "a list of rows")),
    "left_out": (True, _WORDS),
    "notes": (True, TEXTS),
}
_ROW: json_rules.Rules = {
    "name": (True, TEXT),
    "bytes": (True, COUNT),
    "cpu": (True, MAPPING),
    "wall": (True, MAPPING),
    "faster": (True, AMOUNT),
    "faster_than_folded": (False, AMOUNT),
    "error": (False, AMOUNT),
    "notes": (True, TEXTS),
}
_SPREAD: json_rules.Rules = dict.fromkeys(("median", "low", "high"), (True, AMOUNT))
