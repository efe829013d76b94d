"""Paths that the user wrote."""

from __future__ import annotations

from pathlib import Path


def user_path(source: str, text: str) -> Path:
    """A path that the user wrote, `~` and all.

    Raises:
        ValueError: it cannot be one; names the source.
    """
    try:
        path = Path(text).expanduser()
    except RuntimeError as error:  # there is no such user
        raise ValueError(f"{source}: {error}") from None
    if "\0" in text:
        raise ValueError(f"{source}: a path holds no null character. Received: {text!r}")
    return path
