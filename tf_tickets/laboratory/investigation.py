"""Trains what a verdict needs, and judges: `sanity_check` from Python, `investigate` from a plan."""

from __future__ import annotations

import dataclasses
import numbers
import os
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

from absl import flags

from tf_tickets import config as configuration
from tf_tickets import results
from tf_tickets.laboratory.design import Design, define_flags, make_design
from tf_tickets.laboratory.findings import Findings
from tf_tickets.laboratory.plan_files import note_plan, read_plan
from tf_tickets.results import Verdict
from tf_tickets.results.analysis import ALPHA
from tf_tickets.storage.urls import is_url
from tf_tickets.support.console import Console
from tf_tickets.support.late import check_not_imported
from tf_tickets.support.numbers import is_number
from tf_tickets.support.own_code import name_of_object
from tf_tickets.sweeps.forecast import make_forecast
from tf_tickets.sweeps.overview import show_plan
from tf_tickets.sweeps.running import run_plan
from tf_tickets.sweeps.sweep_flags import GROUPS


def sanity_check(
    method: str | Sequence[str] | Callable = "snip",
    sparsity: float | Sequence[float] | None = None,
    *,
    checks: Sequence[str] | None = None,
    seeds: int | Sequence[int] = 10,
    margin: float | str | None = None,
    loss_margin: float | str | None = None,
    alpha: float = ALPHA,
    families: Sequence[str] | None = None,
    nulls: bool = True,
    plan: str | os.PathLike | None = None,
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
        sparsity: fraction of the prunable weights to remove, or several; 0.98 by default.
        checks: names of `tf_tickets.sanity.CHECKS`. Default: all that can say something about the method.
        seeds: how many, or which; at least 3, and 10 to 20 for a margin of one point.
        margin: of equivalence: differences of the metric smaller than this count as none. None: the metric's
            own, 0.01 of accuracy; of errors that have the unit of the targets it must be said. As `"25%"`,
            that part of the gap between the best random ticket of hand-made ratios and the dense network.
        loss_margin: judges the loss on the test set too, as a second endpoint; likewise. None: not judged.
        alpha: chance of any wrong "insensitive", and that of any wrong "sensitive" or "reversed", among the
            checks of one family, method and sparsity.
        families: each `"NAME:CHECK,CHECK"`, a family of tests. None: checks of one claim are one family, and
            controls are in none.
        nulls: also train random tickets of each ticket's layer counts, and of hand-made ratios with its whole
            budget: without a lead over them no check is answered "insensitive".
        plan: a file that says all of the above before the first run, as `python -m tf_tickets.sanity
            --write_plan=FILE` writes one; beside it only `runs_dir`, `jobs`, `show` and settings that decide
            no number.
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
    if plan is not None:
        decided = {
            "method": method != "snip",
            "sparsity": sparsity is not None,
            "checks": checks is not None,
            "seeds": not (is_number(seeds) and seeds == 10),
            "margin": margin is not None,
            "loss_margin": loss_margin is not None,
            "alpha": alpha != ALPHA,
            "families": families is not None,
            "nulls": nulls is not True,
        }
        if any(decided.values()):
            named = ", ".join(f"{name}=" for name, said in decided.items() if said)
            raise ValueError(f"{named} beside plan=: a plan says all that decides a number or a verdict.")
        beside = configuration.flag_values(
            define_flags,
            {"plan": str(plan), "jobs": jobs, "runs_dir": runs_dir, **given},
            GROUPS,
            abroad=True,
        )
        return investigate(designed(beside), show or Console())
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
        "margin": margin,
        "loss_margin": loss_margin,
        "alpha": alpha,
        "nulls": nulls,
        **given,
    }
    values = configuration.flag_values(define_flags, asked, GROUPS, abroad=True)
    if values.dry_run:
        raise ValueError("dry_run= is for the command line, python -m tf_tickets.sanity --dry_run.")
    values.family = None if families is None else list(families)
    return investigate(make_design(values), show or Console())


def designed(values: flags.FlagValues) -> Design:
    """What flags ask for: by a plan that is noted with its runs before they begin, or by themselves.

    Raises:
        ValueError: what the laboratory refuses.
    """
    if values.plan is None:
        return make_design(values)
    planned, text = read_plan(values)
    design = make_design(planned)
    if planned.dry_run:
        return design
    return dataclasses.replace(design, protocol=note_plan(design, text))


def investigate(design: Design, show: Console) -> Findings:
    """Runs what is missing, and judges."""
    plan, analysis = design.plan, design.analysis
    forecast = None if show.out.quiet else make_forecast(plan)
    show_plan(plan, show, forecast)
    failures = run_plan(plan, show, forecast)
    paths = [_place(run.config.run_dir) for run in plan.runs if run.fresh_result is not None]
    runs = results.load(paths) if paths else []
    found = results.experiments(runs)
    verdicts: list[Verdict] = []
    baselines: list[Verdict] = []
    components: list[Verdict] = []
    for experiment in found:
        for scale, margin in analysis.endpoints:
            how: dict[str, Any] = {"margin": margin, "alpha": analysis.alpha, "scale": scale}
            own = [
                verdict
                for verdict in results.verdicts(experiment, families=analysis.families, **how)
                if verdict.versus in design.checks
            ]
            judged = {(verdict.variant, verdict.sparsity) for verdict in own}
            verdicts += own
            components += [*results.components(experiment, **how), *results.factorials(experiment, **how)]
            baselines += [
                x for x in results.baselines(experiment, **how) if (x.variant, x.sparsity) in judged
            ]
    problems = {label: outcome.problem or "" for label, outcome in failures.items()}
    problems |= {problem: "left out" for experiment in found for problem in experiment.problems}
    return Findings(
        verdicts=tuple(verdicts),
        baselines=tuple(baselines),
        components=tuple(components),
        silent=plan.grid.silent,
        failures=problems,
        runs=tuple(paths),
        analysis=analysis,
        protocol=design.protocol,
        missing=tuple([] if design.protocol is None else design.protocol.missing(runs)),
    )


def _place(run_dir: str) -> pathlib.Path | str:
    return run_dir if is_url(run_dir) else pathlib.Path(run_dir)
