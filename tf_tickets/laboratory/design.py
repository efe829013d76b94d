"""The sweep behind a verdict: its flags, and its plan."""

from __future__ import annotations

import dataclasses

from absl import flags

from tf_tickets.results.analysis import ALPHA, Analysis
from tf_tickets.results.margin import ABOUT, define_margin, margin_for
from tf_tickets.results.protocol import Protocol
from tf_tickets.sanity.checks import CHECKS
from tf_tickets.sanity.statistics import LEAST_SEEDS
from tf_tickets.support.scale import LOSS
from tf_tickets.sweeps import sweep_flags
from tf_tickets.sweeps.axes import NONE, seeds_of
from tf_tickets.sweeps.plan import SweepPlan, plan_sweep
from tf_tickets.training.metrics import plain_name, scale_of

SEEDS = "0-9"


@dataclasses.dataclass(frozen=True)
class Design:
    """What is run, and how it is judged.

    Attributes:
        plan: the sweep.
        analysis: endpoints, margins, families.
        checks: names of those that are asked; others were run as nulls.
        protocol: what was written down before; None where nothing was.
    """

    plan: SweepPlan
    analysis: Analysis
    checks: tuple[str, ...]
    protocol: Protocol | None = None


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags of the laboratory (once): those of a sweep, and what a verdict needs."""
    if "margin" in values:
        return
    sweep_flags.define_flags(values)
    values.set_default("controls", True)
    group = {"module_name": sweep_flags.SWEEP, "flag_values": values}
    define_margin(
        "margin",
        f"{ABOUT} Default: the metric's own, 0.01 (one point) of accuracy; of errors that have the unit of "
        "the targets it must be said.",
        sweep_flags.SWEEP,
        values,
    )
    define_margin(
        "loss_margin",
        "Judges the loss on the test set too, as a second endpoint; a margin as for --margin. Default: the "
        "loss is not judged.",
        sweep_flags.SWEEP,
        values,
    )
    flags.DEFINE_float(
        "alpha",
        ALPHA,
        "Chance of any wrong 'insensitive', and that of any wrong 'sensitive' or 'reversed', among the "
        "checks of one family, method and sparsity.",
        **group,
    )
    flags.DEFINE_multi_string(
        "family",
        None,
        "NAME:CHECK,CHECK declares a family of tests; once for each. Default: checks of one claim (the data, "
        "the connections, ...) are one family, and controls are in none.",
        **group,
    )
    flags.DEFINE_bool(
        "nulls",
        True,
        "Also random tickets of each ticket's layer counts, and of hand-made ratios with its whole budget: "
        "without a lead over them no check can show a method to be insensitive.",
        **group,
    )
    flags.DEFINE_string(
        "plan",
        None,
        "A file of flags that says all of the above, and the data's fingerprint, before the first run. What "
        "is run later and was not planned is told apart.",
        **group,
    )
    flags.DEFINE_string(
        "write_plan", None, "Writes such a file from the flags given, and runs nothing.", **group
    )
    flags.DEFINE_list(
        "data_fingerprint",
        None,
        "Of a plan: the fingerprints of the data that it is about; other data are refused.",
        **group,
    )


def make_design(values: flags.FlagValues) -> Design:
    """The sweep behind a verdict: all checks and ten seeds where the flags do not say.

    Raises:
        ValueError: too few seeds, or what a sweep refuses.
    """
    analysis = Analysis.read(values.margin, values.loss_margin, values.alpha, values.family or ())
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
    plan = plan_sweep(values, controls=values.controls, nulls=values.nulls)
    wanted = (run for run in plan.runs if run.cell not in plan.grid.beside)
    asked = list(dict.fromkeys(run.config.sanity_check for run in wanted if run.config.sanity_check))
    if not asked:
        reasons = "; ".join(dict.fromkeys(plan.grid.silent.values())) or "the method keeps every weight"
        raise ValueError(f"--method={','.join(values.method)}: no check can say anything ({reasons}).")
    analysis.check_families(asked)
    _check_margins(plan, analysis)
    _check_data(plan, values.data_fingerprint)
    return Design(plan, analysis, tuple(asked))


def fingerprints(plan: SweepPlan) -> list[str]:
    """Fingerprints of the data of a sweep, each once."""
    return sorted({run.config.data_fingerprint for run in plan.runs if run.config.data_fingerprint})


def _check_margins(plan: SweepPlan, analysis: Analysis) -> None:
    """Refuses a margin that is none of the metric; none where the metric has none of its own."""
    for name in dict.fromkeys(run.config.recipe.metric_name for run in plan.runs):
        if margin_for(analysis.margin, scale_of(name)) is None:
            raise ValueError(
                f"--margin= is needed: which difference of {plain_name(name)} counts as none is yours to "
                "say, in its unit, before there are numbers."
            )
    margin_for(analysis.loss_margin, LOSS)


def _check_data(plan: SweepPlan, planned: list[str] | None) -> None:
    if planned is None or plan.without_data:
        return
    found = fingerprints(plan)
    if found != sorted(planned):
        raise ValueError(
            f"The plan is about other data: of fingerprint {', '.join(sorted(planned))}, and these have "
            f"{', '.join(found)}."
        )
