"""`python -m tf_tickets.sweep`: a grid of runs, several at a time, shared work once."""

from __future__ import annotations

from collections.abc import Sequence

from absl import flags

from tf_tickets.programs import presets
from tf_tickets.programs.guard import guarded
from tf_tickets.programs.help import start
from tf_tickets.support.console import Console
from tf_tickets.sweeps.forecast import make_forecast
from tf_tickets.sweeps.overview import show_failures, show_plan, show_table
from tf_tickets.sweeps.plan import plan_sweep
from tf_tickets.sweeps.running import run_plan
from tf_tickets.sweeps.sweep_flags import GROUPS, define_flags

ABOUT = """\
Runs methods x sparsities x sanity checks x seeds, and more; trains every dense network once.

  python -m tf_tickets.sweep --method=random,snip,hybrid --sparsity=0.95,0.98 --seed=0-4
  python -m tf_tickets.sweep --preset=laptop/table1_digits --dry_run

Flags of one run hold for all of them. The same command goes on where it stopped.
"""


def main(argv: Sequence[str]) -> int:
    """Runs what the flags ask for; returns the process's exit code: 0 if every cell has its result."""
    return guarded(_sweep, argv[1:])


def _sweep(values: flags.FlagValues) -> int:
    plan = plan_sweep(values, controls=values.controls)
    show = Console()
    forecast = make_forecast(plan)
    show_plan(plan, show, forecast)
    if values.dry_run:
        return 0
    failures = run_plan(plan, show, forecast)
    show_table(plan, show)
    return show_failures(plan, failures, show)


def entry_point() -> None:
    """Starts the program."""
    define_flags()
    presets.define_flag()
    start(main, ABOUT, (presets.GROUP, *GROUPS))
