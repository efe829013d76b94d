"""URLs (`s3://bucket/runs/...`) and paths: what their text alone tells, and which of them errors name."""

from __future__ import annotations

import contextlib
import os
import pathlib
from collections.abc import Iterator
from typing import Any


def is_url(path: str | os.PathLike) -> bool:
    """Whether a path is a URL; anything else is a local path."""
    return isinstance(path, str) and "://" in path


def parent(path: str) -> str:
    """The folder of a path or URL."""
    if not is_url(path):
        return os.path.dirname(os.path.abspath(path))
    scheme, _, rest = path.rstrip("/").rpartition("://")
    return f"{scheme}://{rest.rpartition('/')[0]}"


def join(folder: str, *names: str) -> str:
    """A path or URL in a folder."""
    if not is_url(folder):
        return os.path.join(folder, *names)
    return "/".join((folder if folder.endswith("://") else folder.rstrip("/"), *names))


def same(path: str, other: str) -> bool:
    """Whether two paths or URLs are the same place: here also by links, elsewhere as far as names tell."""
    one, two = canonical(path), canonical(other)
    return one == two or (not (is_url(one) or is_url(two)) and os.path.realpath(one) == os.path.realpath(two))


def canonical(path: str) -> str:
    """A path or URL as it is written for comparing: absolute, without `file://` and slashes at the end."""
    path = path.removeprefix("file://")
    return path.rstrip("/") if is_url(path) else os.path.abspath(path)


_urls_of_copies: dict[str, str] = {}


@contextlib.contextmanager
def named_in_errors(copy: pathlib.Path, url: str) -> Iterator[None]:
    """Names a URL in the errors of a block, not the path of its local copy."""
    _urls_of_copies[str(copy)] = url
    try:
        yield
    except (ValueError, OSError, RuntimeError) as error:
        error.args = tuple(map(_with_urls, error.args))
        if isinstance(error, OSError) and error.filename is not None:
            error.filename = _with_urls(error.filename)
        raise


def _with_urls(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    for path in sorted(_urls_of_copies, key=len, reverse=True):
        value = value.replace(path, _urls_of_copies[path])
    return value
