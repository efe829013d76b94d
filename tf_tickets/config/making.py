"""From flags to the Config of a run: the flags where they are given, the dataset's recipe elsewhere."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from absl import flags

from tf_tickets.config.config import Config, digest
from tf_tickets.config.derived import (
    choice_of,
    classifier_keep_of,
    code_of,
    fields_of,
    load_ticket,
    method_of,
    model_code_of,
    new_search_options,
    rewind_epoch_of,
    source_of,
)
from tf_tickets.config.flags import RECIPE_OPTIONS
from tf_tickets.config.names import run_name
from tf_tickets.config.run_options import DEFAULT_SPARSITY
from tf_tickets.config.sameness import find_same
from tf_tickets.data import Dataset
from tf_tickets.storage import urls
from tf_tickets.storage.urls import is_url
from tf_tickets.storage.views import View
from tf_tickets.support.startup import default_threads
from tf_tickets.training.optimizers import OPTIMIZERS
from tf_tickets.training.recipe import SCHEDULES, Recipe


def make_config(
    values: flags.FlagValues,
    dataset: Dataset,
    replicas: int,
    runs_dir: str = "runs",
    view: View | None = None,
) -> Config:
    """The Config of a run: the flags where they are given, the dataset's recipe elsewhere.

    Args:
        values: parsed flags, which `check_flags` has passed.
        dataset: the dataset that they name.
        replicas: of the strategy.
        runs_dir: folder of the run's directory, where `--run_dir` does not say it. One in it that belongs to
            the run already, whatever it is called, is the run's.
        view: of that folder; it is looked at anew where there is none.
    """
    config = plan_config(values, dataset.recipe, replicas)
    if config.ticket is None and choice_of(values).sees_data:
        config = dataclasses.replace(config, **_scoring_data(values, dataset, config.recipe))
    config = dataclasses.replace(config, data_fingerprint=dataset.fingerprint, run_dir="", dense_dir="")
    config = _placed(config, values, runs_dir, functools.partial(find_same, view=view))
    if values.take_over and not (is_url(config.run_dir) or is_url(config.dense_dir)):
        raise ValueError(
            f"--take_over is for directories at URLs. Where --run_dir is a path, as {config.run_dir} is, a "
            "process that is dead holds nothing."
        )
    return config


def plan_config(values: flags.FlagValues, recipe: Recipe, replicas: int = 1) -> Config:
    """The Config as far as it is known without the data: no fingerprint, no examples to score on.

    Its directories are no real ones, but differ where those of runs would.

    Args:
        values: parsed flags, which `check_flags` has passed.
        recipe: the dataset's.
        replicas: of the strategy.
    """
    ticket = None if values.ticket is None else load_ticket(values.ticket)
    chosen = choice_of(values)
    recipe = _changed(recipe, values)
    sparsity = values.sparsity
    if sparsity is None:
        # Of a search without a target it is only known what the source leaves out.
        density = 1.0 if values.source_density is None else values.source_density
        sparsity = DEFAULT_SPARSITY if chosen.row.aims else 1 - density
    fields = {
        **fields_of(values),
        "method": method_of(values),
        "sparsity": sparsity if ticket is None else ticket.sparsity,
        "ratios": chosen.ratios if ticket is None else chosen.row.ratios,
        "classifier_keep": None if ticket else classifier_keep_of(values, chosen),
        "rewind_epoch": rewind_epoch_of(values, chosen, recipe.epochs),
        "data_fingerprint": "",
        "recipe": recipe,
        "replicas": replicas,
        "threads": values.threads or default_threads(),
        "model_code": model_code_of(recipe.model),
        "score_code": code_of(values.score),
        "ratios_code": code_of(values.ratios),
        "source_code": code_of(values.source_ratios),
        "ticket_sha256": None if ticket is None else ticket.sha256,
        "search_options": new_search_options(values, chosen),
        **source_of(values),
        "run_dir": "",
        "dense_dir": "",
    }
    # Found when the data are there.
    for field in ("samples_per_class", "scoring_batches", "augment_scoring"):
        fields[field] = None
    return _placed(Config(**fields), values, "planned")


def _placed(
    config: Config,
    values: flags.FlagValues,
    runs_dir: str,
    find: Callable[[str, str, Mapping[str, Any]], str] = lambda folder, name, identity: name,
) -> Config:
    """The config with its directories; `find`: (folder, name, identity) -> the name that it has there."""
    said = fields_of(values)
    run_dir = said["run_dir"] or urls.join(runs_dir, find(runs_dir, run_name(config), config.identity))
    dense_dir = said["dense_dir"]
    if not dense_dir:
        folder = urls.join(urls.parent(run_dir), "dense")
        dense_dir = urls.join(folder, find(folder, digest(config.dense_identity), config.dense_identity))
    if urls.same(run_dir, dense_dir):
        raise ValueError(f"--run_dir and --dense_dir are two directories. Received both: {run_dir}")
    return dataclasses.replace(config, run_dir=run_dir, dense_dir=dense_dir)


def _changed(recipe: Recipe, values: flags.FlagValues) -> Recipe:
    """The recipe with the fields that flags give."""
    given = {
        row.field: row.kind.parse(row.name, values[row.name].value)
        for row in RECIPE_OPTIONS
        if values[row.name].value is not None
    }
    if "model" in given:
        given.setdefault("width", 1.0)  # the recipe's width belongs to the recipe's model
    changed = dataclasses.replace(recipe, **given)
    _check_recipe(changed, given)
    return changed


def unused_fields(recipe: Recipe) -> dict[str, str]:
    """Fields that mean nothing to the recipe's optimizer and schedule -> the flag that would need them."""
    unused = {}
    for flag, table in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES)):
        if getattr(recipe, flag) not in table:  # of another version: what it uses is not known
            continue
        used = table[getattr(recipe, flag)].uses
        for field in dict.fromkeys(field for row in table.values() for field in row.uses):
            if field not in used:
                users = (name for name, row in table.items() if field in row.uses)
                unused[field] = f"--{flag}={' or '.join(users)}"
    return unused


