"""What the person sees of a sweep: its plan, its table, its failures."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tf_tickets.storage import urls
from tf_tickets.support.memory import available_bytes, in_words
from tf_tickets.support.scale import Scale
from tf_tickets.support.words import duration, plural
from tf_tickets.sweeps.forecast import LEAST, MOST, Forecast
from tf_tickets.sweeps.plan import SweepPlan
from tf_tickets.sweeps.running import FAILURES
from tf_tickets.sweeps.task import Outcome

if TYPE_CHECKING:
    from tf_tickets.support.console import Console


def show_plan(plan: SweepPlan, show: Console, forecast: Forecast | None = None) -> None:
    """Prints runs, shared trainings, cost, and where there is a forecast what it says."""
    waiting, dense = plan.waiting, plan.dense
    sharing = [run for run in plan.runs if run.config.pretrains]
    networks = {run.dense_dir(part) for run in sharing for part in run.all_dense}
    epochs = sum(run.cost for run in waiting)
    dense_epochs = sum(run.config.recipe.epochs for run in dense.values())
    alone = sum(run.config.recipe.epochs * len(run.all_dense) for run in waiting)
    saved = f" ({epochs + alone:,} without sharing)" if alone > dense_epochs else ""
    facts = {
        "runs": f"{len(plan.runs):,}, of which {len(plan.done):,} are done",
        "dense": f"{plural(len(networks), 'network')}, shared by {plural(len(sharing), 'run')}; "
        f"{len(dense):,} to train",
        "cost": f"{epochs + dense_epochs:,} epochs of training, {dense_epochs:,} of them dense{saved}",
        "time": _time(plan, forecast),
        **_memory(plan, forecast),
        "machine": f"{plan.executor.describe(plan.resources)}{_unused_gpus(plan)}",
    }
    notes = [f"{name}: {'; '.join(found)}" for name, found in plan.notes.items() if found]
    if notes:
        facts["taken for"] = "; ".join(notes)
    silent, broken = plan.grid.silent, plan.broken
    if broken:
        facts["broken"] = plural(len(broken), "directory", "directories")
    if silent:
        facts["left out"] = f"{plural(len(silent), 'cell')} (times seeds) whose check says nothing:"
    show.facts("sweep", facts)
    for label, reason in silent.items():
        show.line(f"    {label}: {reason}")
    for problem, runs in broken.items():
        others = f" and {plural(len(runs) - 1, 'other')}" if len(runs) > 1 else ""
        show.warn(f"broken: {runs[0].label}{others}: {problem}")
    show.line("")


def show_table(plan: SweepPlan, show: Console) -> None:
    """Mean and spread of each cell over its seeds."""
    found: dict[Scale, dict[str, list[float]]] = {}
    for run in plan.runs:
        result = run.fresh_result
        if result is not None:
            label = plan.grid.label(run.cell.having(seed=None))
            scale = Scale.of(result)
            found.setdefault(scale, {}).setdefault(label, []).append(scale.endpoint(result))
    for scale, cells in (found or {Scale(): {}}).items():
        rows = [
            (
                label,
                scale.shown(statistics.mean(x)),
                scale.shown(statistics.stdev(x)) if len(x) > 1 else "-",
                str(len(x)),
            )
            for label, x in cells.items()
        ]
        unit = f", {scale.unit}" if scale.unit else ""
        show.table(
            f"test {scale.words} of the final epoch{unit}", ("cell", "mean", "deviation", "runs"), rows
        )
    if found:
        show.line(f"\ntables, figures and verdicts: python -m tf_tickets.report {plan.runs_dir}")


def show_failures(plan: SweepPlan, failures: Mapping[str, Outcome], show: Console) -> int:
    """Lists what failed; returns the exit code."""
    if not failures:
        return 0
    show.line("")
    show.warn(f"{plural(len(failures), 'task')} failed; the same command tries them again:")
    for label, outcome in failures.items():
        show.line(f"  {label}: {outcome.problem}")
    show.line(f"details: {urls.join(plan.runs_dir, FAILURES)}")
    return 1


def _time(plan: SweepPlan, forecast: Forecast | None) -> str:
    """How long it takes, by the forecast."""
    if not plan.waiting:
        return "nothing to do"
    if forecast is None:
        return "not known before the first run"
    after = "" if plan.resources.jobs else " if one ran after another"
    if forecast.measured:
        least, most = (duration(factor * forecast.total) for factor in (LEAST, MOST))
        return f"about {least} to {most}{after}, by a few steps taken just now"
    return f"about {duration(forecast.total)}{after}, by the runs that are done"


def _memory(plan: SweepPlan, forecast: Forecast | None) -> dict[str, str]:
    """How much memory it takes, and how much there is; nothing where that is not known."""
    jobs = plan.resources.jobs
    if forecast is None or forecast.memory is None or jobs is None:
        return {}
    together = min(jobs, len(forecast.seconds)) * forecast.memory
    left = available_bytes()
    there = "" if math.isinf(left) else f"; {in_words(left)} can be had"
    return {"memory": f"about {in_words(forecast.memory)} a run, {in_words(together)} in all{there}"}


def _unused_gpus(plan: SweepPlan) -> str:
    """What to say of GPUs of this machine that its runs do not see."""
    from tf_tickets.pipeline.showing import unused_gpus

    return "" if plan.executor.elsewhere else unused_gpus()
