"""Trains what a verdict needs, and judges: `sanity_check` from Python, `investigate` from a plan."""

from __future__ import annotations

import numbers
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

from absl import flags

from tf_tickets import config as configuration
from tf_tickets import results
from tf_tickets.config import DEFAULT_SPARSITY
from tf_tickets.laboratory.design import ALPHA, define_flags, make_plan
from tf_tickets.laboratory.findings import Findings
from tf_tickets.results import Verdict
from tf_tickets.storage.urls import is_url
from tf_tickets.support.console import Console
from tf_tickets.support.late import check_not_imported
from tf_tickets.support.own_code import name_of_object
from tf_tickets.sweeps.forecast import make_forecast
from tf_tickets.sweeps.overview import show_plan
from tf_tickets.sweeps.plan import SweepPlan
from tf_tickets.sweeps.running import run_plan
from tf_tickets.sweeps.sweep_flags import GROUPS


def sanity_check(
    method: str | Sequence[str] | Callable = "snip",
    sparsity: float | Sequence[float] = DEFAULT_SPARSITY,
    *,
    checks: Sequence[str] | None = None,
    seeds: int | Sequence[int] = 10,
    margin: float | None = None,
    alpha: float = ALPHA,
    runs_dir: str = "runs",
    jobs: int | None = None,
    show: Console | None = None,
    **settings: Any,
) -> Findings:
    """Tells whether a pruning method uses the data and the connections that it chooses (sections 3 to 5).

    Trains the ticket and its attacked twins over several seeds, the same initial weights and order of the
    data in every arm, in processes of their own. What is in `runs_dir` already is not trained again.

    Args:
        method: one of `METHODS`, or several; or a score of your own, a function
            `(model, batches, rng, **options) -> arrays` that lives in a module (not in a notebook or the main
            script), which then takes the place of SNIP's: scored at the initialisation, global ratios. For a
            score of your own in another row of the table pass that row's name, and score="module:function".
        sparsity: fraction of the prunable weights to remove, or several.
        checks: names of `tf_tickets.sanity.CHECKS`. Default: all that can say something about the method.
        seeds: how many, or which; at least 3, and 10 to 20 for a margin of one point.
        margin: of equivalence: differences of the metric smaller than this count as none. None: the metric's
            own, 0.01 of accuracy; of errors that have the unit of the targets it must be said.
        alpha: chance of any wrong "insensitive", and that of any wrong "sensitive" or "reversed", among the
            checks of one method and sparsity.
        runs_dir: folder of the runs.
        jobs: runs at a time; by default as many as there are cores.
        show: where plan and progress go; by default to standard output.
        **settings: other flags of `python -m tf_tickets.run`, such as dataset="digits", model="resnet8",
            epochs=30, score="my_file:mine", ratios="erk".

    Returns:
        Findings.

    Raises:
        ValueError: a value that is not accepted, before anything is trained.

    Example:
        Ten tickets, as many twins and the baselines are trained, too many networks for a test:

        >>> findings = tt.sanity_check("snip", 0.98, checks=["rearrange"])  # doctest: +SKIP
        >>> print(findings)  # doctest: +SKIP
        >>> findings.answer("rearrange")  # doctest: +SKIP
        'insensitive'
    """
    check_not_imported("tt.sanity_check")
    given = dict(settings)
    if callable(method):
        if "score" in given:
            raise ValueError(f"method= is a score already; score={given['score']!r} is another.")
        given["score"] = name_of_object("score", method, abroad=True)
        method = "snip"
    if checks is not None and not len(checks):
        raise ValueError("checks= is empty. None stands for all that can say something about the method.")
    asked = {
        "method": method,
        "sparsity": sparsity,
        "seed": range(int(seeds)) if isinstance(seeds, numbers.Integral) else seeds,
        "sanity_check": checks,
        "jobs": jobs,
        "runs_dir": runs_dir,
        **given,
    }
    values = configuration.flag_values(define_flags, asked, GROUPS, abroad=True)
    if values.dry_run:
        raise ValueError("dry_run= is for the command line, python -m tf_tickets.sanity --dry_run.")
    try:
        values.margin, values.alpha = margin, alpha
    except flags.Error as error:
        raise ValueError(str(error)) from None
    plan = make_plan(values)
    return investigate(plan, margin, alpha, show or Console())


def investigate(plan: SweepPlan, margin: float | None, alpha: float, show: Console) -> Findings:
    """Runs what is missing, and judges."""
    forecast = None if show.out.quiet else make_forecast(plan)
    show_plan(plan, show, forecast)
    failures = run_plan(plan, show, forecast)
    paths = [_place(run.config.run_dir) for run in plan.runs if run.fresh_result is not None]
    found = results.experiments(results.load(paths)) if paths else []
    verdicts: list[Verdict] = []
    baselines: list[Verdict] = []
    for experiment in found:
        own = results.verdicts(experiment, margin=margin, alpha=alpha)
        judged = {(verdict.variant, verdict.sparsity) for verdict in own}
        verdicts += own
        baselines += [
            x
            for x in results.baselines(experiment, margin=margin, alpha=alpha)
            if (x.variant, x.sparsity) in judged
        ]
    problems = {label: outcome.problem or "" for label, outcome in failures.items()}
    problems |= {problem: "left out" for experiment in found for problem in experiment.problems}
    return Findings(
        tuple(verdicts), tuple(baselines), plan.grid.silent, problems, tuple(paths), margin, alpha
    )


def _place(run_dir: str) -> pathlib.Path | str:
    return run_dir if is_url(run_dir) else pathlib.Path(run_dir)
