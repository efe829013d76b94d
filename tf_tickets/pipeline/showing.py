"""What a run tells the person at the screen: its plan, its tickets, and its result."""

import os
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from tf_tickets import pruning
from tf_tickets.config import Config, changed_code
from tf_tickets.config.config import DEPLOYMENT
from tf_tickets.deployments.deployed import Deployment
from tf_tickets.layers import MaskedWeight
from tf_tickets.pipeline import own_callbacks
from tf_tickets.pipeline.job import Job
from tf_tickets.pipeline.pace import Pace, seconds_left
from tf_tickets.pruning.pattern_names import in_groups
from tf_tickets.pruning.sparsity import total_to_keep
from tf_tickets.support.console import Console, bar
from tf_tickets.support.memory import in_words
from tf_tickets.support.own_code import short_name
from tf_tickets.support.unseen_gpus import unseen_gpus
from tf_tickets.support.words import duration, plural
from tf_tickets.training.learning_tasks import TASKS
from tf_tickets.training.recipe import Recipe


def show_plan(
    job: Job,
    weights: Sequence[MaskedWeight],
    listeners: Sequence[keras.callbacks.Callback],
    forecast: str | None = None,
) -> None:
    """Shows what is about to be done to the prunable weights.

    Args:
        job: that is prepared.
        weights: the prunable ones.
        listeners: callbacks of the user's own.
        forecast: how long it takes, and how much memory; None where that is not known.
    """
    config, recipe, dataset = job.config, job.recipe, job.dataset
    count, total = len(weights), sum(entry.size for entry in weights)
    keep = total_to_keep(total, config.sparsity)
    sizes = ", ".join(f"{len(examples):,} {split}" for split, examples in dataset.splits.items())
    steps = dataset.steps_per_epoch("train", recipe.batch_size)
    epochs = config.retraining_epochs
    parts = []
    if config.pretrains:
        done = job.dense.noted("train") is not None
        parts.append("dense training: done before" if done else f"{plural(recipe.epochs, 'epoch')} dense")
    if epochs:
        times = f"{config.trained_rounds} rounds of " if config.trained_rounds > 1 else ""
        parts.append(f"{times}{plural(len(epochs), 'epoch')} sparse")
    job.show.facts(
        "plan",
        {
            "method": f"{config.method}: {config.row.about}",
            **(
                {"sanity check": f"{config.sanity_check}: {config.check.about}"}
                if config.sanity_check
                else {}
            ),
            "sparsity": f"{config.sparsity:.6g}: keep {keep:,} of {total:,} weights in {count} layers, "
            f"{_ratios_shown(config)}"
            if config.row.aims or not config.row.prunes
            else f"what the search finds among {keep:,} of {total:,} weights in {count} layers",
            **({"source mask": _source_shown(job)} if job.source else {}),
            "data": f"{dataset.name}: {sizes}, {plural(dataset.outputs, *dataset.task.nouns)}",
            **_learned(recipe),
            **({"taken for": "; ".join(dataset.notes)} if dataset.notes else {}),
            "model": f"{recipe.model}, width {recipe.width:g}",
            "training": f"{' + '.join(parts)}, {steps} steps each, batch {recipe.batch_size}, "
            f"{recipe.optimizer}, lr {recipe.learning_rate:g}, {recipe.schedule}, seed {config.seed}",
            **({"callbacks": _callbacks_shown(config, listeners)} if listeners else {}),
            "machine": f"{plural(config.replicas, 'replica')}, {plural(config.threads, 'thread')}"
            f"{f', {config.mixed_precision} mixed precision' if config.mixed_precision else ''}"
            f"{', XLA' if config.jit_compile else ''}{unused_gpus()}",
            **({"time": forecast} if forecast else {}),
            **_code_shown(config),
            "run": job.directory.where,
            **({"dense": _dense_shown(job)} if config.pretrains else {}),
        },
    )
    job.show.line("")


def _dense_shown(job: Job) -> str:
    """Where the dense training is, and that of the ticket which gives the counts, where it is another."""
    places = [job.dense.where, *([job.donor.dense.where] if job.donor is not None else [])]
    return " and ".join(dict.fromkeys(places))


def _code_shown(config: Config) -> dict[str, str]:
    """What to say of code of the user's that has changed since a run beside this one."""
    changed = changed_code(config.run_dir, config.identity)
    if changed is None:
        return {}
    flags, before = changed
    return {"code": f"that of {', '.join(flags)} has changed since {before}: this is another run"}


def _callbacks_shown(config: Config, listeners: Sequence[keras.callbacks.Callback]) -> str:
    names = ", ".join(config.callbacks)
    if own_callbacks.can_go_on(listeners):
        return names
    return f"{names}; without on_resume(history), a training that is interrupted begins anew"


def _learned(recipe: Recipe) -> dict[str, str]:
    """What is learned, where that are not classes by their cross-entropy, judged by accuracy."""
    if not {"task", "loss", "metric"} & recipe.identity.keys():
        return {}
    task = TASKS[recipe.task]
    losses = f"{short_name(recipe.loss_name)}, judged by {short_name(recipe.metric_name)}"
    return {"learns": f"{recipe.task} ({task.about}), {losses}"}


