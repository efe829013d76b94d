"""Stores of files that URLs lead to, whatever fsspec opens: object stores, disks, memory."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
from collections.abc import Callable, Sequence
from typing import Any

from tf_tickets.storage import locks
from tf_tickets.storage.atomic_files import replacing
from tf_tickets.storage.errors import NotOurs
from tf_tickets.storage.urls import is_url
from tf_tickets.support.words import in_short


def open_store(url: str) -> tuple[Store, str]:
    """The store that a URL leads to, and the path in it.

    Raises:
        ValueError: it cannot be opened, or leads to no folder.
    """
    try:
        import fsspec

        fs, root = fsspec.core.url_to_fs(url)
    except Exception as error:  # each store has errors of its own
        raise ValueError(
            f"{url} cannot be opened: {in_short(error)} (URLs need fsspec, pip install tf_tickets[ray], and "
            "the package of their kind: s3fs, gcsfs, ...)"
        ) from error
    if not url.partition("://")[2].strip("/"):
        raise ValueError(f"{url} names no folder. URLs of directories look like s3://bucket/runs.")
    return (Disk if _is_disk(fs) else Store)(fs), root.rstrip("/")


def append(path: str, text: str) -> None:
    """Adds to a text file, at a path or URL; makes it, and its folder, where there is none."""
    if not is_url(path):
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        with open(path, "a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
        return
    store, root = open_store(path)
    try:
        before = store.read(root)
    except FileNotFoundError:
        before = b""
    store.write(root, before + text.encode(errors="backslashreplace"))


class Store:
    """An object store, which replaces a file as a whole, and has no locks.

    Args:
        fs: fsspec's file system.
    """

    def __init__(self, fs: Any):
        self.fs = fs

    @property
    def lasts(self) -> bool:
        """Whether what it holds outlives this process, and is seen by others."""
        from fsspec.implementations.memory import MemoryFileSystem

        fs = self.fs
        while not isinstance(fs, MemoryFileSystem) and getattr(fs, "fs", None) is not None:
            fs = fs.fs  # behind one that keeps copies of it
        return not isinstance(fs, MemoryFileSystem)

    def names(self, root: str, url: str) -> list[str]:
        """The files in a folder, but for scratch. None leads out of it, as `..` starts with a dot.

        Args:
            root: the folder.
            url: that leads to it, for messages.

        Raises:
            NotOurs: it is a file.
            OSError: it cannot be read.
        """
        self.fs.invalidate_cache()
        try:
            paths = self.fs.find(root)
        except FileNotFoundError:
            return []
        except Exception as error:  # each store has errors of its own
            raise OSError(f"{url} cannot be read: {in_short(error)}") from error
        names = []
        for path in paths:
            name = path[len(root) :].lstrip("/")
            if not name:
                raise NotOurs(f"{url} is a file, not a folder.")
            if not any(part.startswith(".") for part in name.split("/")) and "\\" not in name:
                names.append(name)
        return names

    def read(self, path: str) -> bytes:
        """Contents of a file as it is now."""
        self.fs.invalidate_cache()
        return self.fs.cat_file(path)

    def read_all(self, paths: Sequence[str]) -> dict[str, bytes]:
        """Contents of files, without those that are gone."""
        return self.fs.cat(paths, on_error="omit") if paths else {}

    def modified(self, path: str) -> float | None:
        """When a file was written, in seconds since 1970; None where the store does not say it."""
        try:
            return self.fs.modified(path).timestamp()
        except (NotImplementedError, OSError, AttributeError, KeyError):
            return None

    def download(self, path: str, target: pathlib.Path) -> None:
        """Copies a file from the store."""
        self.fs.get_file(path, str(target))

    def upload(self, source: pathlib.Path, path: str) -> None:
        """Copies a file into the store."""
        self.fs.makedirs(path.rpartition("/")[0], exist_ok=True)
        self.fs.put_file(str(source), path)

    def write(self, path: str, content: bytes) -> None:
        """Writes a file."""
        self.fs.makedirs(path.rpartition("/")[0], exist_ok=True)
        self.fs.pipe_file(path, content)

    def remove(self, path: str) -> None:
        """Removes a file, if it is there."""
        with contextlib.suppress(FileNotFoundError):
            self.fs.rm_file(path)

    def locked(
        self, root: str, waiting: Callable[[str], None] | None
    ) -> contextlib.AbstractContextManager[None]:
        """Locks a folder for the duration, where the store can."""
        return contextlib.nullcontext()


class Disk(Store):
    """This machine's disks, of which the same is asked, and which have locks.

    So a process that takes the same folder for a local path is kept out too.
    """

    def upload(self, source: pathlib.Path, path: str) -> None:
        with replacing(path) as new:
            shutil.copyfile(source, new)

    def write(self, path: str, content: bytes) -> None:
        with replacing(path) as new:
            new.write_bytes(content)

    def locked(
        self, root: str, waiting: Callable[[str], None] | None
    ) -> contextlib.AbstractContextManager[None]:
        folder = pathlib.Path(root)
        folder.mkdir(parents=True, exist_ok=True)
        return locks.locked(folder, waiting)


def _is_disk(fs: Any) -> bool:
    from fsspec.implementations.local import LocalFileSystem

    return isinstance(fs, LocalFileSystem)
