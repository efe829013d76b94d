"""A process of a Ray cluster that does tasks of a sweep."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Mapping
from typing import Any

from tf_tickets.storage import holders
from tf_tickets.sweeps import worker
from tf_tickets.sweeps.task import Outcome, Task


def run_task(task: Mapping[str, Any], threads: int, gpus: int, folder: str, sweep: str) -> Outcome:
    """Does a task, in a process of a node.

    Args:
        task: fields of the Task.
        threads, gpus: of the task.
        folder: where the driver is at work; names of files are meant from there.
        sweep: whose marks in run directories are those of earlier tries, which are dead.
    """
    _initialize(threads, gpus, folder, sweep)
    return worker.run_task(Task(**task))


@functools.cache
def _initialize(threads: int, gpus: int, folder: str, sweep: str) -> None:
    """Prepares the process, once."""
    environment = {"TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "3")}
    if not gpus:
        environment["CUDA_VISIBLE_DEVICES"] = ""
    with contextlib.suppress(OSError):  # a node need not have it, as long as nothing is looked for there
        os.chdir(folder)
    # The process outlives its node's Ray, and would go on in a directory that is another's by then.
    worker.initialize(os.getppid(), threads, environment)
    holders.work_for(sweep)
