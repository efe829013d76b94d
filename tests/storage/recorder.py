"""A store that keeps a list of what happens to it, and directories in it."""

import json
import pathlib

import fsspec
from fsspec.implementations.local import LocalFileSystem

from tf_tickets.storage.holders import HOLDER
from tf_tickets.storage.remote_directories import run_directory

IDENTITY = {"method": "lt"}
DEAD = 2**22 + 1  # no process has such a number


class Recorder(LocalFileSystem):
    """A disk that keeps a list of what is written and removed, and can fail."""

    protocol = "recorder"
    written: list = []  # noqa: RUF012
    broken = False

    def put_file(self, lpath, rpath, **_):
        self._note(rpath)
        super().put_file(lpath, rpath)

    def pipe_file(self, path, value, **_):
        self._note(path)
        super().pipe_file(path, value)

    def rm_file(self, path):
        super().rm_file(path)
        self.written.append(f"-{pathlib.Path(path).name}")

    def _note(self, path):
        if Recorder.broken:
            raise OSError("the store is down")
        self.written.append(pathlib.Path(path).name)


fsspec.register_implementation("recorder", Recorder, clobber=True)


def directory(url, take_over=False):
    return run_directory(url, IDENTITY, take_over)


def mark(place, **fields):
    """A mark of another process at a place."""
    place.mkdir(parents=True, exist_ok=True)
    held = {"host": "far", "pid": 7, "since": "noon", "sweep": None, "token": "t", "beat": 1, **fields}
    (place / HOLDER).write_text(json.dumps(held))
