"""Scratch copies of directories at URLs: fetched before the work, pushed while it goes on.

At every moment a reader of the URL finds a consistent run: manifests are read before the files that they
speak of are uploaded, and uploaded after them. Names that start with a dot stay here.
"""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import json
import os
import pathlib
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from typing import Any

from tf_tickets.storage.errors import NotOurs
from tf_tickets.storage.holders import HOLDER, Holder
from tf_tickets.storage.stores import open_store
from tf_tickets.storage.urls import canonical

# They speak of other files; the first one speaks of all, so that it is read first and uploaded last.
MANIFESTS = ("result.json", "stages.json")
# Folders whose files come and go.
_PASSING = {"checkpoints", "tensorboard"}
SECONDS_BETWEEN_PUSHES = 60.0


class ScratchCopy:
    """A local copy of what lies at a URL.

    Args:
        url: of a directory.
        path: of the copy.
    """

    def __init__(self, url: str, path: pathlib.Path):
        self.url, self.path = url, path
        self.store, self.root = open_store(url)
        self.holder = Holder(url, self.store, self.root)
        self.pushed: dict[str, Any] = {}
        self.alone = threading.Lock()

    @property
    def is_spare(self) -> bool:
        """Whether all of it lies at the URL, as far as this process has worked in it."""
        return self.holder.token is None and not (self.path / HOLDER).exists()

    def locked(self, waiting: Callable[[str], None] | None) -> contextlib.AbstractContextManager[None]:
        """Locks the URL for the duration against processes that take it for a local path."""
        return self.store.locked(self.root, waiting)

    def fetch(self) -> None:
        """Makes the copy what lies at the URL."""
        empty(self.path)
        self.pushed = {}
        for name in self.store.names(self.root, self.url):
            target = self.path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileNotFoundError):  # removed meanwhile
                self.store.download(f"{self.root}/{name}", target)
                self.pushed[name] = self._state(name)

    def push(self) -> None:
        """Makes what lies at the URL the copy; only what has changed is uploaded.

        Raises:
            NotOurs: somebody else has taken the directory over.
        """
        with self.alone:
            self.holder.check()
            manifests = self._read_manifests()
            there = {name: self._state(name) for name in self._names() if not _is_manifest(name)}
            for name, state in there.items():
                if state is not None and self.pushed.get(name) != state:
                    with contextlib.suppress(FileNotFoundError):  # a checkpoint that is cleaned up
                        self.store.upload(self.path / name, f"{self.root}/{name}")
                        self.pushed[name] = state
            for name, content in reversed(manifests.items()):
                if self.pushed.get(name) != content:
                    self.store.write(f"{self.root}/{name}", content)
                    self.pushed[name] = content
            for name in set(self.pushed) - set(there) - set(manifests):
                # Whatever else is not here can be somebody's, or was lost here.
                if _PASSING & set(name.split("/")[:-1]):
                    self.store.remove(f"{self.root}/{name}")
                del self.pushed[name]

    def push_if_possible(self) -> None:
        """Pushes; a store that fails now may not in a minute, and the work goes on."""
        try:
            self.push()
        except NotOurs:
            raise
        except Exception:  # each store has errors of its own; the push at the end reports them
            return

    @contextlib.contextmanager
    def held(self, waiting: Callable[[str], None] | None, take_over: bool) -> Iterator[None]:
        """Holds the URL for the duration, and pushes every minute; arguments as for `Holder.take`."""
        self._take(waiting, take_over)
        stop = threading.Event()
        pushing = threading.Thread(target=self._keep_pushing, args=(stop,), daemon=True)
        pushing.start()
        try:
            yield
        finally:
            stop.set()
            pushing.join()
            self._push_at_the_end()
            (self.path / HOLDER).unlink(missing_ok=True)
            self.holder.let_go()

    def _take(self, waiting: Callable[[str], None] | None, take_over: bool) -> None:
        last = self.holder.take(waiting, take_over)
        # Where this copy was the last one to be pushed, it is as new as what lies at the URL, or newer.
        if last is None or last != self._known_token():
            self.fetch()
        else:
            self.pushed = dict.fromkeys(self.store.names(self.root, self.url))
        (self.path / HOLDER).write_text(json.dumps({"token": self.holder.token}), encoding="utf-8")

    def _known_token(self) -> str | None:
        """The token with which this copy was pushed last."""
        try:
            return json.loads((self.path / HOLDER).read_text(encoding="utf-8"))["token"]
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _keep_pushing(self, stop: threading.Event) -> None:
        while not stop.wait(SECONDS_BETWEEN_PUSHES):
            try:
                self.push_if_possible()
                self.holder.check()
                self.holder.renew()
            except NotOurs:
                return  # which the next push of the work itself says
            except Exception:  # as in push_if_possible
                continue

    def _push_at_the_end(self) -> None:
        try:
            self.push()
        except NotOurs:
            raise
        except Exception as error:
            raise OSError(
                f"{self.url} cannot be written: {error}. Nothing is lost: the same command on this machine "
                "goes on from its copy."
            ) from error

    def _read_manifests(self) -> dict[str, bytes]:
        """Contents of the manifests, those that speak of more first."""
        names = [name for name in self._names() if _is_manifest(name)]
        names.sort(key=lambda name: (name.count("/"), MANIFESTS.index(name.rpartition("/")[2])))
        found = {}
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                found[name] = (self.path / name).read_bytes()
        return found

    def _state(self, name: str) -> Any:
        """Tells whether a file has changed: of a manifest its content, else its stamp."""
        path = self.path / name
        try:
            if _is_manifest(name):
                return path.read_bytes()
            stat = path.stat()
        except FileNotFoundError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino

    def _names(self) -> list[str]:
        """The files of the copy, but for scratch."""
        found = []
        for folder, folders, files in os.walk(self.path):
            folders[:] = [name for name in folders if not name.startswith(".")]
            inside = pathlib.Path(folder).relative_to(self.path)
            found += [(inside / name).as_posix() for name in files if not name.startswith(".")]
        return found


def place_of(url: str) -> pathlib.Path:
    """Where the scratch copy of a URL lies: always the same place for a user on a machine."""
    return _top() / hashlib.sha256(canonical(url).encode()).hexdigest()[:16]


def make_private(path: pathlib.Path) -> None:
    """Makes the folder of a copy; one that somebody else has put in its place is refused."""
    top = _top()
    if top in path.parents:
        top.mkdir(mode=0o700, exist_ok=True)
        if top.is_symlink() or (hasattr(os, "getuid") and top.stat().st_uid != os.getuid()):
            raise NotOurs(f"{top} belongs to somebody else. Say by TMPDIR= where scratch copies may lie.")
    path.mkdir(parents=True, exist_ok=True)


def empty(folder: pathlib.Path) -> None:
    """Removes everything but scratch, the lock among it."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name.startswith("."):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _top() -> pathlib.Path:
    """The folder of this user's copies."""
    user = str(os.getuid()) if hasattr(os, "getuid") else getpass.getuser()
    return pathlib.Path(tempfile.gettempdir()) / f"tf_tickets-{user}"


def _is_manifest(name: str) -> bool:
    return name.rpartition("/")[2] in MANIFESTS
