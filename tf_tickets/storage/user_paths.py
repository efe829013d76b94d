"""Paths and URLs that the user wrote: `~` is expanded, and what is neither is refused."""

from __future__ import annotations

import os
import re
from pathlib import Path

from tf_tickets.storage.stores import open_store
from tf_tickets.storage.urls import is_url

# Two letters at least: one is a disk of Windows.
_SLASH_SHORT = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/(?!/)")


def user_path(source: str, text: str | os.PathLike) -> Path:
    """A path that the user wrote, `~` and all.

    Args:
        source: what it was written as, for errors: `npz:FILE`, `--output=DIR`.
        text: the path.

    Raises:
        ValueError: it cannot be one, or is a URL.
    """
    written = os.fsdecode(text)
    if is_url(written):
        raise ValueError(f"{source}: a path on this machine is needed here, no URL.")
    return Path(user_place(source, written))


def user_place(source: str, text: str) -> str:
    """A path, `~` and all, or a URL that the user wrote; arguments as for `user_path`.

    Raises:
        ValueError: it cannot be one.
    """
    if "\0" in text:
        raise ValueError(f"{source}: a path holds no null character. Received: {text!r}")
    short = _SLASH_SHORT.match(text)
    if short is not None:
        root = "/" if short[1] == "file" else ""
        raise ValueError(
            f"{source}: a URL has two slashes, {short[1]}://{root}{text[short.end() :]}. (A folder that is "
            f"called so is written ./{text}.)"
        )
    if not text.startswith("~"):
        return text
    try:
        return str(Path(text).expanduser())
    except RuntimeError as error:  # there is no such user
        raise ValueError(f"{source}: {error}") from None


def lasting_place(flag: str, text: str) -> str:
    """A place for runs: a path or a URL, of a store that can be opened and outlives this process.

    Args:
        flag: that it is the value of.
        text: the value.

    Raises:
        ValueError: it is none; names the flag.
    """
    place = user_place(f"--{flag}={text}", text)
    if is_url(place):
        try:
            store, _ = open_store(place)
        except ValueError as error:
            raise ValueError(f"--{flag}={error}") from error
        if not store.lasts:
            raise ValueError(
                f"--{flag}={text} is in the memory of this process: no other one sees it, and all is lost "
                "when it ends. Choose a folder, or a URL such as s3://bucket/runs."
            )
    return place
