"""What all programs share: their start, a --help that shows flags by group, one line of what is wrong."""

from __future__ import annotations

import contextlib
import sys
import textwrap
from collections.abc import Callable, Sequence

from absl import app, flags

from tf_tickets.programs import presets
from tf_tickets.programs.guard import fail
from tf_tickets.support import streams
from tf_tickets.support.version import VERSION


def start(main: Callable[[Sequence[str]], int], about: str, groups: Sequence[str]) -> None:
    """Starts a program, whose flags are defined; arguments as for `parse_flags`.

    Args:
        main: arguments that are no flags, the program's name first -> exit code.
    """
    streams.settle()
    app.run(main, flags_parser=lambda argv: parse_flags(argv, about, groups))


def parse_flags(argv: Sequence[str], about: str, groups: Sequence[str]) -> list[str]:
    """absl's flag parser, with a --help by group, --version and presets, and errors in one line.

    Args:
        argv: a command line.
        about: what --help says of the program.
        groups: of flags that it shows.

    Returns:
        The program's name, and the arguments that are no flags.
    """
    if any(arg.lstrip("-") in ("help", "helpshort") for arg in argv[1:] if arg.startswith("-")):
        with contextlib.suppress(BrokenPipeError):
            print(help_text(about, groups))
        sys.exit(0)
    if any(arg in ("-version", "--version") for arg in argv[1:]):
        print(VERSION)
        sys.exit(0)
    takes_presets = presets.GROUP in groups
    try:
        arguments = presets.with_presets(argv) if takes_presets else list(argv)
    except ValueError as error:
        sys.exit(fail(str(error)))
    try:
        left = flags.FLAGS(arguments)
        if takes_presets:
            presets.check_expanded(flags.FLAGS)
        return left
    except flags.Error as error:
        many = "; presets of several runs are for tf_tickets.sweep" if arguments != list(argv) else ""
        sys.exit(fail(f"{error} (--help lists the flags{many})"))
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
    return "\n".join([*lines, "--version; absl's own flags, --flagfile among them: --helpfull"])


def _shown(value: object) -> str:
    return ",".join(value) if isinstance(value, (list, tuple)) else str(value)
