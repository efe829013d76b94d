"""Running a plan: what is not done yet, dense trainings first, and on past failures."""

from __future__ import annotations

import dataclasses
import functools
import time
from typing import TYPE_CHECKING

from tf_tickets.storage import stores, urls
from tf_tickets.support.scale import reached_by
from tf_tickets.sweeps.forecast import Forecast, tasks_of
from tf_tickets.sweeps.plan import SweepPlan
from tf_tickets.sweeps.task import Outcome
from tf_tickets.training.interruption import ended_politely

if TYPE_CHECKING:
    from tf_tickets.support.console import Console

FAILURES = "failures.log"


def run_plan(plan: SweepPlan, show: Console, forecast: Forecast | None = None) -> dict[str, Outcome]:
    """Runs what is not done yet, dense trainings first, and goes on past failures and broken directories.

    Ctrl-C and SIGTERM end it after what is being trained has saved a checkpoint.

    Args:
        plan: what to run.
        show: what the person sees.
        forecast: of the plan.

    Returns:
        Label of each cell that has no result -> what went wrong.

    Raises:
        ValueError: the plan was made without data.
        KeyboardInterrupt: it was told to end.
    """
    if plan.without_data:
        raise ValueError("A plan that was made for --dry_run cannot be run.")
    planned, after = tasks_of(plan)
    seconds = forecast.seconds if forecast else {}
    tasks = {key: dataclasses.replace(task, seconds=seconds.get(key)) for key, (_, task) in planned.items()}
    with ended_politely(), show.sweep(len(tasks), sum(task.cost for task in tasks.values())) as progress:
        find_outcome = functools.partial(_find_outcome, plan)
        outcomes = plan.executor.make_pool(tasks, after, plan.resources, progress, find_outcome).run()
    plan.view.refresh()
    failures = {run.label: Outcome(0.0, problem=run.problem) for run in plan.runs if run.problem is not None}
    failures |= {
        tasks[key].title: outcome for key, outcome in outcomes.items() if outcome.problem is not None
    }
    for label, outcome in failures.items():
        _log(plan, label, outcome)
    return failures


def _find_outcome(plan: SweepPlan, key: str) -> Outcome | None:
    """How a run has ended, by its directory; `key` is that of its task."""
    plan.view.refresh()
    for run in plan.runs:
        if run.config.run_dir == key and (result := run.fresh_result) is not None:
            return Outcome(0.0, reached_by(result))
    return None


def _log(plan: SweepPlan, label: str, outcome: Outcome) -> None:
    """Keeps a failure's details beside the runs."""
    when = time.strftime("%Y-%m-%d %H:%M:%S")
    text = f"{when} {label}: {outcome.problem}\n{outcome.details}\n"
    stores.append(urls.join(plan.runs_dir, FAILURES), text)
