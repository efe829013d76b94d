"""`python -m tf_tickets.run`: one ticket from data to export."""

from __future__ import annotations

from collections.abc import Sequence

from absl import flags

from tf_tickets import config as configuration
from tf_tickets.programs import presets
from tf_tickets.programs.guard import guarded
from tf_tickets.programs.help import start
from tf_tickets.support.console import Console
from tf_tickets.support.startup import default_threads, load_tensorflow

ABOUT = """\
Trains a network, finds a sparse ticket in it, retrains that, and exports it.

  python -m tf_tickets.run --method=hybrid --sparsity=0.98
  python -m tf_tickets.run --preset=quickstart
"""


def main(argv: Sequence[str]) -> int:
    """Runs what the flags ask for; returns the process's exit code."""
    return guarded(_run, argv[1:])


def _run(values: flags.FlagValues) -> int:
    loads_early = configuration.imports_own_code(values)
    if loads_early:
        configuration.check_own_names(values)
    else:
        configuration.check_flags(values)  # before TensorFlow is loaded: a slip is answered at once
    load_tensorflow(values.threads or default_threads())
    if loads_early:
        configuration.check_flags(values)
    configuration.check_places(values)
    from tf_tickets import pipeline, training

    # Before anything else touches TensorFlow's devices, which a cluster would set up anew.
    strategy = training.make_strategy(values.strategy)
    dataset = configuration.load_data(values)
    config = configuration.make_config(values, dataset, strategy.num_replicas_in_sync)
    pipeline.run(config, dataset, strategy, Console(), take_over=values.take_over, forecast=True)
    return 0


def entry_point() -> None:
    """Starts the program."""
    configuration.define_flags()
    presets.define_flag()
    start(main, ABOUT, (presets.GROUP, *configuration.GROUPS))
