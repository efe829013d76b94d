"""The command that makes a run again: the flags that differ from their defaults."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from tf_tickets.config import OPTIONS, RECIPE_OPTIONS, Config, unused_fields
from tf_tickets.data.sources import find
from tf_tickets.pruning.choices import RANKED
from tf_tickets.results import Run
from tf_tickets.results.arms import own_options
from tf_tickets.support.options import DERIVED, DRAWING, SOURCE, written

# Options that have a line of their own in `flags`.
APART = ("method", "sparsity", "seed", "dataset", "samples_per_class", "scoring_batches", "threads")


def command(run: Run) -> str:
    """The command line that makes the run again, in a directory of its own.

    The flags give the run's config, to the hash, where the dataset, the files that it names (a ticket, a
    score) and the number of GPUs are the same.

    Example:
        >>> command(run)
        'python -m tf_tickets.run --method=snip --sparsity=0.98 --seed=3 --dataset=digits ...'
    """
    words = [f"--{name}={written(value)}" for name, value in flags(run)]
    return shlex.join(["python", "-m", "tf_tickets.run", *words])


def flags(run: Run) -> Iterator[tuple[str, Any]]:
    """Name and value of each flag of the command."""
    config = run.typed
    method = run.row
    yield "method", config.method
    if config.ticket is None and (method is None or method.aims):
        yield "sparsity", config.sparsity
    yield "seed", config.seed
    yield "dataset", config.dataset
    own = {row.field: row.default for row in OPTIONS if row.default is not DERIVED}
    own |= own_options(config)
    for row in OPTIONS:
        value = getattr(config, row.field)
        drawn_before = config.ticket is not None and row.decides in (DRAWING, SOURCE)
        if not row.name or not row.repeated or row.field in APART or drawn_before:
            continue
        if value != own.get(row.field):
            yield row.name, RANKED if row.field == "classifier_keep" and value is None else value
    yield from _scoring(run, config)
    yield from _recipe(config)
    if config.replicas > 1:
        yield "strategy", "mirrored"
    elif (run.result.get("hardware") or {}).get("gpus", 0) not in (0, 1):
        yield "strategy", "none"
    yield "threads", config.threads


def _scoring(run: Run, config: Config) -> Iterator[tuple[str, Any]]:
    """How examples are picked to score on; its defaults depend on the number of classes."""
    if config.samples_per_class is None:
        if config.scoring_batches not in (None, 1):  # of data without classes
            yield "scoring_batches", config.scoring_batches
        return
    layers = run.result.get("layers")
    shape = layers[-1].get("shape") if layers else None
    few_classes = isinstance(shape, list) and bool(shape) and isinstance(shape[-1], int) and shape[-1] <= 100
    if (config.samples_per_class, config.scoring_batches) != (10, 1) or not few_classes:
        yield "samples_per_class", config.samples_per_class
        yield "scoring_batches", config.scoring_batches


def _recipe(config: Config) -> Iterator[tuple[str, Any]]:
    """What differs from the dataset's recipe; all of it where that is chosen by the data."""
    try:
        usual = find(config.dataset)[0].recipe
    except ValueError:
        usual = None
    recipe, unused = config.recipe, unused_fields(config.recipe)
    for name in (row.field for row in RECIPE_OPTIONS):
        value = getattr(recipe, name)
        default = None if usual is None else getattr(usual, name)
        if name == "width" and (usual is None or recipe.model != usual.model):
            default = 1.0  # of a model that a flag names
        if value != default and name not in unused:
            yield name, value
