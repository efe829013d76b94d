"""Files that are written whole or not at all, and JSON among them."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator
from typing import Any

from tf_tickets.storage.errors import NotOurs
from tf_tickets.support.memory import in_words

PathLike = str | os.PathLike

SCRATCH = ".tf_tickets-scratch-"
# A file of that name in a scratch folder says that it is one, and what it was for.
MARK = ".tf_tickets-scratch"


@contextlib.contextmanager
def replacing(path: PathLike) -> Iterator[pathlib.Path]:
    """A temporary path beside `path`, with its suffixes; takes its place when the block ends well.

    A reader sees the old content or the new, never a part; of a replaced directory, for a moment, none.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = pathlib.Path(tempfile.mkdtemp(dir=path.parent, prefix=SCRATCH))
    try:
        (scratch / MARK).write_text(path.name, encoding="utf-8")
        yield scratch / path.name
        new = scratch / path.name
        if new.is_file():
            # What is said to be there must outlast a power cut.
            with open(new, "rb") as file:
                os.fsync(file.fileno())
        if path.is_dir():
            path.replace(scratch / f"{path.name}.old")
        new.replace(path)
    except OSError as error:
        if error.errno == errno.ENOSPC or os.strerror(errno.ENOSPC) in str(error):
            left = in_words(shutil.disk_usage(path.parent).free)
            raise OSError(
                errno.ENOSPC,
                f"The disk of {path.parent} is full ({left} are left), and {path.name} is not written. Make "
                "room; the same command goes on",
            ) from error
        raise
    finally:
        _remove(scratch)


def remove_scratch(folder: pathlib.Path) -> None:
    """Removes what `replacing` has left in a folder, and below it, when its process was killed.

    A folder that only looks like it stays: name and mark must both say so. What was about to be replaced when
    the process was killed is put back.
    """
    for scratch in folder.rglob(f"{SCRATCH}*"):
        if (scratch / MARK).is_file() and not scratch.is_symlink():
            _remove(scratch)


def _remove(scratch: pathlib.Path) -> None:
    with contextlib.suppress(OSError):
        name = pathlib.PurePath((scratch / MARK).read_text(encoding="utf-8")).name  # it leads nowhere else
        path = scratch.parent / name
        old = scratch / f"{name}.old"
        if old.exists() and not os.path.lexists(path):
            old.replace(path)
    shutil.rmtree(scratch, ignore_errors=True)


def write_json(path: PathLike, value: Any) -> None:
    """Writes JSON, whole or not at all."""
    write_text(path, json_text(value))


def write_text(path: PathLike, text: str) -> None:
    """Writes text, whole or not at all."""
    with replacing(path) as new:
        new.write_text(text, encoding="utf-8", newline="\n")


def json_text(value: Any) -> str:
    """JSON as it is written to files."""
    return json.dumps(value, indent=2, sort_keys=False) + "\n"


def read_json(path: PathLike) -> Any:
    """Reads JSON.

    Raises:
        NotOurs: it is not JSON, or no file; names it.
    """
    if os.path.exists(path) and not os.path.isfile(path):  # of a pipe the end would be waited for
        raise NotOurs(f"{path} is no file.")
    try:
        return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # no text, no JSON, a number too long, lists too deep
        raise NotOurs(f"{path} is damaged: {error}") from error
