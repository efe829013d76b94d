"""Rows that a user has added to a table in this process: `METHODS["mine"] = Method(...)`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from absl import flags

from tf_tickets.methods.table import METHODS
from tf_tickets.pruning.ratios import RATIOS
from tf_tickets.pruning.scores import SCORES
from tf_tickets.sanity.checks import CHECKS
from tf_tickets.training.losses import LOSSES
from tf_tickets.training.metrics import METRICS
from tf_tickets.training.optimizers import OPTIMIZERS
from tf_tickets.training.recipe import SCHEDULES

# Flag -> the table that its names are of.
TABLES: dict[str, Mapping[str, Any]] = {
    "method": METHODS,
    "score": SCORES,
    "ratios": RATIOS,
    "source_ratios": RATIOS,
    "sanity_check": CHECKS,
    "loss": LOSSES,
    "metric": METRICS,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
}
_OURS = {flag: frozenset(table) for flag, table in TABLES.items()}


def added_row(flag: str, name: Any) -> Any:
    """The row of a name that a user has added to the flag's table; None of all others."""
    if flag not in TABLES or not isinstance(name, str) or name in _OURS[flag]:
        return None
    return TABLES[flag].get(name)


def check_known_elsewhere(values: flags.FlagValues) -> None:
    """Raises ValueError for a row that only this process has, where others are to do the work."""
    for flag in TABLES:
        name = values[flag].value
        if added_row(flag, name) is not None:
            raise ValueError(
                f"--{flag}={name} was added to a table in this process, and those that do the work do not "
                f"have it: put the row into a file, and pass --{flag}=file.py:{name}."
            )
