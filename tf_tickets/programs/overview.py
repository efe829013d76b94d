"""`python -m tf_tickets`: the programs, a line each, and the version."""

from __future__ import annotations

import sys

from tf_tickets.support.version import VERSION

TEXT = """\
tf_tickets {version}: pruning for Keras 3, and the checks that pruning research owes itself

  python -m tf_tickets.run      one ticket from data to export
  python -m tf_tickets.sweep    a grid of runs, several at a time, shared work once
  python -m tf_tickets.sanity   the verdict on a method: does it use the data, the connections, the weights?
  python -m tf_tickets.report   tables, figures and verdicts from run directories

Each takes --help and --version, and the first three --preset=NAME: an experiment, such as paper/table1.
In Python: tf_tickets.run, .sweep, .sanity_check and .report; .prune for any Keras model.\
"""


def main(arguments: list[str]) -> int:
    """Says what there is; returns the process's exit code."""
    if arguments == ["--version"]:
        print(VERSION)
        return 0
    print(TEXT.format(version=VERSION))
    known = not arguments or arguments in (["--help"], ["-h"])
    if not known:
        print(
            f"tf_tickets: there is nothing to do with {arguments[0]!r} here: name a program.", file=sys.stderr
        )
    return 0 if known else 1


def entry_point() -> None:
    """Starts the program."""
    sys.exit(main(sys.argv[1:]))
