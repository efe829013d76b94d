"""The plan of a sweep: its runs, the dense trainings that they share, and what of it is done."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import sys
from collections.abc import Mapping

from absl.flags import FlagValues

from tf_tickets import config as configuration
from tf_tickets.config import Config, imports_own_code
from tf_tickets.data.sources import find
from tf_tickets.storage import urls
from tf_tickets.storage.urls import is_url
from tf_tickets.storage.user_paths import lasting_place
from tf_tickets.storage.views import View, view_of
from tf_tickets.support.startup import load_tensorflow
from tf_tickets.sweeps.cell import Cell, planned
from tf_tickets.sweeps.data_cache import load_data
from tf_tickets.sweeps.executors.executor import Executor
from tf_tickets.sweeps.executors.registry import EXECUTORS
from tf_tickets.sweeps.executors.resources import Resources
from tf_tickets.sweeps.grid import Grid, read_grid
from tf_tickets.sweeps.planned_run import PlannedRun
from tf_tickets.sweeps.task import DENSE, DONORS_DENSE
from tf_tickets.training.recipe import Recipe
from tf_tickets.training.strategies import STRATEGIES


@dataclasses.dataclass(frozen=True)
class SweepPlan:
    """What a sweep will do.

    Attributes:
        runs: every cell.
        grid: their cells, and what was left out.
        executor: where tasks are run.
        resources: what each task has there.
        view: of the folder of the runs.
        without_data: made without looking at the data, to be shown, not to be run.
        notes: dataset -> what was recognised in it, for people.
    """

    runs: tuple[PlannedRun, ...]
    grid: Grid
    executor: Executor
    resources: Resources
    view: View
    without_data: bool = False
    notes: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)

    @property
    def runs_dir(self) -> str:
        """Folder of the runs."""
        run_dir = self.runs[0].config.run_dir
        return urls.parent(run_dir) if is_url(run_dir) else os.path.dirname(run_dir)

    @property
    def waiting(self) -> list[PlannedRun]:
        """Runs without a result, which can be run."""
        return [run for run in self.runs if run.result is None and run.problem is None]

    @property
    def done(self) -> list[PlannedRun]:
        """Runs that have their result."""
        return [run for run in self.runs if run.result is not None]

    @property
    def broken(self) -> dict[str, list[PlannedRun]]:
        """What is wrong with a directory -> the runs that cannot be done, or whose result does not count."""
        found: dict[str, list[PlannedRun]] = {}
        for run in self.runs:
            problem = run.problem or run.doubt
            if problem is not None:
                found.setdefault(problem, []).append(run)
        return found

    @property
    def dense(self) -> dict[str, PlannedRun]:
        """Dense trainings still to be done: directory -> the run that stands for all that share it.

        Those of donors, which give other tickets their counts, among them, see `parts_of_dense`.
        """
        return {path: run for path, (run, _) in self.parts_of_dense.items()}

    @property
    def parts_of_dense(self) -> dict[str, tuple[PlannedRun, str]]:
        """The same, with what of the run it is: DENSE, or DONORS_DENSE where no run has it for its own."""
        chosen: dict[str, tuple[PlannedRun, str]] = {}
        for part in (DENSE, DONORS_DENSE):
            for run in self.waiting:
                directory = run.all_dense.get(part)
                if directory is None or directory.noted("train") is not None:
                    continue
                known, _ = chosen.setdefault(run.dense_dir(part), (run, part))
                # Who rewinds to an epoch must be the one to train, or it would be trained up to again.
                if known.config.rewind_epoch is None and run.config.rewind_epoch is not None:
                    chosen[run.dense_dir(part)] = run, part
        return chosen


def plan_sweep(values: FlagValues, controls: bool = False, nulls: bool = False) -> SweepPlan:
    """Reads the grid and the data, and finds what is done. Errors come before work.

    Args:
        values: parsed flags of a sweep.
        controls, nulls: see `grid.read_grid`.

    Raises:
        ValueError: a value that no run, or not this sweep, can have.
    """
    if STRATEGIES[values.strategy].multi_worker:
        raise ValueError(
            f"--strategy={values.strategy} joins machines for one run (python -m tf_tickets.run on each of "
            "them). A sweep uses several machines with --executor=ray."
        )
    # A run alone takes all cores; of several at a time each takes one, unless told otherwise.
    if values.threads is None:
        values.threads = 1
    _check_executor(values)
    values.runs_dir = lasting_place("runs_dir", values.runs_dir)
    executor = EXECUTORS[values.executor]
    if values["export"].using_default_value:
        values.export = []
    if "tensorflow" not in sys.modules:  # it can be at work already; its threads are set then
        if imports_own_code(values):
            configuration.check_own_names(values)
        else:
            read_grid(values)  # before it is loaded: a slip is answered at once
        load_tensorflow(values.threads)  # as many as a run has, whose pace may be measured here
    found = read_grid(values, controls, _recipe, nulls)
    if not is_url(values.runs_dir):
        folder = pathlib.Path(values.runs_dir)
        if folder.exists() and not folder.is_dir():
            raise ValueError(f"--runs_dir={folder} is no directory.")
        if executor.elsewhere:
            values.runs_dir = str(folder.absolute())
    for cell in found.cells:
        configuration.check_known_elsewhere(cell.values)
    view = view_of(values.runs_dir)
    # Where there is no run yet, a plan needs no data to say what is done.
    without_data = values.dry_run and not (view.path.is_dir() and any(view.path.iterdir()))
    runs: dict[str, PlannedRun] = {}
    notes: dict[str, tuple[str, ...]] = {}
    for cell in found.cells:
        config = planned(cell, _recipe) if without_data else _config(cell, values, executor, view)
        runs.setdefault(config.run_dir, PlannedRun(cell, config, found.label(cell), view))
        if not without_data or find(config.dataset)[0].recipe is None:  # then they are loaded
            notes.setdefault(config.dataset, load_data(cell.values).notes)
    resources = _resources(values, executor)
    return SweepPlan(tuple(runs.values()), found, executor, resources, view, without_data, notes)


def _check_executor(values: FlagValues) -> None:
    """Refuses flags that mean nothing to the executor."""
    for name, row in EXECUTORS.items():
        for flag in row.flags:
            if name != values.executor and values[flag].present:
                raise ValueError(
                    f"--{flag}={values[flag].value} is only for --executor={name}, not {values.executor}."
                )


def _resources(values: FlagValues, executor: Executor) -> Resources:
    return Resources(
        jobs=executor.default_jobs(values.threads) if values.jobs is None else values.jobs,
        threads=values.threads,
        address=values.ray_address,
        cores=values.cores_per_run or values.threads,
        gpus=values.gpus_per_run,
        runs_dir=values.runs_dir,
    )


def _config(cell: Cell, values: FlagValues, executor: Executor, view: View) -> Config:
    replicas = executor.count_replicas(values.strategy, values.gpus_per_run)
    return configuration.make_config(cell.values, load_data(cell.values), replicas, values.runs_dir, view)


def _recipe(cell: Cell) -> Recipe:
    """The recipe of a cell's dataset, which may have to be loaded for it."""
    return find(cell.values.dataset)[0].recipe or load_data(cell.values).recipe
