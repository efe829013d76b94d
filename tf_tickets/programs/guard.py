"""What all programs share: what goes wrong is told in one line."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Sequence

from absl import flags

from tf_tickets.support.late import ending_of
from tf_tickets.support.startup import EXPECTED, quieten
from tf_tickets.support.streams import visible


def guarded(work: Callable[[flags.FlagValues], int], unexpected: Sequence[str] = ()) -> int:
    """Does a program's work; what is expected to go wrong is told in one line.

    Args:
        work: parsed flags -> exit code.
        unexpected: arguments that are left beside the flags, and should not be.

    Returns:
        The process's exit code.
    """
    quieten()
    if unexpected:
        return fail(f"unexpected argument {unexpected[0]!r}: options are written --name=value")
    try:
        return work(flags.FLAGS)
    except EXPECTED as error:
        return fail(str(error) or type(error).__name__)
    except SystemExit as end:  # of code of the user's own, somewhere: the work is not done
        return fail(ending_of(end))
    except KeyboardInterrupt as interrupt:
        where = f" ({interrupt})" if str(interrupt) else ""
        number = getattr(interrupt, "signal", signal.SIGINT)
        return fail(f"interrupted{where}; finished work is kept, the same command goes on", 128 + number)


def fail(message: str, code: int = 1) -> int:
    """Says in one line what is wrong; returns the process's exit code."""
    print(f"tf_tickets: {visible(message)}", file=sys.stderr)
    return code
