"""The tasks of a sweep: which can start, and what came of those that ended."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tf_tickets.sweeps.executors.timetable import seconds_left
from tf_tickets.sweeps.task import Outcome, Task

if TYPE_CHECKING:
    from tf_tickets.support.console import SweepProgress


class TaskQueue:
    """Tasks in the order in which they are wanted; whatever ends is shown.

    Args:
        tasks: by key.
        after: key of a task -> key of the one that must be done before. If that one fails, so does the task.
        progress: what the person sees.
        jobs: tasks at a time; None for as many as there is room for.
    """

    def __init__(
        self,
        tasks: Mapping[str, Task],
        after: Mapping[str, str],
        progress: SweepProgress,
        jobs: int | None = None,
    ):
        self.tasks, self.after, self.progress, self.jobs = tasks, after, progress, jobs
        self.began: dict[str, float] = {}  # of those that are being done
        self.waiting = deque(tasks)
        self.outcomes: dict[str, Outcome] = {}

    def next(self) -> str | None:
        """Takes a task that can start now; None where there is none."""
        for _ in range(len(self.waiting)):
            key = self.waiting.popleft()
            before = self.after.get(key)
            if before is None or before in self.outcomes:
                problem = before and self.outcomes[before].problem
                if not problem:
                    self.began[key] = time.monotonic()
                    return key
                self.finish(key, Outcome(0.0, None, f"its dense training failed: {problem}"))
            else:
                self.waiting.append(key)
        return None

    def put_back(self, key: str) -> None:
        """Makes a task that was taken the next one again."""
        self.began.pop(key, None)
        self.waiting.appendleft(key)

    def finish(self, key: str, outcome: Outcome) -> None:
        """Notes and shows how a task ended."""
        self.outcomes[key] = outcome
        self.began.pop(key, None)
        task = self.tasks[key]
        reached = outcome.reached or "done"
        ending = f"failed: {outcome.problem}" if outcome.problem else f"{reached} in {outcome.seconds:.0f} s"
        self.progress.finish(task.title, task.cost, ending, self.seconds_left())

    def seconds_left(self) -> float:
        """Until all tasks are done, by what was expected of them and what those that are done have taken."""
        now = time.monotonic()
        running = {key: now - began for key, began in self.began.items()}
        return seconds_left(self.tasks, self.after, list(self.waiting), running, self.outcomes, self.jobs)
