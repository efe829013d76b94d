"""`python -m tf_tickets.report`: tables, figures and verdicts from run directories."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from absl import flags

from tf_tickets.programs.guard import fail, guarded
from tf_tickets.programs.help import start
from tf_tickets.reporting import report_directory
from tf_tickets.reporting.document import Document, printable
from tf_tickets.results import margin as margins
from tf_tickets.support.streams import visible
from tf_tickets.support.words import plural

ABOUT = """\
Makes one page of runs: verdicts of the sanity checks, tables, figures, and how to make each number again.

  python -m tf_tickets.report runs
  python -m tf_tickets.report runs/digits runs/fashion --output=docs/report --title="Digits and fashion"
  python -m tf_tickets.report docs/report/report.csv --output=again --margin=0.005

The last makes a report of the table that another one wrote: all of it but the learning curves.
"""
GROUP = "The report"
MARGIN = (
    f"{margins.ABOUT} Default: that of the plan that the runs were made by, or else the metric's own, 0.01 "
    "(one point) of accuracy; of errors that have the unit of the targets there is none."
)
LOSS_MARGIN = "Judges the loss on the test set too; a margin as for --margin. Default: the plan's, or none."
ALPHA = "Chance of a false answer in a family of checks. Default: the plan's, or 0.05."


def main(argv: Sequence[str]) -> int:
    """Makes the report that the flags ask for; returns the process's exit code."""
    if len(argv) < 2:
        return fail("name run directories, or folders that hold them (--help shows how)")
    return guarded(lambda values: _report(argv[1:], values))


def _report(runs: Sequence[str], values: flags.FlagValues) -> int:
    page, document = report_directory.make(
        runs, values.output, values.title, values.margin, values.alpha, values.loss_margin
    )
    for warning in _warnings(document):
        print(f"warning: {printable(warning)}", file=sys.stderr)
    settings = plural(len(document.sections), "setting")
    print(visible(f"{page}: {dict(document.facts)['runs']}, {settings}"))
    return 0


def define_flags() -> None:
    """Defines the flags of a report, once."""
    if "output" in flags.FLAGS:
        return
    flags.DEFINE_string("output", "report", "Directory for the report.", module_name=GROUP)
    flags.DEFINE_string("title", report_directory.TITLE, "On top of the page.", module_name=GROUP)
    margins.define_margin("margin", MARGIN, GROUP, flags.FLAGS)
    margins.define_margin("loss_margin", LOSS_MARGIN, GROUP, flags.FLAGS)
    flags.DEFINE_float("alpha", None, ALPHA, module_name=GROUP)


def _warnings(document: Document) -> Iterable[str]:
    yield from document.warnings
    for section in document.sections:
        for text in section.warnings:
            yield f"{section.title}: {text}"
    for row in document.others.rows if document.others else ():
        path, status, why = (cell.text for cell in row.cells)
        yield f"{path} is {status}: {why}"


def entry_point() -> None:
    """Starts the program."""
    define_flags()
    start(main, ABOUT, (GROUP,))
