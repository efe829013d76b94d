"""Differences of nested mappings, for messages."""

from __future__ import annotations

from typing import Any


def difference(found: Any, own: Any, prefix: str = "") -> str:
    """The first few keys in which two configs differ, as `key=theirs, not ours`."""
    if not isinstance(found, dict) or not isinstance(own, dict):
        return f"{prefix or 'config'}={found!r}, not {own!r}"
    parts = []
    for key in sorted({*found, *own}):
        if found.get(key) != own.get(key):
            name = f"{prefix}.{key}" if prefix else key
            parts.append(difference(found.get(key), own.get(key), name))
    return "; ".join(parts[:4])
