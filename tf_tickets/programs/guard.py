"""What all programs share: what goes wrong is told in one line, and --help shows flags by group."""

from __future__ import annotations

import contextlib
import signal
import sys
import textwrap
from collections.abc import Callable, Sequence

from absl import flags

from tf_tickets.support.startup import EXPECTED, quieten


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
        return fail(str(error))
    except KeyboardInterrupt as interrupt:
        where = f" ({interrupt})" if str(interrupt) else ""
        number = getattr(interrupt, "signal", signal.SIGINT)
        return fail(f"interrupted{where}; finished work is kept, the same command goes on", 128 + number)


def parse_flags(argv: Sequence[str], about: str, groups: Sequence[str]) -> list[str]:
    """absl's flag parser, with a --help that shows our flags by group, and errors in one line."""
    if any(arg.lstrip("-") in ("help", "helpshort") for arg in argv[1:] if arg.startswith("-")):
        with contextlib.suppress(BrokenPipeError):
            print(help_text(about, groups))
        sys.exit(0)
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        sys.exit(fail(f"{error} (--help lists the flags)"))
    except (ValueError, RecursionError) as error:  # of files of flags: no text, or one in another without end
        sys.exit(fail(f"{' '.join(arg for arg in argv if 'flagfile' in arg)} cannot be read: {error}"))


def help_text(about: str, groups: Sequence[str]) -> str:
    """What --help prints: every flag with its default, by group."""
    by_group = flags.FLAGS.flags_by_module_dict()
    lines = [about]
    for group in groups:
        lines.append(f"{group}:")
        for flag in by_group[group]:
            default = "" if flag.default is None else f" (default {_shown(flag.default)})"
            lines.append(f"  --{flag.name}")
            lines += [f"      {line}" for line in textwrap.wrap(f"{flag.help}{default}", 76)]
        lines.append("")
    return "\n".join([*lines, "absl's own flags, --flagfile among them: --helpfull"])


def fail(message: str, code: int = 1) -> int:
    """Says in one line what is wrong; returns the process's exit code."""
    # Names of files and the like can hold what would command a terminal.
    shown = "".join(x if x.isprintable() or x in "\n\t" else f"\\x{ord(x):02x}" for x in message)
    print(f"tf_tickets: {shown}", file=sys.stderr)
    return code


def _shown(value) -> str:
    return ",".join(value) if isinstance(value, (list, tuple)) else str(value)
