"""The verdict on a method: its ticket and the attacked twins over paired seeds, and baselines beside them."""

from __future__ import annotations

import csv
import dataclasses
import io
import numbers
import pathlib
import sys
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from absl import flags

from tf_tickets import results
from tf_tickets.config import DEFAULT_SPARSITY, GROUPS
from tf_tickets.results import Verdict
from tf_tickets.sanity.checks import CHECKS
from tf_tickets.sanity.statistics import INSENSITIVE, LEAST_SEEDS, REVERSED, SENSITIVE
from tf_tickets.storage.urls import is_url
from tf_tickets.support.console import Console
from tf_tickets.sweeps import flags as sweep_flags
from tf_tickets.sweeps.axes import NONE, seeds_of
from tf_tickets.sweeps.plan import SweepPlan, plan_sweep
from tf_tickets.sweeps.running import run_plan
from tf_tickets.sweeps.showing import show_plan

MARGIN, ALPHA = 0.01, 0.05
SEEDS = "0-9"
# What the answers are called of a network that is no attacked twin of the ticket.
BESIDE = {INSENSITIVE: "level", SENSITIVE: "worse", REVERSED: "better"}


@dataclasses.dataclass(frozen=True)
class Findings:
    """What the sanity checks say of methods. Its `str` is the whole of it, for people.

    Attributes:
        verdicts: one a method, sparsity and check.
        baselines: each ticket beside dense, dense with its whole training budget, uniform and random tickets.
        silent: label of a method, sparsity and check that was not run -> why it could say nothing.
        failures: label of a run that failed -> what went wrong; its seed is missing from the verdicts.
        runs: the run directories.
        margin, alpha: what the verdicts were made with.
    """

    verdicts: tuple[Verdict, ...]
    baselines: tuple[Verdict, ...]
    silent: Mapping[str, str]
    failures: Mapping[str, str]
    runs: tuple[pathlib.Path | str, ...]
    margin: float
    alpha: float

    def answer(self, check: str, sparsity: float | None = None, method: str | None = None) -> str | None:
        """The answer of one check; None where too few seeds have a result.

        Args:
            check: its name.
            sparsity: needed where there are several.
            method: likewise.

        Raises:
            ValueError: there is no such verdict, or more than one.
        """
        found = [
            verdict
            for verdict in self.verdicts
            if verdict.twin == check
            and sparsity in (None, verdict.sparsity)
            and method in (None, verdict.contender.method)
        ]
        if len(found) != 1:
            there = ", ".join(f"{x.contender.label} {x.sparsity:g} {x.twin}" for x in self.verdicts)
            raise ValueError(
                f"{len(found)} verdicts fit check={check!r}, sparsity={sparsity}, method={method!r}. "
                f"There are: {there}"
            )
        return None if found[0].comparison is None else found[0].comparison.answer

    def __str__(self) -> str:
        lines = []
        for contender, sparsity in dict.fromkeys((x.contender, x.sparsity) for x in self.verdicts):
            own = [x for x in self.verdicts if (x.contender, x.sparsity) == (contender, sparsity)]
            beside = [x for x in self.baselines if (x.contender, x.sparsity) == (contender, sparsity)]
            lines += ["", _title(contender.label, sparsity, [*own, *beside])]
            lines += _lines("attacked", own) + _lines("beside it", beside, BESIDE)
            lines += _summary(own)
        if not self.verdicts:
            lines.append("no check has a result to judge")
        for label, reason in self.silent.items():
            lines.append(f"not asked: {label}: {reason}")
        for label, problem in self.failures.items():
            lines.append(f"failed: {label}: {problem}")
        return "\n".join(lines).strip()


