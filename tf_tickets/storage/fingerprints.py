"""Fingerprints of files: a hash of what is in them, taken once a process for each version of a file."""

from __future__ import annotations

import hashlib
import os
import pathlib
import stat
import time

from tf_tickets.storage.atomic_files import PathLike

PIECE = 2**20  # bytes that are read at a time
# A file that was written so lately may change once more without another time of change.
SECONDS_TO_SETTLE = 0.1

_known: dict[str, tuple[tuple[int, ...], str]] = {}


def fingerprint(path: PathLike) -> str | None:
    """The SHA-256 of a file's bytes; None where there is none, and empty of what is no regular file."""
    try:
        stamp = _stamp(os.stat(path))
        if stamp is None:
            return ""
        name = os.path.abspath(path)
        known = _known.get(name)
        if known is not None and known[0] == stamp:
            return known[1]
        settled = time.time() - max(stamp[0], stamp[1]) / 1e9 > SECONDS_TO_SETTLE
        found = _hash(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if settled:
        _known[name] = stamp, found
    return found


def files_of(path: pathlib.Path) -> list[pathlib.Path]:
    """A file, or the files in a folder at any depth."""
    return sorted(inner for inner in path.rglob("*") if inner.is_file()) if path.is_dir() else [path]


def _stamp(found: os.stat_result) -> tuple[int, ...] | None:
    """Tells the versions of a file apart; None of what is none, as a pipe, whose end would be waited for."""
    if not stat.S_ISREG(found.st_mode):
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev


def _hash(path: PathLike) -> str:
    hasher = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(PIECE):
            hasher.update(piece)
    return hasher.hexdigest()
