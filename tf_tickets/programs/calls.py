"""Whole runs from Python: `run`, `sweep` and `report`, with the names of the flags of the programs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

from tf_tickets import config as configuration
from tf_tickets.config import GROUPS
from tf_tickets.programs.run_result import RunResult, RunResults
from tf_tickets.support.console import Console
from tf_tickets.support.late import check_not_imported
from tf_tickets.support.startup import default_threads, without_remarks_on_retracing


def run(
    method: str = "hybrid",
    sparsity: float | None = None,
    *,
    model: Any = None,
    dataset: Any = None,
    runs_dir: str = "runs",
    show: Console | None = None,
    **settings: Any,
) -> RunResult:
    """Does what `python -m tf_tickets.run` does, in this process.

    Args:
        method: one of `tt.METHODS`.
        sparsity: part of the prunable weights that is removed. Default: 0.98, where the method has one.
        model: a name, or a function `(input_shape, num_classes, seed) -> keras.Model`. Default: the
            dataset's.
        dataset: a name, or a function that returns ((x_train, y_train), (x_test, y_test)). Default: digits.
        runs_dir: folder of the run's directory, unless run_dir= says it.
        show: what shows the progress. Default: standard output; `Console.silent()` shows nothing.
        **settings: any other flag of the program, such as epochs=30, seed=1, score=function, ratios=function,
            export=(), run_dir="mine".

    Returns:
        A `RunResult`. The directory is that of the program: what is finished is not done again.

    Raises:
        ValueError: what the program refuses, before work; and an unknown setting.

    Example:
        It writes a directory into the current one, which a test must not:

        >>> result = tt.run("random", 0.9, model="mlp_32_16", epochs=1, export=())  # doctest: +SKIP
        >>> result.accuracy, result.ticket.sparsity  # doctest: +SKIP
        (0.8056, 0.9000)
    """
    check_not_imported("tt.run")
    asked = {"method": method, "sparsity": sparsity, "model": model, "dataset": dataset, **settings}
    values = configuration.flag_values(configuration.define_flags, asked, GROUPS, abroad=False)
    configuration.check_flags(values)
    _set_threads(values)
    from tf_tickets import pipeline, training

    strategy = training.make_strategy(values.strategy)
    data = configuration.load_data(values)
    config = configuration.make_config(values, data, strategy.num_replicas_in_sync, runs_dir)
    console = show or Console()
    with without_remarks_on_retracing():
        numbers = pipeline.run(
            config, data, strategy, console, take_over=values.take_over, forecast=not console.out.quiet
        )
    return RunResult(numbers, config, data)


def sweep(
    method: str | Sequence[str] = "hybrid",
    sparsity: float | Sequence[float] | None = None,
    *,
    seed: int | Iterable[int] = 0,
    model: Any = None,
    dataset: Any = None,
    runs_dir: str = "runs",
    show: Console | None = None,
    **settings: Any,
) -> list[RunResult]:
    """Does what `python -m tf_tickets.sweep` does: runs in several processes, work that they share once.

    The processes import what is the user's own, so that it stands in a file of its own: functions of a
    notebook, or of the script that calls this, go into a file beside it.

    Args:
        method, sparsity, seed: one or several; every combination is run. Sparsity is 0.98 by default.
        model, dataset: as for `run`; functions stand in a file of their own.
        runs_dir: folder of the runs.
        show: what shows the progress. Default: standard output.
        **settings: any other flag of the program, such as sanity_check=["none", "rearrange"], jobs=2.

    Returns:
        A `RunResult` for each run that has a result, in the order of the plan.

    Raises:
        ValueError: what the program refuses, before work; and an unknown setting.
        RuntimeError: some runs failed; it names them. The others are kept.
    """
    check_not_imported("tt.sweep")
    from tf_tickets.sweeps.forecast import make_forecast
    from tf_tickets.sweeps.overview import show_plan, show_table
    from tf_tickets.sweeps.plan import plan_sweep
    from tf_tickets.sweeps.running import run_plan
    from tf_tickets.sweeps.sweep_flags import GROUPS as SWEEP_GROUPS
    from tf_tickets.sweeps.sweep_flags import define_flags

    seeds = seed if isinstance(seed, int) else list(seed)
    asked = {"method": method, "sparsity": sparsity, "seed": seeds, "model": model, "dataset": dataset}
    given = {**asked, "runs_dir": runs_dir, **settings}
    values = configuration.flag_values(define_flags, given, SWEEP_GROUPS, abroad=True)
    if values.dry_run:
        raise ValueError("dry_run= is for the command line, python -m tf_tickets.sweep --dry_run.")
    plan, console = plan_sweep(values, controls=values.controls), show or Console()
    forecast = None if console.out.quiet else make_forecast(plan)
    show_plan(plan, console, forecast)
    failures = run_plan(plan, console, forecast)
    show_table(plan, console)
    if failures:
        named = "; ".join(f"{label}: {outcome.problem}" for label, outcome in failures.items())
        raise RuntimeError(f"{len(failures)} of {len(plan.runs)} runs failed. {named}")
    results = ((run, run.fresh_result) for run in plan.runs)
    return RunResults(RunResult(numbers, run.config, None) for run, numbers in results if numbers is not None)


def report(
    runs: str | os.PathLike | Iterable[str | os.PathLike] = "runs",
    output: str | os.PathLike = "report",
    title: str | None = None,
    *,
    margin: float | str | None = None,
    loss_margin: float | str | None = None,
    alpha: float | None = None,
) -> os.PathLike:
    """Does what `python -m tf_tickets.report` does; returns the path of the page.

    Args:
        runs: run directories, or folders that are searched for them.
        output: directory for the report.
        title: on top.
        margin: of equivalence, in the unit of the metric (0.01 of accuracy is one point), or as `"25%"` a
            part of the gap between random tickets and the dense network; None: that of the plan that the
            runs were made by, or else the metric's own.
        loss_margin: likewise, of the loss on the test set, which is judged too then.
        alpha: chance of a false answer in a family of checks. None: the plan's, or else 0.05.

    Raises:
        FileNotFoundError: a path of `runs` does not exist.
        ValueError: there is no run; `output` is not a report's; a number is out of range.
    """
    from tf_tickets.reporting import report_directory

    title = report_directory.TITLE if title is None else title
    return report_directory.make(runs, output, title, margin, alpha, loss_margin)[0]


def _set_threads(values: Any) -> None:
    """Gives TensorFlow its threads, or the settings those that it has already."""
    import tensorflow as tf

    wanted = values.threads or tf.config.threading.get_intra_op_parallelism_threads() or default_threads()
    try:
        tf.config.threading.set_intra_op_parallelism_threads(wanted)
    except RuntimeError as error:
        at_work = tf.config.threading.get_intra_op_parallelism_threads() or default_threads()
        if wanted != at_work:
            raise ValueError(
                f"threads={wanted}: TensorFlow is at work with {at_work} in this process. Say it before "
                "anything else, or leave it out."
            ) from error
    values.threads = wanted
