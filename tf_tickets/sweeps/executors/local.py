"""Tasks in processes on this machine."""

from __future__ import annotations

import concurrent.futures
import contextlib
import multiprocessing
import os
import signal
import sys
import types
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING

from tf_tickets.support.startup import default_threads
from tf_tickets.support.words import plural
from tf_tickets.sweeps import worker
from tf_tickets.sweeps.executors.executor import FindOutcome
from tf_tickets.sweeps.executors.resources import Resources
from tf_tickets.sweeps.executors.task_queue import TaskQueue
from tf_tickets.sweeps.task import Outcome, Task
from tf_tickets.training import strategies

if TYPE_CHECKING:
    from tf_tickets.pipeline.pace import Pace
    from tf_tickets.support.console import SweepProgress

# Crashes of a process that a task may be near before it is given up.
MOST_CRASHES = 2
CRASHED = "its process was killed, twice (out of memory?)"


class LocalPool:
    """A pool of processes; a task that was running when one of them crashed is tried again, alone.

    Args:
        tasks, after, progress: see `TaskQueue`.
        resources: how many processes, and the threads of each.
        find_outcome: not asked: every process tells how its task ended.
    """

    def __init__(
        self,
        tasks: Mapping[str, Task],
        after: Mapping[str, str],
        resources: Resources,
        progress: SweepProgress,
        find_outcome: FindOutcome,
    ):
        self.jobs, self.threads = resources.jobs or 1, resources.threads
        self.queue = TaskQueue(tasks, after, progress, self.jobs)
        self.retries: deque[str] = deque()  # running when a process crashed; tried again one at a time
        self.crashes: dict[str, int] = {}
        self.running: dict[concurrent.futures.Future, str] = {}
        self.processes: concurrent.futures.ProcessPoolExecutor | None = None

    def run(self) -> dict[str, Outcome]:
        """Does all tasks; key -> how it ended."""
        try:
            while self.queue.waiting or self.retries or self.running:
                self._submit()
                done, _ = concurrent.futures.wait(
                    self.running, return_when=concurrent.futures.FIRST_COMPLETED
                )
                crashed = []
                for future in done:
                    key = self.running.pop(future)
                    try:
                        self.queue.finish(key, future.result())
                    except BrokenProcessPool:
                        crashed.append(key)
                if crashed:
                    self._retry_alone([*crashed, *self.running.values()])
            return self.queue.outcomes
        except BaseException:
            for process in multiprocessing.active_children():
                process.terminate()
            raise
        finally:
            self._close()

    def _close(self) -> None:
        """Ends the processes; none is left that could still be at work in a directory."""
        if self.processes is not None:
            self.processes.shutdown(cancel_futures=True)
        self.processes = None

    def _submit(self) -> None:
        while len(self.running) < self.jobs:
            key = self._next()
            if key is None:
                return
            if self.processes is None:
                self.processes = _start_processes(self.jobs, self.threads)
            try:
                with _interrupts_blocked(), _main_module_hidden():
                    self.running[self.processes.submit(worker.run_task, self.queue.tasks[key])] = key
            except BrokenProcessPool:  # an idle one crashed
                self.queue.put_back(key)
                self._retry_alone(list(self.running.values()))
                continue
            if self.retries or self.crashes.get(key):
                return

    def _next(self) -> str | None:
        """A task that can start now."""
        if self.retries:
            return None if self.running else self.retries.popleft()
        if any(self.crashes.get(key) for key in self.running.values()):
            return None
        return self.queue.next()

    def _retry_alone(self, keys: Sequence[str]) -> None:
        """A process crashed, at one of these tasks: each is tried again, alone."""
        self.running.clear()
        self._close()
        for key in keys:
            self.crashes[key] = self.crashes.get(key, 0) + 1
            if self.crashes[key] < MOST_CRASHES:
                self.retries.append(key)
            else:
                self.queue.finish(key, Outcome(0.0, None, CRASHED))


def describe(resources: Resources) -> str:
    """The resources for people."""
    return f"{plural(resources.jobs or 1, 'run')} at a time, {plural(resources.threads, 'thread')} each"


def default_jobs(threads: int) -> int:
    """As many as fill the cores; one where there is a GPU, which holds one run.

    Args:
        threads: of each.
    """
    import tensorflow as tf

    return 1 if tf.config.list_physical_devices("GPU") else max(default_threads() // threads, 1)


def measure(task: Task, resources: Resources) -> Pace:
    """The pace of a task's setting: measured here, or where there is a GPU, in a process that lets go of it.

    Args:
        task: a run.
        resources: its threads.
    """
    import tensorflow as tf

    if not tf.config.list_physical_devices("GPU"):
        return worker.measure_pace(task)
    with _interrupts_blocked(), _main_module_hidden(), _start_processes(1, resources.threads) as processes:
        return processes.submit(worker.measure_pace, task).result()


def count_replicas(strategy: str, gpus: int) -> int:
    """Those that the strategy makes of this machine's devices, all of which a run sees.

    Args:
        strategy: its name.
        gpus: not used.
    """
    return strategies.count_replicas(strategy)


def _start_processes(jobs: int, threads: int) -> concurrent.futures.ProcessPoolExecutor:
    environment = {"TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "3")}
    return concurrent.futures.ProcessPoolExecutor(
        jobs,
        # A forked process would inherit TensorFlow's threads as they are, locked or not.
        mp_context=multiprocessing.get_context("spawn"),
        initializer=worker.initialize,
        initargs=(os.getpid(), threads, environment),
    )


@contextlib.contextmanager
def _main_module_hidden() -> Iterator[None]:
    """Processes that are started in here do not run the script again that started the sweep.

    multiprocessing has a process import the main module of its parent, for what is pickled of it: nothing is,
    and a script without a guard would start its sweep in every process, a notebook has no such module.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextlib.contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Processes that are started in here never hear of Ctrl-C, not even before they can ignore it."""
    if not hasattr(signal, "pthread_sigmask"):  # on Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
