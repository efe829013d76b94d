"""Flags, cells and plans of sweeps, and what a person sees of them."""

import io

import rich.console
from absl import flags

from tf_tickets.support.console import Console
from tf_tickets.sweeps.grid import read_grid
from tf_tickets.sweeps.plan import plan_sweep
from tf_tickets.sweeps.sweep_flags import define_flags


def values_of(*arguments):
    """The flags of a sweep, parsed from the arguments and from nothing else."""
    values = flags.FlagValues()
    define_flags(values)
    values(["sweep", *arguments])
    return values


def cells_of(*arguments, controls=False):
    return read_grid(values_of(*arguments), controls).cells


def plan_of(*arguments, controls=False):
    """What a sweep would do."""
    return plan_sweep(values_of(*arguments), controls)


def given_to(cell, *names):
    """What a cell's flags say, None where they say nothing."""
    return tuple(dict(cell.flags).get(name) for name in names)


def rows(cells, *names):
    return [given_to(cell, *names) for cell in cells]


def shown(show, *arguments):
    """What a person sees of a function that shows something, on the Console that is its last argument."""
    screen = io.StringIO()
    show(*arguments, Console(rich.console.Console(file=screen, width=150)))
    return screen.getvalue()
