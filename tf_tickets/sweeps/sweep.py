"""A grid of runs: what a sweep will do, and doing it, shared work once."""

from __future__ import annotations

import dataclasses
import functools
import os
import pathlib
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from absl import flags

from tf_tickets.config import config as configuration
from tf_tickets.config import flag_definitions
from tf_tickets.config.config import Config
from tf_tickets.data.recipe import Recipe
from tf_tickets.data.sources import find
from tf_tickets.storage import stores
from tf_tickets.storage.atomic_files import read_json
from tf_tickets.storage.directories import DenseDirectory, RunDirectory
from tf_tickets.storage.errors import NotOurs
from tf_tickets.storage.urls import is_url, join, parent
from tf_tickets.storage.views import View, view_of
from tf_tickets.support.startup import default_threads, load_tensorflow
from tf_tickets.support.words import duration, plural
from tf_tickets.sweeps import grid, worker
from tf_tickets.sweeps.executors import EXECUTORS, Workplace, make_crew
from tf_tickets.sweeps.grid import Cell, Grid
from tf_tickets.sweeps.worker import DENSE, WHOLE, Outcome, Task

if TYPE_CHECKING:
    from tf_tickets.support.console import Console

SWEEP = "The sweep"
GROUPS = (SWEEP, *flag_definitions.GROUPS)
FAILURES = "failures.log"


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags of a sweep (once): those of a run, of which the axes take lists, and its own."""
    if "runs_dir" in values:
        return
    flag_definitions.define_flags(values, lists=grid.AXES)
    define: Callable[[], dict[str, Any]] = functools.partial(dict, module_name=SWEEP, flag_values=values)
    flags.DEFINE_string(
        "runs_dir",
        "runs",
        "Folder of the runs, a path or a URL (s3://...); finished ones are not run again.",
        **define(),
    )
    flags.DEFINE_integer(
        "jobs",
        None,
        "Runs at a time. Default: as many as fill the cores with their --threads (here 1); one where there "
        "is a GPU; on Ray, as many as the cluster has room for.",
        lower_bound=1,
        **define(),
    )
    flags.DEFINE_enum(
        "executor",
        "local",
        list(EXECUTORS),
        "Where runs are done: in processes of this machine, or on a Ray cluster.",
        **define(),
    )
    flags.DEFINE_string(
        "ray_address",
        None,
        "The Ray cluster: auto, HOST:PORT or ray://HOST:PORT. Default: one that is started on this machine.",
        **define(),
    )
    flags.DEFINE_integer(
        "cores_per_run",
        None,
        "Cores that Ray keeps for a run. Default: its --threads.",
        lower_bound=1,
        **define(),
    )
    flags.DEFINE_integer(
        "gpus_per_run", 0, "GPUs that Ray keeps for a run, and shows it.", lower_bound=0, **define()
    )
    flags.DEFINE_bool(
        "controls",
        False,
        "Also dense, dense with each method's whole training budget, uniform and random tickets.",
        **define(),
    )
    flags.DEFINE_bool("dry_run", False, "Print what would run, and what it costs; run nothing.", **define())


@dataclasses.dataclass(frozen=True)
class Planned:
    """A cell with its config, and where it goes."""

    cell: Cell
    config: Config
    label: str
    view: View

    @property
    def directory(self) -> RunDirectory:
        """Its run directory, to be looked at."""
        return RunDirectory(self.view.local(self.config.run_dir), self.config.identity, "run")

    @property
    def dense(self) -> DenseDirectory:
        """The dense training that it shares, to be looked at."""
        return DenseDirectory(self.view.local(self.config.dense_dir), self.config.dense_identity, "dense")

    @functools.cached_property
    def result(self) -> dict[str, Any] | None:
        """What result.json held when it was first asked for."""
        return self.fresh_result

    @property
    def fresh_result(self) -> dict[str, Any] | None:
        """What result.json holds now; None where the run is not finished, or not this config's."""
        directory = self.directory
        try:
            if read_json(directory.config) != directory.identity:
                return None
            if directory.waits_for_export(self.config.export):
                return None
            result = read_json(directory.result)
            return result if isinstance(result["test_accuracy"], float) else None
        except (OSError, NotOurs, KeyError, TypeError):
            return None

    def task(self, part: str) -> Task:
        """The work in a process of its own."""
        config = self.config
        places = (f"--run_dir={config.run_dir}", f"--dense_dir={config.dense_dir}")
        cost = config.recipe.epochs if part == DENSE else _cost(config)
        urls = tuple(place for place in (config.run_dir, config.dense_dir) if is_url(place))
        name = configuration.run_name(config)
        return Task(self.label, (*self.cell.arguments, *places), part, cost, urls, name)


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a sweep will do.

    Attributes:
        runs: every cell.
        grid: their cells, and what was left out.
        place: where they are run.
        view: of the folder of the runs.
        blind: made without looking at the data, to be shown, not to be run.
    """

    runs: tuple[Planned, ...]
    grid: Grid
    place: Workplace
    view: View
    blind: bool = False

    @property
    def waiting(self) -> list[Planned]:
        """Runs without a result."""
        return [run for run in self.runs if run.result is None]

    @property
    def dense(self) -> dict[str, Planned]:
        """Dense trainings still to be done: directory -> the run that stands for all that share it."""
        chosen: dict[str, Planned] = {}
        for run in self.waiting:
            if not run.config.pretrains or run.dense.finished("train") is not None:
                continue
            known = chosen.setdefault(run.config.dense_dir, run)
            # Who rewinds to an epoch must be the one to train, or it would have to be trained up to again.
            if known.config.rewind_epoch is None and run.config.rewind_epoch is not None:
                chosen[run.config.dense_dir] = run
        return chosen

    def show(self, show: Console) -> None:
        """Prints runs, shared trainings and cost."""
        waiting, dense = self.waiting, self.dense
        sharing = [run for run in self.runs if run.config.pretrains]
        networks = {run.config.dense_dir for run in sharing}
        epochs = sum(_cost(run.config) for run in waiting)
        dense_epochs = sum(run.config.recipe.epochs for run in dense.values())
        alone = sum(run.config.recipe.epochs for run in waiting if run.config.pretrains)
        saved = f" ({epochs + alone:,} without sharing)" if alone > dense_epochs else ""
        facts = {
            "runs": f"{len(self.runs):,}, of which {len(self.runs) - len(waiting):,} are done",
            "dense": f"{plural(len(networks), 'network')}, shared by {plural(len(sharing), 'run')}; "
            f"{len(dense):,} to train",
            "cost": f"{epochs + dense_epochs:,} epochs of training, {dense_epochs:,} of them dense{saved}",
            "time": self._time(epochs + dense_epochs),
            "machine": self.place.about,
        }
        if self.grid.silent:
            facts["left out"] = (
                f"{plural(len(self.grid.silent), 'cell')} (times seeds) whose check says nothing:"
            )
        show.facts("sweep", facts)
        for label, reason in self.grid.silent.items():
            show.line(f"    {label}: {reason}")
        show.line("")

    def _time(self, epochs: int) -> str:
        """An estimate from the runs that are done."""
        if not epochs:
            return "nothing to do"
        rates = [
            run.result["seconds"]["retrain"] / len(run.config.retraining_epochs)
            for run in self.runs
            if run.result is not None and run.result["seconds"].get("retrain") and _cost(run.config)
        ]
        if not rates:
            return "not known before the first run"
        jobs = self.place.jobs or 1
        after = "" if self.place.jobs else " if one ran after another"
        return f"about {duration(statistics.median(rates) * epochs / jobs)}{after}, by the runs that are done"


def make_plan(values: flags.FlagValues, controls: bool = False) -> Plan:
    """Reads the grid and the data, and finds what is done. Errors come before work.

    Args:
        values: parsed flags of a sweep.
        controls: see `grid.read_grid`.
    """
    if values.strategy == "multi_worker":
        raise ValueError(
            "--strategy=multi_worker joins machines for one run (python -m tf_tickets.run on each of them). "
            "A sweep uses several machines with --executor=ray."
        )
    # A run alone takes all cores; of several at a time each takes one, unless told otherwise.
    if values.threads is None:
        values.threads = 1
    _check_executor(values)
    if values["export"].using_default_value:
        values.export = []
    if "tensorflow" not in sys.modules:  # it can be at work already; its threads are set then
        load_tensorflow(default_threads())
    found = grid.read_grid(values, controls, _recipe)
    if not is_url(values.runs_dir):
        folder = pathlib.Path(values.runs_dir)
        if folder.exists() and not folder.is_dir():
            raise ValueError(f"--runs_dir={folder} is no directory.")
        if values.executor != "local":  # which need not be at work in this folder
            values.runs_dir = str(folder.absolute())
    view = view_of(values.runs_dir)
    # Where there is no run yet, a plan needs no data to say what is done.
    blind = values.dry_run and not (view.path.is_dir() and any(view.path.iterdir()))
    runs: dict[str, Planned] = {}
    for cell in found.cells:
        config = grid.planned(cell, _recipe) if blind else _config(cell, values)
        runs.setdefault(config.run_dir, Planned(cell, config, found.label(cell), view))
    with view.named_in_errors():
        for run in runs.values():
            run.directory.check()
            run.dense.check()
    return Plan(tuple(runs.values()), found, _workplace(values), view, blind)


def _check_executor(values: flags.FlagValues) -> None:
    """Refuses flags that mean nothing to the executor."""
    for name, row in EXECUTORS.items():
        for flag in row.flags:
            if name != values.executor and values[flag].present:
                raise ValueError(
                    f"--{flag}={values[flag].value} is only for --executor={name}, not {values.executor}."
                )


def _workplace(values: flags.FlagValues) -> Workplace:
    jobs = values.jobs
    if jobs is None and values.executor == "local":
        jobs = 1 if _has_gpu() else max(default_threads() // values.threads, 1)
    return Workplace(
        executor=values.executor,
        jobs=jobs,
        threads=values.threads,
        address=values.ray_address,
        cores=values.cores_per_run or values.threads,
        gpus=values.gpus_per_run,
        runs_dir=values.runs_dir,
    )


def _config(cell: Cell, values: flags.FlagValues) -> Config:
    from tf_tickets import training

    if values.executor == "local":
        replicas = training.count_replicas(values.strategy)
    else:  # a run sees the GPUs that are kept for it, whatever this machine has
        replicas = 1 if values.strategy == "none" else max(values.gpus_per_run, 1)
    return configuration.make_config(cell.values, worker.load_data(cell.values), replicas, values.runs_dir)


def _recipe(cell: Cell) -> Recipe:
    """The recipe of a cell's dataset, which may have to be loaded for it."""
    return find(cell.values.dataset)[0].recipe or worker.load_data(cell.values).recipe


