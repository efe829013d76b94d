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
    codes_of,
    fields_of,
    load_ticket,
    method_facts,
    method_of,
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
from tf_tickets.support.own_code import is_own
from tf_tickets.support.startup import default_threads
from tf_tickets.training.learning_tasks import BY_TARGETS, TASKS
from tf_tickets.training.losses import LOSSES, loss_row
from tf_tickets.training.metrics import METRICS
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
    looks = config.ticket is None or config.row.solver is not None
    if looks and choice_of(values).sees_data:
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
        "method_row": method_facts(method_of(values)),
        **codes_of(values),
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
    if given.get("task") == BY_TARGETS:  # which the recipe knows, where the data are there
        del given["task"]
    changed = dataclasses.replace(recipe, **given)
    _check_recipe(changed, given)
    # A default that is written out names no other run.
    task = TASKS[changed.task]
    as_usual: dict[str, Any] = {}
    for field, names in (("loss", task.losses), ("metric", task.metrics)):
        if getattr(changed, field) == names[0]:
            as_usual[field] = None
    return dataclasses.replace(changed, **as_usual)


def unused_fields(recipe: Recipe) -> dict[str, str]:
    """Fields that mean nothing to the recipe's optimizer and schedule -> the flag that would need them."""
    unused = {}
    for flag, table in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES)):
        name = getattr(recipe, flag)
        if name not in table and not is_own(name):  # of another version: what it uses is not known
            continue
        used = table[name].uses if name in table else ()  # one's own is handed the rate alone
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
    task = TASKS[recipe.task]
    for field, table, fitting in (("loss", LOSSES, task.losses), ("metric", METRICS, task.metrics)):
        name = getattr(recipe, field)
        if name in table and name not in fitting:
            users = [task for task, row in TASKS.items() if name in (*row.losses, *row.metrics)]
            raise ValueError(
                f"--{field}={name} is only for {' or '.join(users)}. What is learned here is {recipe.task}: "
                f"choose one of {', '.join(fitting)}, or one of your own."
            )
    if recipe.label_smoothing and not loss_row(recipe.loss_name).smooths:
        takers = " or ".join(name for name, row in LOSSES.items() if row.smooths)
        raise ValueError(
            f"--label_smoothing={recipe.label_smoothing:g} is only for --loss={takers}: say "
            "--label_smoothing=0."
        )


def _scoring_data(values: flags.FlagValues, dataset: Dataset, recipe: Recipe) -> dict[str, Any]:
    """How the examples to score on are picked. Defaults are the papers' for 10, 100 and 200 classes."""
    many = (dataset.num_classes or 0) > 100
    chosen = {
        "samples_per_class": _samples_per_class(values, dataset, 1 if many else 10),
        "scoring_batches": _or(values.scoring_batches, 10 if many else 1),
        "augment_scoring": _or(values.augment_scoring, recipe.augment),
    }
    if chosen["augment_scoring"] and not dataset.preprocessing.augments:
        raise ValueError(f"--augment_scoring: dataset {dataset.name} has no augmentation.")
    return chosen


def _samples_per_class(values: flags.FlagValues, dataset: Dataset, default: int) -> int | None:
    asked = values.samples_per_class
    if dataset.num_classes is None:
        if asked is not None:
            raise ValueError(
                f"--samples_per_class={asked}: {dataset.name} has no classes; what is scored on is one batch "
                "of training, or --scoring_batches of them."
            )
        return None
    chosen = _or(asked, default)
    fewest = int(np.bincount(dataset.splits["train"].labels, minlength=dataset.num_classes).min())
    if fewest < chosen:
        raise ValueError(
            f"--samples_per_class={chosen}: a class of {dataset.name} has only {fewest} examples to train on."
        )
    return chosen


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value