def forecast_shown(job: Job, pace: Pace) -> str:
    """How long what is left of a run takes by a pace, and how much memory."""
    memory = "" if pace.memory is None else f", {in_words(pace.memory)} of memory or a little more"
    return f"about {duration(seconds_left(job, pace))}, by a few steps taken just now{memory}"


def unused_gpus() -> str:
    """What to say, after the machine, of GPUs in it that TensorFlow does not see; else nothing."""
    unseen = unseen_gpus(len(tf.config.list_physical_devices("GPU")))
    return f"; {unseen}" if unseen else ""


def _source_shown(job: Job) -> str:
    config, source = job.config, job.source
    assert source is not None
    ratios = config.source_ratios if isinstance(config.source_ratios, str) else "given"
    free = ", left by what grows" if config.free_growth else ""
    return f"density {source.kept / source.total:.6g}: {source.kept:,} weights, {ratios} ratios{free}"


def _ratios_shown(config: Config) -> str:
    if config.ticket is not None:
        return f"those of {config.ticket}"
    return f"{config.ratios if isinstance(config.ratios, str) else 'given'} ratios"


def show_ticket(show: Console, ticket: pruning.Ticket) -> None:
    """Shows the size of a ticket that is about to be trained, and what there is to say of it."""
    show.line(f"ticket: keeps {_size(ticket)}")
    for note in ticket.notes:
        show.line(f"  note: {note}")
    _warn_of_collapse(show, ticket)


def show_search_result(show: Console, ticket: pruning.Ticket) -> None:
    """Shows the size of the ticket that a search has come to."""
    show.line(f"found: keeps {_size(ticket)}")
    _warn_of_collapse(show, ticket)


def _size(ticket: pruning.Ticket) -> str:
    return f"{ticket.kept:,} of {ticket.total:,} weights{_effective(ticket)}"


def _warn_of_collapse(show: Console, ticket: pruning.Ticket) -> None:
    if ticket.collapsed:
        show.warn(ticket.collapsed)


def show_result(job: Job, ticket: pruning.Ticket, result: dict[str, Any]) -> None:
    """Shows the layers of the ticket and the numbers of result.json."""
    show, directory = job.show, job.directory
    show.table(
        "what is kept of each layer",
        ("layer", "kept", "of", "ratio", ""),
        [
            (x.name, f"{x.kept:,}", f"{x.total:,}", f"{x.keep_ratio:.2%}", bar(x.keep_ratio))
            for x in ticket.layers
        ],
    )
    scale = job.scale
    own = scale.name_on_test
    facts = {f"test {scale.words}": f"{scale.plain(result[own])} (final epoch)"}
    if f"pretraining_{own}" in result:
        facts["pretrained network"] = f"{scale.plain(result[f'pretraining_{own}'])}, {job.config.check.about}"
    if f"source_{own}" in result:
        facts["source network"] = scale.plain(result[f"source_{own}"])
    if f"dense_{own}" in result and job.config.row.prunes:
        facts["dense network"] = scale.plain(result[f"dense_{own}"])
    row = job.config.row
    of = f" of {row.pattern} groups" if in_groups(row.pattern) else ""
    asked = f"{result['sparsity']:.4%}{of} asked" if row.aims or not row.prunes else "none asked"
    facts["sparsity"] = (
        f"{result['achieved_sparsity']:.4%} reached, {asked}: "
        f"{result['kept']:,} of {result['total']:,} weights"
    )
    effective = result["effective_sparsity"]
    if effective is not None and effective > result["achieved_sparsity"]:
        facts["sparsity"] += f"; effective {effective:.4%}"
    if result["macs"]:
        facts["multiply-adds"] = (
            f"{result['macs_kept'] / result['macs']:.2%} kept: {result['macs_kept']:,} of {result['macs']:,}"
        )
    size = f"{result['compressed_bytes'] / 1024:,.0f} KiB"
    if "dense_compressed_bytes" in result:
        size += f", dense {result['dense_compressed_bytes'] / 1024:,.0f} KiB"
    if result.get("training_cost") is not None:  # which runs of before do not know
        facts["training cost"] = f"that of {result['training_cost']:.4g} epochs of the dense network"
    facts["size, compressed"] = size
    facts["time"] = ", ".join(f"{name} {value:.1f} s" for name, value in result["seconds"].items())
    for wanted in job.config.exports:
        words = ", ".join(("export", wanted.format, *wanted.options.values()))
        facts[words] = os.path.join(directory.where, wanted.file)
        measured = (directory.noted(f"export_{wanted.name}") or {}).get(own)
        if measured is not None:
            facts[words] += f", test {scale.words} {scale.plain(measured)}"
    if result.get(DEPLOYMENT):
        table = Deployment.from_dict(result[DEPLOYMENT])
        show.table(table.title, *table.cells())
        for line in table.lines():
            show.line(f"  {line}")
    facts["all of it"] = directory.where
    show.facts("result", facts)


def _effective(ticket: pruning.Ticket) -> str:
    """How many of the kept weights are on a path, where not all are; empty otherwise."""
    if ticket.on_path is None or sum(ticket.on_path) == ticket.kept:
        return ""
    return f", {sum(ticket.on_path):,} of them on a path from input to output"