def run_plan(plan: Plan, show: Console) -> dict[str, Outcome]:
    """Runs what is not done yet, dense trainings first, and goes on past failures.

    Returns:
        Label of each cell that has no result -> what went wrong.
    """
    if plan.blind:
        raise ValueError("A plan that was made for --dry_run cannot be run.")
    dense = plan.dense
    waiting = plan.waiting
    tasks = {f"dense {path}": run.task(DENSE) for path, run in dense.items()}
    tasks |= {run.config.run_dir: run.task(WHOLE) for run in waiting}
    after = {
        run.config.run_dir: f"dense {run.config.dense_dir}"
        for run in waiting
        if run.config.pretrains and run.config.dense_dir in dense
    }
    with show.sweep(len(tasks), sum(task.cost for task in tasks.values())) as progress:
        outcomes = make_crew(tasks, after, plan.place, progress, functools.partial(_found, plan)).work()
    plan.view.refresh()
    failures = {tasks[key].title: outcome for key, outcome in outcomes.items() if outcome.problem is not None}
    for label, outcome in failures.items():
        _log(plan, label, outcome)
    return failures


def _found(plan: Plan, key: str) -> Outcome | None:
    """How a run has ended, by its directory; `key` is that of its task."""
    plan.view.refresh()
    for run in plan.runs:
        if run.config.run_dir == key and (result := run.fresh_result) is not None:
            return Outcome(0.0, result["test_accuracy"])
    return None