def sanity_check(
    method: str | Sequence[str] | Callable = "snip",
    sparsity: float | Sequence[float] = DEFAULT_SPARSITY,
    *,
    checks: Sequence[str] | None = None,
    seeds: int | Sequence[int] = 10,
    margin: float = MARGIN,
    alpha: float = ALPHA,
    runs_dir: str = "runs",
    jobs: int | None = None,
    show: Console | None = None,
    **settings: Any,
) -> Findings:
    """Tells whether a pruning method uses the data and the connections that it chooses (sections 3 to 5).

    Trains the ticket and its attacked twins over several seeds, the same initial weights and order of the
    data in every arm, in processes of their own (so a script that calls this needs the guard
    `if __name__ == "__main__":`). What is in `runs_dir` already is not trained again.

    Args:
        method: one of `METHODS`, or several; or a score of your own, a function
            `(model, batches, rng, **options) -> arrays` that lives in a module (not in a notebook or the main
            script), which then takes the place of SNIP's: scored at the initialisation, global ratios. For a
            score of your own in another row of the table pass that row's name, and score="module:function".
        sparsity: fraction of the prunable weights to remove, or several.
        checks: names of `tf_tickets.sanity.CHECKS`. Default: all that can say something about the method.
        seeds: how many, or which; at least 3, and 10 to 20 for a margin of one point.
        margin: of equivalence, in accuracy: differences smaller than this count as none.
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
        >>> findings = tt.sanity_check("snip", 0.98, checks=["corrupted", "rearrange"], model="resnet8")
        >>> print(findings)
        >>> findings.answer("rearrange")
        'insensitive'
    """
    given = dict(settings)
    if callable(method):
        if "score" in given:
            raise ValueError(f"method= is a score already; score={given['score']!r} is another.")
        given["score"] = _importable(method)
        method = "snip"
    if checks is not None and not len(checks):
        raise ValueError("checks= is empty. None stands for all that can say something about the method.")
    asked = {
        "method": _listed(method),
        "sparsity": _listed(sparsity),
        "seed": _listed(range(int(seeds)) if isinstance(seeds, numbers.Integral) else seeds),
        **({} if checks is None else {"sanity_check": _listed(checks)}),
        **({} if jobs is None else {"jobs": jobs}),
        "runs_dir": runs_dir,
        **{name: _listed(value) for name, value in given.items() if value is not None},
    }
    values = flags.FlagValues()
    define_flags(values)
    unknown = [name for name in asked if name not in values]
    if unknown:
        raise ValueError(f"{unknown[0]}= is unknown. Flags of tf_tickets.run are accepted: {_names(values)}.")
    try:
        values(["sanity", *(f"--{name}={value}" for name, value in asked.items())])
    except flags.Error as error:
        raise ValueError(str(error)) from None
    if values.dry_run:
        raise ValueError("dry_run= is for the command line, python -m tf_tickets.sanity --dry_run.")
    try:
        values.margin, values.alpha = margin, alpha
    except flags.Error as error:
        raise ValueError(str(error)) from None
    plan = make_plan(values)
    return investigate(plan, margin, alpha, show or Console())


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags of the laboratory (once): those of a sweep, and what a verdict needs."""
    if "margin" in values:
        return
    sweep_flags.define_flags(values)
    values.set_default("controls", True)
    flags.DEFINE_float(
        "margin",
        MARGIN,
        "Differences of accuracy smaller than this count as none; 0.01 is one point.",
        module_name=sweep_flags.SWEEP,
        flag_values=values,
    )
    flags.DEFINE_float(
        "alpha",
        ALPHA,
        "Chance of any wrong 'insensitive', and that of any wrong 'sensitive' or 'reversed', among the "
        "checks of one method and sparsity.",
        module_name=sweep_flags.SWEEP,
        flag_values=values,
    )


def make_plan(values: flags.FlagValues) -> SweepPlan:
    """The sweep behind a verdict: all checks and ten seeds where the flags do not say.

    Raises:
        ValueError: too few seeds, or what a sweep refuses.
    """
    from tf_tickets.sanity.statistics import check_settings

    check_settings(margin=values.margin, alpha=values.alpha)
    if values.method is None:
        raise ValueError("--method= is needed: which method is to be checked?")
    if values.seed is None:
        values.seed = [SEEDS]
    seeds = seeds_of(values.seed)
    if len(set(seeds)) < LEAST_SEEDS:
        raise ValueError(
            f"--seed={','.join(values.seed)}: {len(set(seeds))} seeds are too few for a verdict. It takes at "
            f"least {LEAST_SEEDS}, and 10 to 20 for a margin of one point."
        )
    checks = values.sanity_check or list(CHECKS)
    values.sanity_check = list(dict.fromkeys([NONE, *checks]))
    plan = plan_sweep(values, controls=values.controls)
    if not any(run.config.sanity_check for run in plan.runs):
        reasons = "; ".join(dict.fromkeys(plan.grid.silent.values())) or "the method keeps every weight"
        raise ValueError(f"--method={','.join(values.method)}: no check can say anything ({reasons}).")
    return plan


def investigate(plan: SweepPlan, margin: float, alpha: float, show: Console) -> Findings:
    """Runs what is missing, and judges."""
    show_plan(plan, show)
    failures = run_plan(plan, show)
    paths = [_place(run.config.run_dir) for run in plan.runs if run.fresh_result is not None]
    found = results.experiments(results.load(paths)) if paths else []
    verdicts: list[Verdict] = []
    beside: list[Verdict] = []
    for experiment in found:
        own = results.verdicts(experiment, margin=margin, alpha=alpha)
        judged = {(verdict.contender, verdict.sparsity) for verdict in own}
        verdicts += own
        beside += [
            x
            for x in results.baselines(experiment, margin=margin, alpha=alpha)
            if (x.contender, x.sparsity) in judged
        ]
    problems = {label: outcome.problem or "" for label, outcome in failures.items()}
    problems |= {problem: "left out" for experiment in found for problem in experiment.problems}
    return Findings(tuple(verdicts), tuple(beside), plan.grid.silent, problems, tuple(paths), margin, alpha)


def _place(run_dir: str) -> pathlib.Path | str:
    return run_dir if is_url(run_dir) else pathlib.Path(run_dir)


def _title(label: str, sparsity: float, verdicts: Sequence[Verdict]) -> str:
    known = [verdict.comparison for verdict in verdicts if verdict.comparison is not None]
    accuracy = f", {100 * known[0].reference_mean:.2f} % of the test set right" if known else ""
    return f"{label} at sparsity {sparsity:g}{accuracy}"


def _lines(
    heading: str, verdicts: Sequence[Verdict], words: Mapping[str, str] = types.MappingProxyType({})
) -> list[str]:
    if not verdicts:
        return []
    width = max(len(verdict.twin) for verdict in verdicts)
    lines = [f"  {heading}"]
    for verdict in verdicts:
        said = f"no verdict: {verdict.reason}"
        if verdict.comparison is not None:
            answer = verdict.comparison.answer
            said = str(verdict.comparison).replace(answer, words.get(answer, answer), 1)
        lines.append(f"    {verdict.twin.ljust(width)}  {said}")
        notes = list(verdict.comparison.notes) if verdict.comparison is not None else []
        lines += [f"    {' ' * width}  note: {note}" for note in notes]
    return lines


def _summary(verdicts: Sequence[Verdict]) -> list[str]:
    """What the answers mean, in a sentence each."""
    meanings = {
        INSENSITIVE: "within the margin it does as well without",
        SENSITIVE: "it does worse without",
        REVERSED: "it does better without",
    }
    lines = []
    for answer, meaning in meanings.items():
        asked = [
            CHECKS[verdict.twin].asks
            for verdict in verdicts
            if verdict.comparison is not None and verdict.comparison.answer == answer
        ]
        if asked:
            lines.append(f"  {meaning}: {'; '.join(asked)}")
    return lines


def _importable(score: Callable) -> str:
    """The name under which processes of a sweep find a function."""
    module, name = getattr(score, "__module__", None), getattr(score, "__qualname__", "<lambda>")
    found = None if module in (None, "__main__") else getattr(sys.modules.get(str(module)), name, None)
    # A decorated function may bear the name of another.
    if found is not score:
        raise ValueError(
            f"The score {name} of module {module} cannot be imported by other processes: put it in a file of "
            "its own, at its top level, and pass the function or score='file:function'."
        )
    return f"{module}:{name}"


def _listed(value: Any) -> str:
    """A value as a command line has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) or not isinstance(value, Iterable):
        return str(value)
    parts = (f"{name}={x}" for name, x in value.items()) if isinstance(value, Mapping) else map(str, value)
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(parts)
    return line.getvalue()


def _names(values: flags.FlagValues) -> str:
    by_group = values.flags_by_module_dict()
    return ", ".join(flag.name for group in GROUPS for flag in by_group[group])
