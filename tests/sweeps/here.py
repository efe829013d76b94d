"""Sweeps of which the runs are done in this process, for tests that are not about processes."""

import concurrent.futures

from tf_tickets.sweeps import worker
from tf_tickets.sweeps.executors import local


class Here:
    """Stands for the processes of a sweep: does their tasks in this one."""

    def submit(self, function, task):
        future = concurrent.futures.Future()
        future.set_result(function(task))
        return future

    def shutdown(self, **_):
        """There is nothing to end."""


def stay_here(monkeypatch):
    """For a test, sweeps start no process, and clear nothing that other tests hold."""
    monkeypatch.setattr(local, "_start_processes", lambda jobs, threads: Here())
    monkeypatch.setattr(worker, "clear_session", lambda: None)