def show_table(plan: Plan, show: Console) -> None:
    """Mean and spread of each cell over its seeds."""
    found: dict[str, list[float]] = {}
    for run in plan.runs:
        result = run.fresh_result
        if result is not None:
            label = plan.grid.label(run.cell.having(seed=None))
            found.setdefault(label, []).append(100 * result["test_accuracy"])
    rows = [
        (label, f"{statistics.mean(x):.2f}", f"{statistics.stdev(x):.2f}" if len(x) > 1 else "-", str(len(x)))
        for label, x in found.items()
    ]
    show.table("test accuracy of the final epoch, %", ("cell", "mean", "deviation", "runs"), rows)
    if rows:
        show.line(f"\ntables, figures and verdicts: python -m tf_tickets.report {_runs_dir(plan)}")


def show_failures(plan: Plan, failures: Mapping[str, Outcome], show: Console) -> int:
    """Lists what failed; returns the exit code."""
    if not failures:
        return 0
    show.line("")
    show.warn(f"{plural(len(failures), 'task')} failed; the same command tries them again:")
    for label, outcome in failures.items():
        show.line(f"  {label}: {outcome.problem}")
    show.line(f"details: {join(_runs_dir(plan), FAILURES)}")
    return 1


def _log(plan: Plan, label: str, outcome: Outcome) -> None:
    """Keeps a failure's details beside the runs."""
    when = time.strftime("%Y-%m-%d %H:%M:%S")
    text = f"{when} {label}: {outcome.problem}\n{outcome.details}\n"
    stores.append(join(_runs_dir(plan), FAILURES), text)


def _runs_dir(plan: Plan) -> str:
    run_dir = plan.runs[0].config.run_dir
    return parent(run_dir) if is_url(run_dir) else os.path.dirname(run_dir)


def _cost(config: Config) -> int:
    """Epochs of a run that it shares with no other."""
    return len(config.retraining_epochs) * config.trained_rounds


def _has_gpu() -> bool:
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))
