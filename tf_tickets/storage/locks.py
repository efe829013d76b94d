"""Locks of directories on this machine's disks: one process at a time."""

from __future__ import annotations

import contextlib
import os
import pathlib
import platform
import time
from collections.abc import Callable, Iterator

from tf_tickets.storage.atomic_files import remove_scratch
from tf_tickets.storage.errors import NotOurs

try:
    import fcntl
except ImportError:  # not on Windows; there nothing keeps two runs out of one directory
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"
_NOTE = "process "  # what a note of ours begins with; a file of somebody else has that name by chance


@contextlib.contextmanager
def locked(folder: pathlib.Path, waiting: Callable[[str], None] | None = None) -> Iterator[None]:
    """Locks a directory for the duration, and removes what killed processes have left half written in it.

    Args:
        folder: an existing one.
        waiting: called once, with who it is, if another process is at work, before waiting for it.
            Without it that is an error.

    Raises:
        NotOurs: another process is at work, and `waiting` is None.
        OSError: the directory cannot be written.
    """
    with open(folder / LOCK, "a+", encoding="utf-8", errors="replace") as file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                holder = file.read().strip() or "unknown"
                if waiting is None:
                    raise NotOurs(f"Another process is at work in {folder}: {holder}.") from None
                waiting(holder)
                fcntl.flock(file, fcntl.LOCK_EX)
            # Who holds the lock is told by the lock alone; this is for people.
            if _is_note(folder / LOCK):
                file.truncate(0)
                began = time.strftime("%Y-%m-%d %H:%M:%S")
                file.write(f"{_NOTE}{os.getpid()} on {platform.node()}, since {began}")
                file.flush()
        remove_scratch(folder)
        yield


def _is_note(path: pathlib.Path) -> bool:
    """Whether a file is what was written here, or empty, and no link that leads elsewhere."""
    with open(path, "rb") as file:
        start = file.read(len(_NOTE))
    return not path.is_symlink() and start in (b"", _NOTE.encode())
