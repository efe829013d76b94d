"""Views of folders, here or at URLs: what lies there now, to be looked at."""

from __future__ import annotations

import contextlib
import os
import pathlib
import tempfile

from tf_tickets.storage.stores import open_store
from tf_tickets.storage.urls import is_url, join, named_in_errors
from tf_tickets.storage.user_paths import user_place

JSON = (".json",)


def view_of(folder: str | os.PathLike, contents: tuple[str, ...] = JSON) -> View:
    """A view of a folder.

    Args:
        folder: path, `~` and all, or URL.
        contents: how names of files end that are read, not only named, where the folder is at a URL.

    Raises:
        ValueError: it can be neither, or is a URL that cannot be opened.
        OSError: it cannot be read.
    """
    place = user_place(str(folder), folder) if isinstance(folder, str) else folder
    return RemoteView(str(place), contents) if is_url(place) else View(place)


class View:
    """A folder on disk.

    Args:
        folder: its path.

    Attributes:
        path: where to look.
        exists: whether there is anything.
        is_whole: whether files have their contents, all of them.
    """

    path: pathlib.Path
    exists: bool
    is_whole = True

    def __init__(self, folder: str | os.PathLike):
        self.folder = folder
        self.refresh()

    def refresh(self) -> None:
        """Looks again."""
        self.path = pathlib.Path(self.folder)
        self.exists = self.path.exists()

    def local(self, path: str) -> str:
        """Where to look for a path or URL of the folder."""
        return path

    def named(self, path: pathlib.Path) -> pathlib.Path | str:
        """The path or URL of something that was found here."""
        return path

    def named_in_errors(self) -> contextlib.AbstractContextManager[None]:
        """Names a URL in the errors of a block, not the path that is looked at."""
        return contextlib.nullcontext()


class RemoteView(View):
    """A folder at a URL, seen as a local one with the names of all files, and the contents of some.

    Args:
        folder: its URL.
        contents: how names of files end whose contents are there.
    """

    folder: str
    is_whole = False

    def __init__(self, folder: str, contents: tuple[str, ...] = JSON):
        self.contents = contents
        super().__init__(folder)

    def refresh(self) -> None:
        self._kept = tempfile.TemporaryDirectory(prefix="tf_tickets-view-")
        self.path = pathlib.Path(self._kept.name)
        store, root = open_store(self.folder)
        paths = {name: f"{root}/{name}" for name in store.names(root, self.folder)}
        self.exists = bool(paths)
        contents = store.read_all([path for name, path in paths.items() if name.endswith(self.contents)])
        for name, path in paths.items():
            if name.endswith(self.contents) and path not in contents:  # removed meanwhile
                continue
            copy = self.path / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(contents.get(path, b""))
            # Where a store does not say when, the report says when it was read.
            if name.endswith("result.json") and (when := store.modified(path)) is not None:
                os.utime(copy, (when, when))

    def local(self, path: str) -> str:
        if not is_url(path):
            return path
        return str(self.path / path[len(self.folder.rstrip("/")) :].lstrip("/"))

    def named(self, path: pathlib.Path) -> str:
        return join(self.folder, *path.relative_to(self.path).parts)

    def named_in_errors(self) -> contextlib.AbstractContextManager[None]:
        return named_in_errors(self.path, self.folder)
