"""Names of runs."""

from __future__ import annotations

import os

from tf_tickets.config.config import Config, digest
from tf_tickets.data.sources import named_dataset
from tf_tickets.methods.own_methods import known_row
from tf_tickets.support.own_code import short_name


def run_name(config: Config) -> str:
    """Name of the run's directory: what a person looks for, and a hash of everything."""
    dataset = _plain(os.path.basename(named_dataset(config.dataset).rstrip("/")))
    model = _plain(short_name(config.recipe.model))
    method = config.method if config.method_row is None else _plain(short_name(config.method))
    check = "" if config.sanity_check is None else f"-{_check_name(config)}"
    row = known_row(config.method, config.method_row)
    asked = f"-{config.sparsity:g}" if row is None or row.aims or not row.prunes else ""
    return f"{dataset}-{model}-{method}{asked}{check}-seed{config.seed}-{digest(config.identity)}"


def _check_name(config: Config) -> str:
    name = config.sanity_check or ""
    return name if config.check_code is None else _plain(short_name(name))


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name)
