"""Fields of configs and results as something to compare: hashable, sorted into groups, and in words."""

from __future__ import annotations

import os
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, TypeVar

HASHES = ("ticket_sha256", "score_code", "loss_code", "metric_code", "data_fingerprint")

Frozen = tuple[tuple[str, Any], ...]
Value = TypeVar("Value")


def frozen(value: Mapping[str, Any]) -> Frozen:
    """A mapping of JSON values as something hashable."""
    return tuple(sorted(((str(name), _hashable(inner)) for name, inner in value.items()), key=lambda x: x[0]))


def differing(alike: Iterable[Frozen]) -> list[str]:
    """Names of the fields that are not the same in all of them."""
    found = [dict(fields) for fields in alike]
    names = sorted({name for fields in found for name in fields})
    return [name for name in names if len({fields.get(name) for fields in found}) > 1]


def grouped(values: Iterable[Value], key: Callable[[Value], Hashable]) -> dict[Any, list[Value]]:
    """Key -> the values that have it, in their order."""
    found: dict[Any, list[Value]] = {}
    for value in values:
        found.setdefault(key(value), []).append(value)
    return found


def shown(name: str, value: Any) -> str:
    """A field's value, short."""
    if name in HASHES and isinstance(value, str):
        return value[:6]
    if name == "score_options":
        return " ".join(f"{key}:{shown('', inner)}" for key, inner in value) or "none"
    if isinstance(value, tuple):
        texts = [shown("", x) for x in value]
        return ",".join(texts) if len(texts) <= 4 else f"{','.join(texts[:3])},... ({len(texts)})"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def basename(path: str) -> str:
    """What a dataset's name is known by: of a path, the last part."""
    return os.path.basename(path.rstrip("/")) or path


def _hashable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return frozen(value)
    return tuple(map(_hashable, value)) if isinstance(value, (list, tuple)) else value
