"""`python -m tf_tickets.sanity`: does a pruning method use the data, and the connections that it chooses?"""

from __future__ import annotations

from collections.abc import Sequence

from absl import flags

from tf_tickets import laboratory
from tf_tickets.programs import presets
from tf_tickets.programs.guard import guarded
from tf_tickets.programs.help import start
from tf_tickets.support.console import Console
from tf_tickets.sweeps.forecast import make_forecast
from tf_tickets.sweeps.overview import show_plan
from tf_tickets.sweeps.sweep_flags import GROUPS

ABOUT = """\
Trains a method's ticket and its attacked twins over paired seeds, and says for each sanity check whether the
method is insensitive to it (equivalent within --margin), sensitive (a drop), or how many seeds would decide.

  python -m tf_tickets.sanity --method=snip --sparsity=0.98,0.99 --model=resnet8
  python -m tf_tickets.sanity --method=snip --score=my_file:mine --sparsity=0.98 --model=resnet8

All checks and ten seeds unless told otherwise; --dry_run tells the cost. The same command goes on where it
stopped. What is to be run and how it is to be judged can be written down before the first run:

  python -m tf_tickets.sanity --method=snip --sparsity=0.98 --margin=0.005 --write_plan=snip.cfg
  python -m tf_tickets.sanity --plan=snip.cfg --runs_dir=runs/snip
"""


def main(argv: Sequence[str]) -> int:
    """Judges what the flags ask for; returns the process's exit code: 0 if every run has its result."""
    return guarded(_judge, argv[1:])


def _judge(values: flags.FlagValues) -> int:
    show = Console()
    if values.write_plan is not None and values.plan is None:
        path = values.write_plan
        plan = laboratory.write_plan(values, path).plan
        show_plan(plan, show, make_forecast(plan))
        show.line(f"\n{path} says all of it; python -m tf_tickets.sanity --plan={path} runs and judges it")
        return 0
    design = laboratory.designed(values)
    if values.dry_run:
        show_plan(design.plan, show, make_forecast(design.plan))
        return 0
    findings = laboratory.investigate(design, show)
    show.line(f"\n{findings}")
    if findings.runs:
        # The report judges all checks of a ticket that it finds there as one family.
        show.line(f"\ntables and figures of all runs there: python -m tf_tickets.report {values.runs_dir}")
    return 1 if findings.failures else 0


def entry_point() -> None:
    """Starts the program."""
    laboratory.define_flags()
    presets.define_flag()
    start(main, ABOUT, (presets.GROUP, *GROUPS))
