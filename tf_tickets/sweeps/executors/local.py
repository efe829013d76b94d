"""Tasks in processes on this machine."""

from __future__ import annotations

import concurrent.futures
import contextlib
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING

from tf_tickets.sweeps import worker
from tf_tickets.sweeps.executors.agenda import Agenda
from tf_tickets.sweeps.worker import Outcome, Task

if TYPE_CHECKING:
    from tf_tickets.support.console import SweepProgress
    from tf_tickets.sweeps.executors import Found, Workplace

# Deaths of its process that a cell may be near before it is given up.
MOST_DEATHS = 2
KILLED = "its process was killed, twice (out of memory?)"


class Crew:
    """Processes at work on tasks.

    Args:
        tasks, after, progress: see `Agenda`.
        place: how many processes, and the threads of each.
        found: not asked: every process tells how its task ended.
    """

    def __init__(
        self,
        tasks: Mapping[str, Task],
        after: Mapping[str, str],
        place: Workplace,
        progress: SweepProgress,
        found: Found,
    ):
        self.jobs, self.threads = place.jobs or 1, place.threads
        self.agenda = Agenda(tasks, after, progress)
        self.suspects: deque[str] = deque()  # in flight when a process died; tried again one at a time
        self.deaths: dict[str, int] = {}
        self.running: dict[concurrent.futures.Future, str] = {}
        self.pool: concurrent.futures.ProcessPoolExecutor | None = None

    def work(self) -> dict[str, Outcome]:
        """Does all tasks; key -> how it ended."""
        try:
            while self.agenda.waiting or self.suspects or self.running:
                self._submit()
                done, _ = concurrent.futures.wait(
                    self.running, return_when=concurrent.futures.FIRST_COMPLETED
                )
                died = []
                for future in done:
                    key = self.running.pop(future)
                    try:
                        self.agenda.finish(key, future.result())
                    except BrokenProcessPool:
                        died.append(key)
                if died:
                    self._bury([*died, *self.running.values()])
            return self.agenda.outcomes
        except BaseException:
            for process in multiprocessing.active_children():
                process.terminate()
            raise
        finally:
            self._close()

    def _close(self) -> None:
        """Ends the processes; none is left that could still be at work in a directory."""
        if self.pool is not None:
            self.pool.shutdown(cancel_futures=True)
        self.pool = None

    def _submit(self) -> None:
        while len(self.running) < self.jobs:
            key = self._next()
            if key is None:
                return
            if self.pool is None:
                self.pool = _pool(self.jobs, self.threads)
            try:
                with _deaf_children():
                    self.running[self.pool.submit(worker.perform, self.agenda.tasks[key])] = key
            except BrokenProcessPool:  # one died that had nothing to do
                self.agenda.put_back(key)
                self._bury(list(self.running.values()))
                continue
            if self.suspects or self.deaths.get(key):
                return

    def _next(self) -> str | None:
        """A task that can start now."""
        if self.suspects:
            return None if self.running else self.suspects.popleft()
        if any(self.deaths.get(key) for key in self.running.values()):
            return None
        return self.agenda.next()

    def _bury(self, keys: Sequence[str]) -> None:
        """A process died, of what one of these did: each is tried again, alone."""
        self.running.clear()
        self._close()
        for key in keys:
            self.deaths[key] = self.deaths.get(key, 0) + 1
            if self.deaths[key] < MOST_DEATHS:
                self.suspects.append(key)
            else:
                self.agenda.finish(key, Outcome(0.0, None, KILLED))


def _pool(jobs: int, threads: int) -> concurrent.futures.ProcessPoolExecutor:
    environment = {"TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "3")}
    return concurrent.futures.ProcessPoolExecutor(
        jobs,
        # A forked process would inherit TensorFlow's threads as they are, locked or not.
        mp_context=multiprocessing.get_context("spawn"),
        initializer=worker.start,
        initargs=(os.getpid(), threads, environment),
    )


@contextlib.contextmanager
def _deaf_children() -> Iterator[None]:
    """Processes that are started in here never hear of Ctrl-C, not even before they can ignore it."""
    if not hasattr(signal, "pthread_sigmask"):  # on Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