def _check_recipe(recipe: Recipe, given: Mapping[str, Any]) -> None:
    """Refuses flags that would change nothing but the name of the run."""
    for name, needs in unused_fields(recipe).items():
        if name in given:
            raise ValueError(f"--{name}={given[name]} is only for {needs}.")
    beyond = [epoch for epoch in recipe.milestones if epoch >= max(recipe.cycle_epochs, 1)]
    if "milestones" in given and beyond:
        cycle = " of a cycle" if recipe.cycles > 1 else ""
        raise ValueError(
            f"--milestones: {beyond[0]:g} lies beyond the {recipe.cycle_epochs} epochs{cycle}. (Fractions "
            "are below 1.)"
        )


def _scoring_data(values: flags.FlagValues, dataset: Dataset, recipe: Recipe) -> dict[str, Any]:
    """How the examples to score on are picked. Defaults are the papers' for 10, 100 and 200 classes."""
    many = dataset.num_classes > 100
    chosen = {
        "samples_per_class": _or(values.samples_per_class, 1 if many else 10),
        "scoring_batches": _or(values.scoring_batches, 10 if many else 1),
        "augment_scoring": _or(values.augment_scoring, recipe.augment),
    }
    fewest = int(np.bincount(dataset.splits["train"].labels, minlength=dataset.num_classes).min())
    if fewest < chosen["samples_per_class"]:
        raise ValueError(
            f"--samples_per_class={chosen['samples_per_class']}: a class of {dataset.name} has only {fewest} "
            "examples to train on."
        )
    if chosen["augment_scoring"] and not dataset.preprocessing.augments:
        raise ValueError(f"--augment_scoring: dataset {dataset.name} has no augmentation.")
    return chosen


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value
