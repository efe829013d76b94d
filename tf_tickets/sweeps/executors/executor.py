"""What an executor is: a pool of workers for the tasks of a sweep, and what a plan must know of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from tf_tickets.sweeps.executors.resources import Resources
from tf_tickets.sweeps.task import Outcome, Task

if TYPE_CHECKING:
    from tf_tickets.pipeline.pace import Pace
    from tf_tickets.support.console import SweepProgress

# Key of a task -> how it ended, by what lies in its directory; None if it did not end there.
FindOutcome = Callable[[str], Outcome | None]


class WorkerPool(Protocol):
    """Workers for tasks."""

    def run(self) -> dict[str, Outcome]:
        """Does all tasks; key -> how it ended."""


class MakePool(Protocol):
    """Makes the worker pool of an executor."""

    def __call__(
        self,
        tasks: Mapping[str, Task],
        after: Mapping[str, str],
        resources: Resources,
        progress: SweepProgress,
        find_outcome: FindOutcome,
    ) -> WorkerPool:
        """A pool for tasks.

        Args:
            tasks, after, progress: see `TaskQueue`.
            resources: of the tasks.
            find_outcome: asked where a worker was lost before it told how its task ended.
        """


@dataclasses.dataclass(frozen=True)
class Executor:
    """A row of `table.EXECUTORS`.

    Attributes:
        make_pool: its worker pool.
        describe: its resources for people.
        default_jobs: threads of a task -> tasks at a time; None for as many as there is room for.
        measure: a task and its resources -> the pace of its setting there; None where that takes too long.
        count_replicas: name of a strategy and GPUs of a task -> replicas that its run has.
        elsewhere: tasks need not be at work in the folder of this process, nor on this machine.
        flags: of a sweep, that mean something here only.
    """

    make_pool: MakePool
    describe: Callable[[Resources], str]
    default_jobs: Callable[[int], int | None]
    count_replicas: Callable[[str, int], int]
    elsewhere: bool = False
    flags: tuple[str, ...] = ()
    measure: Callable[[Task, Resources], Pace] | None = None
