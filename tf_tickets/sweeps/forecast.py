"""How long a sweep takes, and how much memory: by its runs that are done, or a few steps taken before it."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING

from tf_tickets.data.sources import find
from tf_tickets.sweeps.data_cache import load_data
from tf_tickets.sweeps.executors.timetable import seconds_left
from tf_tickets.sweeps.plan import SweepPlan
from tf_tickets.sweeps.planned_run import PlannedRun
from tf_tickets.sweeps.task import WHOLE, Task

if TYPE_CHECKING:
    from tf_tickets.pipeline.pace import Pace

# Settings that are measured: of more, what the others take is the mean of these.
MOST_MEASURED = 3
# Several runs at a time are slower than the one that is measured, and machines are not always quiet.
LEAST, MOST = 0.8, 1.5


@dataclasses.dataclass(frozen=True)
class Forecast:
    """What tasks are expected to take.

    Attributes:
        seconds: key of a task of the plan -> seconds of it.
        total: until all are done, the start of processes among it.
        memory: of a process, in bytes; None where it is not known.
        measured: by steps that were taken; otherwise by the runs that are done.
    """

    seconds: Mapping[str, float]
    total: float
    memory: float | None
    measured: bool


def tasks_of(plan: SweepPlan) -> tuple[dict[str, tuple[PlannedRun, Task]], dict[str, str]]:
    """(key -> the run and the task, dense trainings first; key of a task -> of the one that it waits for)."""
    dense = {f"dense {path}": (run, run.task(part)) for path, (run, part) in plan.parts_of_dense.items()}
    whole = {run.config.run_dir: (run, run.task(WHOLE)) for run in plan.waiting}
    order = list(dense)
    after = {}
    for key, (run, _) in whole.items():
        needed = [f"dense {run.dense_dir(part)}" for part in run.all_dense]
        missing = [order.index(training) for training in needed if training in dense]
        if missing:  # of two the later one; for the other, where that takes longer, the run itself waits
            after[key] = order[max(missing)]
    return {**dense, **whole}, after


def make_forecast(plan: SweepPlan) -> Forecast | None:
    """The forecast of a plan; None where nothing is to be done, or known before the first run."""
    tasks, after = tasks_of(plan)
    if not tasks:
        return None
    seconds, memory, measured = _by_done(plan, tasks), None, False
    loading = 0.0
    if seconds is None:
        paces = _measured(plan, tasks)
        if not paces:
            return None
        from tf_tickets.pipeline.pace import load_seconds

        seconds, measured, loading = _by_paces(tasks, after, paces), True, load_seconds()
        memory = max((pace.memory for pace in paces.values() if pace.memory), default=None)
    expected = {key: dataclasses.replace(task, seconds=seconds[key]) for key, (_, task) in tasks.items()}
    total = loading + seconds_left(expected, after, list(expected), {}, {}, plan.resources.jobs)
    return Forecast(seconds, total, memory, measured)


def _by_done(plan: SweepPlan, tasks: Mapping[str, tuple[PlannedRun, Task]]) -> dict[str, float] | None:
    """Seconds of tasks by the runs that are done: those of an epoch, and what comes on top of a run's."""
    rates, others = [], []
    for run in plan.done:
        spent = (run.result or {}).get("seconds") or {}
        if not run.cost or not spent.get("retrain"):
            continue
        rates.append(spent["retrain"] / len(run.config.retraining_epochs))
        others.append(
            sum(x or 0.0 for name, x in spent.items() if name not in ("dense", "rounds", "retrain"))
        )
    if not rates:
        return None
    rate, other = statistics.median(rates), statistics.median(others)
    return {
        key: rate * task.cost + (other if task.part == WHOLE else 0.0) for key, (_, task) in tasks.items()
    }


def _by_paces(
    tasks: Mapping[str, tuple[PlannedRun, Task]], after: Mapping[str, str], paces: Mapping[Hashable, Pace]
) -> dict[str, float]:
    """Seconds of tasks by what was measured of their settings."""
    from tf_tickets.pipeline.pace import mean_pace, seconds_of

    usual = mean_pace(list(paces.values()))
    found = {}
    for key, (run, task) in tasks.items():
        parts = seconds_of(run.config, paces.get(_setting(run), usual))
        dense = parts.pop("dense", 0.0)
        # What is shared is trained by a task of its own, or there.
        found[key] = sum(parts.values()) if task.part == WHOLE else dense
    return found


def _measured(plan: SweepPlan, tasks: Mapping[str, tuple[PlannedRun, Task]]) -> dict[Hashable, Pace]:
    """Setting -> its pace, of those with the most epochs; none where it cannot be had without more ado."""
    if plan.executor.measure is None:
        return {}
    from tf_tickets.pipeline.pace import FEWEST_STEPS

    epochs: dict[Hashable, int] = {}
    first: dict[Hashable, PlannedRun] = {}
    for run, task in tasks.values():
        source, _ = find(run.config.dataset)
        if plan.without_data and not (source.at_hand or source.is_files):
            return {}
        epochs[_setting(run)] = epochs.get(_setting(run), 0) + task.cost
        first.setdefault(_setting(run), run)
    most = sorted(epochs, key=lambda setting: -epochs[setting])[:MOST_MEASURED]
    found = {}
    for setting in most:
        run = first[setting]
        steps = load_data(run.cell.values).steps_per_epoch("train", run.config.recipe.batch_size)
        if epochs[setting] * steps >= FEWEST_STEPS:
            found[setting] = plan.executor.measure(run.task(WHOLE), plan.resources)
    return found


def _setting(run: PlannedRun) -> Hashable:
    """What decides how long an epoch takes."""
    config = run.config
    recipe = dataclasses.replace(config.recipe, epochs=1, milestones=(), cycles=1, warmup_epochs=0)
    data = config.dataset, config.validation_fraction, config.train_examples, config.image_size
    return *data, config.mixed_precision, recipe
