"""Directories of runs at URLs (`s3://bucket/runs/...`, `gs://...`, anything that fsspec opens).

A run always works in a local directory. For a URL that is a scratch copy, the same one each time for a user
on a machine: it is fetched before the work, and pushed after each finished stage, every minute, and at the
end. One process at a time holds a URL. Two runs of one config that do not know of each other overwrite each
other's files with equal ones on machines of one kind, and only there.
"""

from __future__ import annotations

import contextlib
import pathlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from tf_tickets.storage import scratch_copies
from tf_tickets.storage.atomic_files import write_json
from tf_tickets.storage.directories import DenseDirectory, Directory, RunDirectory, TicketDirectory
from tf_tickets.storage.holders import HOLDER
from tf_tickets.storage.scratch_copies import ScratchCopy
from tf_tickets.storage.stores import open_store
from tf_tickets.storage.urls import is_url, named_in_errors
from tf_tickets.storage.views import view_of

# Where a run has its copy of the dense training.
_DENSE = ".dense"
Self = TypeVar("Self", bound="RemoteDirectory")


def run_directory(path: str, identity: Mapping[str, Any], take_over: bool = False) -> RunDirectory:
    """A run's directory: local, or at a URL.

    Args:
        path: where.
        identity: what it belongs to.
        take_over: from another process whose mark is at the URL.
    """
    return RemoteRun(path, identity, take_over) if is_url(path) else RunDirectory(path, identity, "run")


def dense_directory(
    path: str, identity: Mapping[str, Any], run: RunDirectory, take_over: bool = False
) -> DenseDirectory:
    """The directory of a dense training, local or at a URL, for one run; arguments as for `run_directory`."""
    if not is_url(path):
        return DenseDirectory(path, identity, "dense")
    return RemoteDense(path, identity, run, take_over)


class RemoteDirectory(Directory):
    """A directory at a URL, worked on in a scratch copy.

    Args:
        url: where.
        scratch: path of the copy.
        identity: what it belongs to.
        label: what it is, for messages.
        take_over: from another process whose mark is at the URL.

    Raises:
        ValueError: the URL is all of a store.
    """

    def __init__(
        self, url: str, scratch: pathlib.Path, identity: Mapping[str, Any], label: str, take_over: bool
    ):
        super().__init__(scratch, identity, label)
        _, root = open_store(url)
        if "/" not in root:
            raise ValueError(f"{url} is all of a store. Choose a folder in it: {url.rstrip('/')}/NAME.")
        self.url = url.rstrip("/")
        self.take_over = take_over
        self.copy = ScratchCopy(self.url, scratch)
        self.fetched = False

    @property
    def where(self) -> str:
        return self.url

    def check(self) -> None:
        view = view_of(self.url)
        if view.exists:
            with view.named_in_errors():
                Directory(view.path, self.identity, self.label).check()

    def claim(self: Self) -> Self:
        self.check()
        scratch_copies.make_private(self.path)
        return self

    @contextlib.contextmanager
    def locked(self, waiting: Callable[[str], None] | None = None) -> Iterator[None]:
        with (
            named_in_errors(self.path, self.url),
            super().locked(waiting),
            self.copy.locked(waiting),
            self._held(waiting),
        ):
            self.fetched = True
            if not self.config.exists():
                write_json(self.config, self.identity)
                self.copy.push()
            yield

    def _held(self, waiting: Callable[[str], None] | None) -> contextlib.AbstractContextManager[None]:
        return self.copy.held(waiting, self.take_over)

    def finished(self, stage: str) -> dict[str, Any] | None:
        # What is not fetched yet has contents of JSON alone; all else is checked once it is.
        return super().finished(stage) if self.fetched else self.noted(stage)

    def noted(self, stage: str) -> dict[str, Any] | None:
        if self.fetched:
            return super().noted(stage)
        view = view_of(self.url)
        return Directory(view.path, self.identity, self.label).noted(stage)

    def _note(self, stage: str, facts: Mapping[str, Any]) -> None:
        super()._note(stage, facts)
        self.copy.push_if_possible()


class RemoteRun(RemoteDirectory, RunDirectory):
    """A run's directory at a URL."""

    def __init__(self, url: str, identity: Mapping[str, Any], take_over: bool):
        super().__init__(url, scratch_copies.place_of(url), identity, "run", take_over)

    @contextlib.contextmanager
    def _held(self, waiting: Callable[[str], None] | None) -> Iterator[None]:
        try:
            with super()._held(waiting):
                yield
        finally:
            if self.copy.is_spare and not (self.path / _DENSE / HOLDER).exists():
                scratch_copies.empty(self.path)
                shutil.rmtree(self.path / _DENSE, ignore_errors=True)

    def round(self, number: int) -> TicketDirectory:
        return RemoteRound(super().round(number), self.copy)

    def donor(self, identity: Mapping[str, Any]) -> RunDirectory:
        return RemoteDonor(super().donor(identity), self.copy)


class RemoteDense(RemoteDirectory, DenseDirectory):
    """The directory of a dense training at a URL.

    Its scratch copy belongs to one run, which reads it long after the training is finished.
    """

    def __init__(self, url: str, identity: Mapping[str, Any], run: RunDirectory, take_over: bool):
        super().__init__(url, run.path / _DENSE, identity, "dense", take_over)

    @contextlib.contextmanager
    def _held(self, waiting: Callable[[str], None] | None) -> Iterator[None]:
        if not super().noted("train"):
            with super()._held(waiting):
                yield
            return
        # What is added to a finished training is the same whoever adds it: no reason to wait for each other.
        self.copy.fetch()
        yield
        self.copy.push()


class RemoteRound(TicketDirectory):
    """A round of a run at a URL.

    Args:
        local: the round in the scratch copy of the run.
        copy: that copy.
    """

    def __init__(self, local: TicketDirectory, copy: ScratchCopy):
        super().__init__(local.path, local.identity, local.label)
        self.copy = copy

    def _note(self, stage: str, facts: Mapping[str, Any]) -> None:
        super()._note(stage, facts)
        self.copy.push_if_possible()


class RemoteDonor(RunDirectory):
    """The donor of a run at a URL.

    Args:
        local: the donor in the scratch copy of the run.
        copy: that copy.
    """

    def __init__(self, local: RunDirectory, copy: ScratchCopy):
        super().__init__(local.path, local.identity, local.label)
        self.copy = copy

    def round(self, number: int) -> TicketDirectory:
        return RemoteRound(super().round(number), self.copy)

    def _note(self, stage: str, facts: Mapping[str, Any]) -> None:
        super()._note(stage, facts)
        self.copy.push_if_possible()
