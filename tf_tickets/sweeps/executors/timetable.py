"""When the tasks of a sweep will be done: what is expected of each, corrected by those that are done."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence

from tf_tickets.sweeps.task import Outcome, Task


def seconds_left(
    tasks: Mapping[str, Task],
    after: Mapping[str, str],
    waiting: Sequence[str],
    running: Mapping[str, float],
    outcomes: Mapping[str, Outcome],
    jobs: int | None,
) -> float:
    """Seconds until all tasks are done, if each starts as soon as there is room and what it needs is there.

    Args:
        tasks: by key.
        after: key of a task -> key of the one that must be done before.
        waiting: keys of those that wait, in their order.
        running: key -> seconds since it began.
        outcomes: key -> how it ended.
        jobs: tasks at a time; None for as many as are running now, or wait if none is.
    """
    expected = _expected(tasks)
    factor = _factor(expected, outcomes)
    ends = {key: max(factor * expected[key] - spent, 0.0) for key, spent in running.items()}
    places = jobs or len(running) or len(waiting) or 1
    free = sorted([*ends.values(), *[0.0] * (places - len(ends))])
    for key in waiting:
        ready = ends.get(after.get(key, ""), 0.0)
        ends[key] = max(heapq.heappop(free), ready) + factor * expected[key]
        heapq.heappush(free, ends[key])
    return max(ends.values(), default=0.0)


def _expected(tasks: Mapping[str, Task]) -> dict[str, float]:
    """Seconds of each task; in proportion to its epochs where they are not known of all."""
    known = all(task.seconds is not None for task in tasks.values())
    return {key: float((task.seconds if known else None) or max(task.cost, 1)) for key, task in tasks.items()}


def _factor(expected: Mapping[str, float], outcomes: Mapping[str, Outcome]) -> float:
    """How much longer tasks take than was expected of them."""
    done = {key: x.seconds for key, x in outcomes.items() if x.problem is None and x.seconds}
    return sum(done.values()) / sum(expected[key] for key in done) if done else 1.0
