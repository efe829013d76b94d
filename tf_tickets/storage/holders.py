"""Holders of directories at URLs: a lock file `.holder.json` there, the mark, says which process works in it.

What that cannot guarantee: stores have no locks. Two processes that start within the same fraction of a
second are told apart by reading the mark back after a moment, which a store with slow or stale reads can
spoil. A holder whose mark is taken over notices when it pushes next, and may until then have a file under
way. A process without a network looks dead to others.
"""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from tf_tickets.storage.errors import NotOurs
from tf_tickets.storage.stores import Store, open_store
from tf_tickets.storage.urls import is_url
from tf_tickets.support.numbers import is_whole
from tf_tickets.support.words import in_short

HOLDER = ".holder.json"
SECONDS_BETWEEN_LOOKS = 2.0
# A holder renews its mark with every push; one that has not for so long is dead, or cut off.
SECONDS_OF_SILENCE = 300.0
SECONDS_TO_SETTLE = 0.3
TAKE_OVER = "If that process is dead, add --take_over."

_sweep: str | None = None
_written: set[str] = set()  # tokens of this process's marks


def work_for(sweep: str) -> None:
    """Lets this process take over the marks of a sweep: who calls it knows that earlier tries are dead."""
    global _sweep
    _sweep = sweep


def release(path: str, sweep: str) -> None:
    """Takes the mark of a sweep away, whose process is dead."""
    if is_url(path):
        store, root = open_store(path)
        found = _read(store, root)
        if found is not None and found.get("sweep") == sweep:
            store.remove(f"{root}/{HOLDER}")


class Holder:
    """This process as the one that works in a directory at a URL, or wants to.

    Args:
        url: of the directory.
        store: that it leads to.
        root: the path in it.

    Attributes:
        token: what tells this holder from all others; None while it is none.
    """

    def __init__(self, url: str, store: Store, root: str):
        self.url, self.store, self.root = url, store, root
        self.token: str | None = None
        self.since = ""
        self.beat = 0

    def take(self, waiting: Callable[[str], None] | None, take_over: bool) -> str | None:
        """Puts the mark of this process there.

        Args:
            waiting: called once, with who it is, if another process is at work, before waiting for it.
                Without it that is an error.
            take_over: from another process.

        Returns:
            The token of a dead holder whose mark was still there; None where there was none.

        Raises:
            NotOurs: another process is at work, and `waiting` is None, or it has not been heard of for long.
        """
        seen: dict[str, Any] | None = None
        silent_since = time.monotonic()
        while True:
            found = _read(self.store, self.root)
            if found is None or take_over or _is_dead(found):
                if self._write_and_see():
                    return None if found is None else found.get("token")
                continue
            if waiting is None:
                raise NotOurs(f"{self.url} is held by {_who(found)}. {TAKE_OVER}")
            if seen is None:
                waiting(_who(found))
            if found != seen:
                seen, silent_since = found, time.monotonic()
            elif time.monotonic() - silent_since > SECONDS_OF_SILENCE:
                raise NotOurs(
                    f"{self.url} is held by {_who(found)}, who has not been heard of for "
                    f"{SECONDS_OF_SILENCE / 60:.0f} minutes. {TAKE_OVER}"
                )
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def check(self) -> None:
        """Raises NotOurs if somebody else has taken the directory over."""
        if self.token is None:
            return
        found = _read(self.store, self.root)
        if found is None or found.get("token") != self.token:
            who = "nobody" if found is None else _who(found)
            raise NotOurs(f"{self.url} was taken over: it is held by {who} now. This process stops.")

    def renew(self) -> None:
        """Writes the mark again: a sign of life."""
        self.beat += 1
        mark = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "since": self.since,
            "sweep": _sweep,
            "token": self.token,
            "beat": self.beat,
        }
        self.store.write(f"{self.root}/{HOLDER}", json.dumps(mark).encode())

    def let_go(self) -> None:
        """Takes the mark away."""
        self.token = None
        self.store.remove(f"{self.root}/{HOLDER}")

    def _write_and_see(self) -> bool:
        self.token, self.since = uuid.uuid4().hex, time.strftime("%Y-%m-%d %H:%M:%S %z")
        _written.add(self.token)
        try:
            self.renew()
        except Exception as error:  # each store has errors of its own
            raise OSError(f"{self.url} cannot be written: {in_short(error)}") from error
        time.sleep(SECONDS_TO_SETTLE)
        return (_read(self.store, self.root) or {}).get("token") == self.token


def _read(store: Store, root: str) -> dict[str, Any] | None:
    """The mark at a URL; None where there is none. A damaged mark is somebody's."""
    try:
        found = json.loads(store.read(f"{root}/{HOLDER}"))
    except FileNotFoundError:
        return None
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _is_dead(mark: Mapping[str, Any]) -> bool:
    """Whether a mark is of a process that this one knows to be dead."""
    if _sweep is not None and mark.get("sweep") == _sweep:
        return True
    pid: Any = mark.get("pid")
    if mark.get("host") != socket.gethostname() or not is_whole(pid, 1):
        return False
    if pid == os.getpid():  # in a container that was started again it can be the number of the one before
        return mark.get("token") not in _written
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return False


def _who(mark: Mapping[str, Any]) -> str:
    if not mark:
        return "a process whose mark is damaged"
    return f"process {mark.get('pid')} on {mark.get('host')}, since {mark.get('since')}"
