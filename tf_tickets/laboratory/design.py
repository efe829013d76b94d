"""The sweep behind a verdict: its flags, and its plan."""

from __future__ import annotations

from absl import flags

from tf_tickets.sanity.checks import CHECKS
from tf_tickets.sanity.statistics import LEAST_SEEDS, check_settings
from tf_tickets.sweeps import sweep_flags
from tf_tickets.sweeps.axes import NONE, seeds_of
from tf_tickets.sweeps.plan import SweepPlan, plan_sweep
from tf_tickets.training.metrics import plain_name, scale_of

ALPHA = 0.05
SEEDS = "0-9"


def define_flags(values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines the flags of the laboratory (once): those of a sweep, and what a verdict needs."""
    if "margin" in values:
        return
    sweep_flags.define_flags(values)
    values.set_default("controls", True)
    flags.DEFINE_float(
        "margin",
        None,
        "Differences of the metric smaller than this count as none, in its unit. Default: the metric's own, "
        "0.01 (one point) of accuracy; of errors that have the unit of the targets it must be said.",
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
    check_settings(margin=0.5 if values.margin is None else values.margin, alpha=values.alpha)
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
    _check_margin(plan, values.margin)
    return plan


def _check_margin(plan: SweepPlan, margin: float | None) -> None:
    """Refuses a margin that is none of the metric; none where the metric has none of its own."""
    for name in dict.fromkeys(run.config.recipe.metric_name for run in plan.runs):
        if scale_of(name).checked_margin(margin) is None:
            raise ValueError(
                f"--margin= is needed: which difference of {plain_name(name)} counts as none is yours to "
                "say, in its unit, before there are numbers."
            )
