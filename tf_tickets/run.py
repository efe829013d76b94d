"""`python -m tf_tickets.run`: one ticket from data to export."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from absl import app, flags, logging

from tf_tickets import config as configuration
from tf_tickets import flag_definitions

if TYPE_CHECKING:
    from tf_tickets.data import Dataset

# Errors that one line explains; anything else is a fault of ours, and shows where.
EXPECTED = (ValueError, OSError, ArithmeticError, RuntimeError)

ABOUT = """\
Trains a network, finds a sparse ticket in it, retrains that, and exports it.

  python -m tf_tickets.run --method=hybrid --sparsity=0.98
  python -m tf_tickets.run --flagfile=flags/quickstart.cfg
"""


def main(argv: Sequence[str]) -> int:
    """Runs what the flags ask for; returns the process's exit code."""
    return guarded(_run, argv[1:])


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


def _run(values: flags.FlagValues) -> int:
    load_tensorflow(values.threads or configuration.default_threads())
    configuration.check_flags(values)
    from tf_tickets import pipeline, training
    from tf_tickets.console import Console

    # Before anything else touches TensorFlow's devices, which a cluster would set up anew.
    strategy = training.make_strategy(values.strategy)
    dataset = load_data(values)
    config = configuration.make_config(values, dataset, strategy.num_replicas_in_sync)
    pipeline.run(config, dataset, strategy, Console(), take_over=values.take_over)
    return 0


def load_data(values: flags.FlagValues) -> Dataset:
    """The dataset that the flags ask for."""
    from tf_tickets import data

    return data.load(
        values.dataset,
        data_dir=values.data_dir,
        seed=values.seed,
        validation_fraction=values.validation_fraction,
        image_size=values.image_size,
    )


def parse_flags(
    argv: Sequence[str], about: str = ABOUT, groups: Sequence[str] = flag_definitions.GROUPS
) -> list[str]:
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


def help_text(about: str = ABOUT, groups: Sequence[str] = flag_definitions.GROUPS) -> str:
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


def _shown(value) -> str:
    return ",".join(value) if isinstance(value, (list, tuple)) else str(value)


def quieten() -> None:
    """Leaves the screen to the plan, the progress and the result; --verbosity brings the logs back."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if not flags.FLAGS["verbosity"].present:
        logging.set_verbosity(logging.ERROR)


def load_tensorflow(threads: int) -> None:
    """Imports TensorFlow without the lines that it prints on every import, whatever its log level."""
    sys.stderr.flush()
    screen = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            import keras  # noqa: F401  loads TensorFlow's own parts too
            import tensorflow as tf
        except Exception:
            held.seek(0)
            os.write(screen, held.read())
            raise
        finally:
            os.dup2(screen, 2)
            os.close(screen)
    tf.config.threading.set_intra_op_parallelism_threads(threads)


def fail(message: str, code: int = 1) -> int:
    """Says in one line what is wrong; returns the process's exit code."""
    # Names of files and the like can hold what would command a terminal.
    shown = "".join(x if x.isprintable() or x in "\n\t" else f"\\x{ord(x):02x}" for x in message)
    print(f"tf_tickets: {shown}", file=sys.stderr)
    return code


def entry_point() -> None:
    """Starts the program."""
    flag_definitions.define_flags()
    app.run(main, flags_parser=parse_flags)


if __name__ == "__main__":
    entry_point()
