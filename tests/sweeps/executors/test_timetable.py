"""When a sweep will be done: by what is expected of its tasks, and by what those that are done have taken."""

import time

import pytest

from tf_tickets.sweeps.executors.task_queue import TaskQueue
from tf_tickets.sweeps.executors.timetable import seconds_left
from tf_tickets.sweeps.task import DENSE, WHOLE, Outcome, Task


def tasks(**seconds):
    return {
        key: Task(key, (), DENSE if key.startswith("dense") else WHOLE, 10, seconds=expected)
        for key, expected in seconds.items()
    }


def left(asked, jobs=1, after=None, waiting=None, running=None, done=None):
    outcomes = {key: Outcome(seconds, 0.9) for key, seconds in (done or {}).items()}
    waiting = list(asked) if waiting is None else waiting
    return seconds_left(asked, after or {}, waiting, running or {}, outcomes, jobs)


def test_tasks_follow_each_other_on_as_many_places_as_there_are():
    three = tasks(a=10.0, b=10.0, c=10.0)
    assert [left(three, jobs) for jobs in (1, 2, 3)] == [30.0, 20.0, 10.0]


def test_where_there_is_no_limit_all_are_done_at_once():
    assert left(tasks(a=10.0, b=20.0), jobs=None) == 20.0


def test_what_waits_for_a_dense_training_begins_after_it():
    shared = tasks(dense=30.0, a=10.0, b=10.0)
    assert left(shared, jobs=3, after={"a": "dense", "b": "dense"}) == 40.0


def test_what_runs_counts_by_what_is_left_of_it():
    assert left(tasks(a=10.0, b=10.0), jobs=2, waiting=[], running={"a": 4.0, "b": 9.0}) == 6.0
    assert left(tasks(a=10.0), waiting=[], running={"a": 99.0}) == 0.0


def test_tasks_that_are_done_correct_the_others():
    assert left(tasks(a=10.0, b=20.0), waiting=["b"], done={"a": 30.0}) == 60.0


def test_a_task_that_failed_says_nothing_of_the_others():
    two = tasks(a=10.0, b=20.0)
    assert seconds_left(two, {}, ["b"], {}, {"a": Outcome(0.1, None, "it diverged")}, 1) == 20.0


def test_without_a_forecast_time_is_taken_to_grow_with_the_epochs():
    two = {"a": Task("a", (), WHOLE, 10), "b": Task("b", (), WHOLE, 30)}
    assert left(two, waiting=["b"], done={"a": 20.0}) == 60.0


@pytest.mark.parametrize("forecast", [None, 3.0, 30.0])
@pytest.mark.parametrize("jobs", [1, 2, 4])
def test_after_the_first_of_six_equal_runs_the_end_is_known(jobs, forecast, monkeypatch):
    """Whatever was expected before: also twice too little, or nothing."""
    now, took, shown = [0.0], 12.0, []

    class Progress:
        def finish(self, label, cost, ending, left):
            shown.append((now[0], left))

    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    queue = TaskQueue(tasks(**dict.fromkeys("abcdef", forecast)), {}, Progress(), jobs)
    running = {}
    while queue.waiting or running:
        while len(running) < jobs and (key := queue.next()):
            running[key] = now[0] + took
        key = min(running, key=running.get)
        now[0] = running.pop(key)
        queue.finish(key, Outcome(took, 0.9))
    (first, estimate), *_ = shown
    assert estimate == pytest.approx(now[0] - first)
