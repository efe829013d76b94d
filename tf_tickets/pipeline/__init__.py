"""The story: data, model, [pretrain], scores, keep-ratios, masks, [sanity check], rewind, retrain, evaluate,
export, report.

Every stage returns at once where its output exists already, so that running again goes on where it stopped.
"""

import atexit
import contextlib
import dataclasses
import functools
import hashlib
import os
import pathlib
import platform
import shutil
import tempfile
import time
import traceback
import types
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_tickets import callbacks, layers, models, pruning, training
from tf_tickets.config.config import Config
from tf_tickets.data import Dataset, Examples
from tf_tickets.data.recipe import Recipe
from tf_tickets.exporting import FORMATS
from tf_tickets.exporting import export as export_model
from tf_tickets.methods.searches import SearchPlan
from tf_tickets.methods.table import INIT, REWOUND
from tf_tickets.pipeline import showing
from tf_tickets.pipeline.epoch_log import EpochLog
from tf_tickets.pipeline.progress import Progress
from tf_tickets.pruning.batches import first_of_each_class
from tf_tickets.pruning.ratios import total_to_keep
from tf_tickets.storage.atomic_files import read_json, replacing, write_json
from tf_tickets.storage.directories import DenseDirectory, Directory, RunDirectory, TicketDirectory
from tf_tickets.storage.remote_directories import dense_directory, run_directory
from tf_tickets.support.console import Console
from tf_tickets.support.random_streams import stream_seed


def run(
    config: Config,
    dataset: Dataset,
    strategy: tf.distribute.Strategy,
    show: Console,
    wait: bool = False,
    take_over: bool = False,
) -> dict[str, Any]:
    """Makes one ticket from data to export, and returns what result.json holds.

    Where several processes train together, all of them call this; the chief alone reads and writes the run's
    directories and shows anything.

    Args:
        config, dataset, strategy: what to run, on what, where.
        show: what the person sees.
        wait: for another process at work in the run's directory; otherwise that is an error.
        take_over: a directory at a URL, from a process that is dead.
    """
    with _together(strategy):
        job = prepare(config, dataset, strategy, show, take_over)
        with _alone(job, job.directory, wait):
            pretrain(job)
            ticket = retrain(job, find_ticket(job))
            numbers = evaluate(job, ticket)
            export(job)
            result = report(job, ticket, numbers)
            job.team.agree("the final weights", result["weights_sha256"])
            return result


@dataclasses.dataclass(frozen=True)
class Curriculum:
    """The examples that a training sees, and whether every epoch has an order of its own."""

    dataset: Dataset
    shuffle: bool


@dataclasses.dataclass
class Job:
    """What the stages share."""

    config: Config
    dataset: Dataset
    strategy: tf.distribute.Strategy
    show: Console
    trainer: training.Trainer
    init_weights: list[np.ndarray]
    directory: RunDirectory
    dense: DenseDirectory
    source: pruning.Ticket | None

    @property
    def model(self) -> keras.Model:
        return self.trainer.model

    @property
    def team(self) -> training.Team:
        return self.trainer.team

    @property
    def recipe(self) -> Recipe:
        return self.config.recipe

    @functools.cached_property
    def pruning_data(self) -> Dataset:
        """What everything before the ticket sees: the dataset, or what the sanity check makes of it."""
        corrupt = self.config.check.data
        if corrupt is None:
            return self.dataset
        return corrupt(self.dataset, self.config.seed, self.recipe.batch_size)

    @property
    def pretraining(self) -> Curriculum:
        """How the dense network and the rounds before the last are trained."""
        if self.config.check.in_order:
            return Curriculum(self.pruning_data, shuffle=False)
        return Curriculum(_as_many(self.pruning_data, len(self.dataset.splits["train"])), shuffle=True)

    @property
    def retraining(self) -> Curriculum:
        """How the ticket is trained: on clean data, whatever the sanity check."""
        return Curriculum(self.dataset, shuffle=True)


def prepare(
    config: Config,
    dataset: Dataset,
    strategy: tf.distribute.Strategy,
    show: Console,
    take_over: bool = False,
) -> Job:
    """Builds the model, claims the directories, shows the plan. Errors come before work."""
    team = training.Team(strategy)
    team.agree("what to run, and by which versions", {**config.identity, "versions": _versions()})
    if not team.chief:
        config, show = _assisting(config), Console.silent()
    directory = run_directory(config.run_dir, config.identity, take_over)
    dense = dense_directory(config.dense_dir, config.dense_identity, directory, take_over)
    directory.check()
    dense.check()
    recipe = config.recipe
    if recipe.augment and not dataset.preprocessing.augments:
        raise ValueError(f"--augment: dataset {dataset.name} has no augmentation.")
    smallest = len(dataset.splits["train"]) % recipe.batch_size or recipe.batch_size
    if smallest < config.replicas:
        raise ValueError(
            f"The last batch of an epoch has {smallest} examples for {config.replicas} replicas. "
            f"Choose another --batch_size than {recipe.batch_size}."
        )
    with strategy.scope(), _precision(config.mixed_precision):
        model = models.build(
            recipe.model,
            dataset.input_shape,
            dataset.num_classes,
            width=recipe.width,
            seed=stream_seed(config.seed, "init"),
        )
        source = _source(config, model)
        plan = _search_plan(config, dataset, source)
        if config.row.search is not None and config.row.search.convert is not None:
            with _search_options_named():
                config.row.search.convert(model, plan, **config.all_search_options)
        optimizer = training.make_optimizer(
            recipe.optimizer, recipe.learning_rate, **_hyperparameters(recipe)
        )
    _search_callbacks(config, plan)
    weights = layers.prunable_weights(model)
    if not weights:
        raise ValueError(f"--model={recipe.model} has nothing to prune.")
    total = sum(entry.size for entry in weights)
    _check_room_to_grow(config, plan, total)
    if config.ticket is not None:
        pruning.Ticket.load(config.ticket).check(model)
    elif config.row.draws or not config.row.prunes:
        pruning.plan_budgets(
            model,
            config.row.score,
            _quota(config),
            trains_between=config.trained_rounds > 1,
            within=None if source is None else source.masks,
        )
    job = Job(
        config=config,
        dataset=dataset,
        strategy=strategy,
        show=show,
        trainer=training.Trainer(
            model,
            optimizer,
            strategy,
            jit_compile=config.jit_compile,
            label_smoothing=recipe.label_smoothing,
        ),
        init_weights=[np.asarray(weight) for weight in layers.stock_weights(model)],
        directory=directory,
        dense=dense,
        source=source,
    )
    _check_pruning_data(job)
    directory.claim()
    showing.show_plan(job, len(weights), total)
    return job


def _source(config: Config, model: keras.Model) -> pruning.Ticket | None:
    """Draws the source mask, which the model carries from now on; None where there is none.

    Raises:
        ValueError: it disconnects the network.
    """
    if config.source_density is None:
        return None
    quota = pruning.Quota(
        ratios=config.source_ratios,
        sparsity=1 - config.source_density,
        sampling=config.source_sampling,
        preserve_flow=config.source_preserve_flow,
    )
    source = pruning.draw_ticket(model, "random", quota, seed=stream_seed(config.seed, "mask"))
    if source.collapsed:
        raise ValueError(
            f"--source_density={config.source_density} with --source_ratios={config.source_ratios} "
            f"disconnects the network: {source.collapsed}. Choose a larger density, other ratios, or "
            "--source_preserve_flow."
        )
    source.apply(model)
    return source


def _search_plan(config: Config, dataset: Dataset, source: pruning.Ticket | None) -> SearchPlan:
    recipe = config.recipe
    return SearchPlan(
        sparsity=config.sparsity,
        ratios=config.ratios,
        source=None if config.free_growth else source,
        steps=len(config.retraining_epochs) * dataset.steps_per_epoch("train", recipe.batch_size),
        decays="weight_decay" in training.OPTIMIZERS[recipe.optimizer].uses and recipe.weight_decay > 0,
        seed=stream_seed(config.seed, "mask"),
    )


def _search_callbacks(config: Config, plan: SearchPlan) -> list[keras.callbacks.Callback]:
    """The callbacks of a training whose masks move."""
    search = config.row.search
    if search is None:
        return []
    with _search_options_named():
        return search.callbacks(plan, **config.all_search_options)


@contextlib.contextmanager
def _search_options_named() -> Iterator[None]:
    """For the duration, errors name the flag of the search's options."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise ValueError(f"--search_options: {error}") from error


def _check_room_to_grow(config: Config, plan: SearchPlan, total: int) -> None:
    search, source = config.row.search, plan.source
    if search is None or not (search.drawn and search.grows) or source is None:
        return
    if total_to_keep(total, config.sparsity) >= source.kept:
        raise ValueError(
            f"--method={config.method} has nowhere to grow: --sparsity={config.sparsity} keeps all of the "
            f"source of --source_density={config.source_density}. Raise one of them, or pass --free_growth."
        )


def _check_pruning_data(job: Job) -> None:
    """What a sanity check leaves too little data for is an error before work starts."""
    config = job.config
    if config.check.data is None:
        return
    try:
        labels = job.pruning_data.splits["train"].labels
    except ValueError as error:
        raise ValueError(
            f"--sanity_check={config.sanity_check} with --batch_size={job.recipe.batch_size}: {error}"
        ) from None
    fewest = int(np.bincount(labels, minlength=job.dataset.num_classes).min())
    if fewest < (config.samples_per_class or 0):
        raise ValueError(
            f"--samples_per_class={config.samples_per_class}: under --sanity_check={config.sanity_check} a "
            f"class has only {fewest} examples to score on."
        )


def pretrain_only(
    config: Config,
    dataset: Dataset,
    strategy: tf.distribute.Strategy,
    show: Console,
    wait: bool = False,
    take_over: bool = False,
) -> None:
    """The dense training that a run shares with others, and no more of the run; arguments as for `run`."""
    with _together(strategy):
        job = prepare(config, dataset, strategy, show, take_over)
        with _alone(job, job.directory, wait):
            pretrain(job)


def _assisting(config: Config) -> Config:
    """The config of a process that is not the chief: it works in folders of its own, and exports nothing."""
    folder = tempfile.mkdtemp(prefix="tf_tickets_")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return dataclasses.replace(
        config, run_dir=os.path.join(folder, "run"), dense_dir=os.path.join(folder, "dense"), export=()
    )


@contextlib.contextmanager
def _alone(job: Job, directory: Directory, wait: bool) -> Iterator[None]:
    """For the duration, no other process works in the directory; all of the team have what the chief has."""
    waiting = f"waiting for another process, at work in {directory.where}"
    with directory.locked((lambda holder: job.show.line(f"{waiting} ({holder})")) if wait else None):
        if job.team.size > 1:
            packed = job.team.share(directory.pack() if job.team.chief else b"")
            if not job.team.chief:
                directory.unpack(packed)
        yield


@contextlib.contextmanager
def _together(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """For the duration, the loss of another process is told as what it is."""
    try:
        yield
    except (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError) as error:
        if training.Team(strategy).size == 1:
            raise
        reason = str(error).partition("\n")[0]
        raise ConnectionError(
            "Another worker of the cluster is gone, or has ended with an error of its own. Start the same "
            f"command on all machines: it goes on from the last checkpoint. ({reason})"
        ) from error


@contextlib.contextmanager
def _precision(policy: str | None) -> Iterator[None]:
    """For the duration, layers are made to compute in a mixed precision."""
    before = keras.config.dtype_policy()
    if policy is not None:
        keras.config.set_dtype_policy(f"mixed_{policy}")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def pretrain(job: Job) -> None:
    """Trains the dense network, once for all runs that share it; keeps the epoch that is rewound to."""
    config, dense, show = job.config, job.dense, job.show
    needed = any(job.directory.finished(stage) is None for stage in ("ticket", "retrain"))
    if not (config.pretrains and needed):
        return
    with _alone(job, dense.claim(), wait=True):
        rewind = config.rewind_epoch
        if dense.finished("train") is None:
            show.line("dense training")
            layers.restore_weights(job.model, job.init_weights)
            kept = {rewind: dense.epoch_weights(rewind)} if rewind is not None else {}
            epochs = range(job.recipe.epochs)
            _train(job, dense, "train", job.pretraining, epochs, job.recipe.learning_rate_at, kept)
        else:
            show.line(f"dense training: done before, in {dense.where}")
            _checkpoints(job, dense).clear()
        if rewind is not None and not dense.epoch_weights(rewind).exists():
            show.line(f"dense training, again up to epoch {rewind}, to rewind to")
            layers.restore_weights(job.model, job.init_weights)
            checkpoints = _checkpoints(job, dense, stage="rewind", epochs=rewind)
            _fit(job, "dense", job.pretraining, range(rewind), job.recipe.learning_rate_at, [], checkpoints)
            _save_weights(job.model, dense.epoch_weights(rewind))
            checkpoints.clear()


def find_ticket(job: Job) -> pruning.Ticket:
    """Scores the weights, decides how many to keep where, keeps the best; in rounds, trains between them."""
    config, directory = job.config, job.directory
    if config.ticket is not None:
        path = config.ticket
        return _found(job, directory, lambda: _checked(job, _given(job, path)))
    before = job.source
    last = config.trained_rounds - 1
    facts: dict[str, Any] = {}
    for number in range(last if directory.finished("ticket") is None else 0):
        earlier = directory.round(number).claim()
        before = _found(job, earlier, functools.partial(_draw, job, number, before))
        _retrain(job, before, earlier, number)
        facts["rounds_seconds"] = facts.get("rounds_seconds", 0.0) + _seconds(earlier)
    place = directory.ticket if config.row.search is None else directory.start_ticket
    return _found(job, directory, lambda: _checked(job, _draw(job, last, before)), facts, place)


def retrain(job: Job, ticket: pruning.Ticket) -> pruning.Ticket:
    """Puts the weights where the method starts from, masks them, and trains by its part of the schedule.

    Returns the ticket that is there in the end: where masks move while training, it is another one.
    """
    _retrain(job, ticket, job.directory, job.config.trained_rounds - 1)
    if job.config.row.search is None:
        return ticket
    found = pruning.Ticket.load(job.directory.ticket)
    job.team.agree("the ticket that was found", found.sha256)
    job.show.line(f"found: keeps {found.kept:,} of {found.total:,} weights{showing.effective(found)}")
    if found.collapsed:
        job.show.warn(found.collapsed)
    return found


def _found(
    job: Job,
    directory: TicketDirectory,
    find: Callable[[], pruning.Ticket],
    facts: Mapping[str, Any] = types.MappingProxyType({}),
    path: pathlib.Path | None = None,
) -> pruning.Ticket:
    """The ticket of a directory, which `find` finds where it is not there yet; `facts` are noted with it.

    It lies at `path`, by default that of the directory's ticket.
    """
    path = directory.ticket if path is None else path
    if directory.finished("ticket") is None:
        began = time.perf_counter()
        find().save(path, overwrite=True)
        ticket = pruning.Ticket.load(path)
        directory.finish(
            "ticket",
            {"seconds": time.perf_counter() - began, "sha256": ticket.sha256, **facts},
            [path],
        )
    ticket = pruning.Ticket.load(path)
    if ticket.sha256 != (directory.finished("ticket") or {})["sha256"]:
        raise ValueError(f"{path} is not the ticket that this run found. {directory.remedy}")
    job.team.agree("the ticket", ticket.sha256)
    job.show.line(f"ticket: keeps {ticket.kept:,} of {ticket.total:,} weights{showing.effective(ticket)}")
    for note in ticket.notes:
        job.show.line(f"  note: {note}")
    if ticket.collapsed:
        job.show.warn(ticket.collapsed)
    return ticket


def _given(job: Job, path: str) -> pruning.Ticket:
    """A ticket from a file; its paths are counted where it does not know them."""
    ticket = pruning.Ticket.load(path)
    if ticket.on_path is not None:
        return ticket
    return dataclasses.replace(ticket, on_path=pruning.path_counts(job.model, ticket.masks))


def _checked(job: Job, ticket: pruning.Ticket) -> pruning.Ticket:
    """The ticket, its masks attacked if that is the sanity check."""
    name, attack = job.config.sanity_check, job.config.check.masks
    origin = ticket.origin if name is None else {**ticket.origin, "sanity_check": name}
    if attack is None:
        return dataclasses.replace(ticket, origin=origin)
    within = None if job.source is None else job.source.masks
    masks = tuple(attack(ticket.masks, job.config.seed, within))
    return dataclasses.replace(
        ticket, masks=masks, origin=origin, on_path=pruning.path_counts(job.model, masks)
    )


def _draw(job: Job, number: int, before: pruning.Ticket | None) -> pruning.Ticket:
    config = job.config
    if config.row.prunes and not config.row.draws:
        return _whole(job)
    _go_to(job, config.row.scored_at, number)
    size = f"--samples_per_class={config.samples_per_class}"
    try:
        with _within_memory(size):
            ticket = pruning.draw_ticket(
                job.model,
                config.row.score,
                _quota(config),
                data=_scoring_batches(job),
                seed=config.seed,
                within=before,
                only_round=number if config.trained_rounds > 1 else None,
                source=job.source,
                inverted=config.check.inverts,
                **config.score_options,
            )
    except Exception as error:
        if config.score_code is None or isinstance(error, ValueError):
            raise
        # Code of the user's own can raise anything.
        where = traceback.extract_tb(error.__traceback__)[-1]
        raise RuntimeError(
            f"--score={config.score} failed: {type(error).__name__}: {error} "
            f"({where.filename}, line {where.lineno})"
        ) from error
    return dataclasses.replace(ticket, origin={**ticket.origin, **_origin(config)})


def _whole(job: Job) -> pruning.Ticket:
    """What a search starts from that prunes while it trains: the source, or all weights."""
    if job.source is not None:
        return dataclasses.replace(job.source, origin={**job.source.origin, **_origin(job.config)})
    entries = layers.prunable_weights(job.model)
    masks = tuple(np.ones(entry.shape, bool) for entry in entries)
    return pruning.Ticket(
        masks,
        tuple(entry.name for entry in entries),
        _origin(job.config),
        on_path=tuple(m.size for m in masks),
    )


def _origin(config: Config) -> dict[str, Any]:
    return {"method": config.method, "run": config.identity}


def _scoring_batches(job: Job) -> list | None:
    """Batches of so many examples of each class, from the training set in an order of their own."""
    config, dataset = job.config, job.pruning_data
    if config.scoring_batches is None:
        return None
    return [
        first_of_each_class(
            dataset.batches(
                "train",
                job.recipe.batch_size,
                epochs=[number],
                shuffle=True,
                augment=bool(config.augment_scoring),
                seed=stream_seed(config.seed, "score"),
            ),
            config.samples_per_class or 1,
            classes=range(dataset.num_classes),
        )
        for number in range(config.scoring_batches)
    ]


def _retrain(job: Job, ticket: pruning.Ticket, directory: TicketDirectory, number: int) -> None:
    config = job.config
    last = directory is job.directory
    label = "retraining" if last else f"round {number + 1} of {config.trained_rounds}"
    if directory.finished("retrain") is not None:
        job.show.line(f"{label}: done before")
        _checkpoints(job, directory).clear()
        return
    epochs, rate = config.retraining_epochs, config.retraining_rate
    _go_to(job, config.row.start_from, number)
    ticket.apply(job.model)
    if last and config.check.weights is not None:
        config.check.weights(job.model, config.seed)
    if epochs:
        job.show.line(label)
    searching = _search_callbacks(config, _search_plan(config, job.dataset, job.source)) if last else []
    curriculum = job.retraining if last else job.pretraining
    _train(job, directory, "retrain", curriculum, epochs, rate, {}, searching)


def evaluate(job: Job, ticket: pruning.Ticket) -> dict[str, Any]:
    """Counts and measures the final network, as it lies on disk, with stock layers and zeros baked in."""
    config, directory, model = job.config, job.directory, job.model
    done = directory.finished("evaluate")
    if done is not None and not directory.waits_for_export(config.export):
        return done["numbers"]
    began = time.perf_counter()
    layers.fold(model)
    _load_weights(model, directory.final_weights, directory)
    if done is not None:
        return done["numbers"]
    entries = layers.prunable_weights(model)
    kernels = [np.asarray(entry.weight) for entry in entries]
    for kernel, mask, name in zip(kernels, ticket.masks, ticket.names, strict=True):
        if np.count_nonzero(kernel[~mask]):
            raise RuntimeError(f"{name}: pruned weights are not zero in {directory.final_weights}")
    prunable = {id(entry.weight) for entry in entries}
    rest = [np.asarray(weight) for weight in model.weights if id(weight) not in prunable]
    uses = layers.macs_per_weight(model, entries)
    test = _measure(job, "test")
    dense = job.dense.finished("train") or {}
    history = (directory.finished("retrain") or {})["history"] or dense.get("history", [])
    numbers = {
        "test_accuracy": test["accuracy"],
        "best_test_accuracy": max([test["accuracy"], *(row["test_accuracy"] for row in history)]),
        "test_loss": test["loss"],
        "chance_accuracy": _largest_share(job.dataset.splits["test"].labels),
        "macs": _sum(uses, [kernel.size for kernel in kernels]),
        "macs_kept": _sum(uses, [int(mask.sum()) for mask in ticket.masks]),
        "nonzero": sum(int(np.count_nonzero(kernel)) for kernel in kernels),
        "compressed_bytes": _compressed_bytes([*kernels, *rest]),
        "weights_sha256": _sha256([*kernels, *rest]),
        "training_cost": _training_cost(job, ticket, uses),
    }
    if "validation" in job.dataset.splits:
        numbers["validation_accuracy"] = _measure(job, "validation")["accuracy"]
    if dense:
        numbers["dense_seconds"] = dense["seconds"]
        last = dense["history"][-1]["test_accuracy"]
        if config.pretrains_on_other_data:
            numbers["pretraining_test_accuracy"] = last
        elif config.source_density is not None:
            numbers["source_test_accuracy"] = last
        else:
            numbers["dense_test_accuracy"] = last
            numbers["dense_best_test_accuracy"] = max(row["test_accuracy"] for row in dense["history"])
            numbers["dense_compressed_bytes"] = dense["compressed_bytes"]
    directory.finish("evaluate", {"seconds": time.perf_counter() - began, "numbers": numbers})
    return numbers


def export(job: Job) -> None:
    """Writes the formats asked for; a SavedModel is run in a fresh process, and its outputs compared."""
    directory = job.directory
    for format in job.config.export:
        row = FORMATS[format]
        path = directory.path / row.file
        if directory.finished(f"export_{format}") is not None:
            continue
        began = time.perf_counter()
        export_model(job.model, path, format, overwrite=True)
        facts = row.verify(job.model, path, job.dataset.first("test", 64)) if row.verify is not None else {}
        directory.finish(f"export_{format}", {"seconds": time.perf_counter() - began, **facts}, [path])


def report(job: Job, ticket: pruning.Ticket, numbers: dict[str, Any]) -> dict[str, Any]:
    """Writes result.json and the closing table."""
    config, directory = job.config, job.directory
    stages = read_json(directory.stages)
    seconds = {stage: facts["seconds"] for stage, facts in stages.items()}
    numbers = dict(numbers)
    dense_seconds = numbers.pop("dense_seconds", None)
    if config.trained_rounds > 1:
        seconds = {"rounds": stages["ticket"]["rounds_seconds"], **seconds}
    if config.pretrains:
        seconds = {"dense": dense_seconds, **seconds}
    result = {
        "method": config.method,
        "sanity_check": config.sanity_check,
        "sparsity": config.sparsity,
        "achieved_sparsity": ticket.sparsity,
        "kept": ticket.kept,
        "total": ticket.total,
        "effective_sparsity": ticket.effective_sparsity,
        "collapsed": ticket.collapsed,
        "layers": _layers(ticket),
        "notes": list(ticket.notes),
        **numbers,
        "seconds": seconds,
        "seed": config.seed,
        "config": config.to_json(),
        "versions": _versions(),
        "hardware": _hardware(config),
    }
    write_json(directory.result, result)
    showing.show_result(job, ticket, result)
    return result


def _hyperparameters(recipe: Recipe) -> dict[str, Any]:
    fields = training.OPTIMIZERS[recipe.optimizer].uses
    return {field: getattr(recipe, field) for field in fields}


def _quota(config: Config) -> pruning.Quota:
    """What decides a ticket's counts: the plan checks the very quota that the ticket is drawn with."""
    return pruning.Quota(
        ratios=config.ratios,
        sparsity=config.sparsity,
        # The authors' arithmetic is about pruned networks; of the dense one nothing is rounded.
        rounding=config.rounding if config.row.prunes else "exact",
        family=config.family,
        classifier_keep=config.classifier_keep,
        redistribute=config.redistribute,
        min_keep=config.min_keep,
        sampling=config.sampling,
        preserve_flow=config.preserve_flow,
        rounds=config.rounds,
    )


def _go_to(job: Job, point: str, number: int) -> None:
    """Sets the weights to one of the points of training; masks, if there are any, stay.

    Args:
        job: what to train.
        point: INIT, REWOUND or TRAINED; trained is the end of the round before, the first time the dense
            training.
        number: of the round, from 0.
    """
    if point == INIT:
        layers.restore_weights(job.model, job.init_weights)
    elif point == REWOUND:
        _load_weights(job.model, job.dense.epoch_weights(job.config.rewind_epoch or 0), job.dense)
    else:
        directory = job.directory.round(number - 1) if number else job.dense
        _load_weights(job.model, directory.final_weights, directory)


def _load_weights(model: keras.Model, path: pathlib.Path, directory: Directory) -> None:
    try:
        layers.restore_weights(model, path)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{path} is damaged ({error}). {directory.remedy}") from error


def _train(
    job: Job,
    directory: Directory,
    stage: str,
    curriculum: Curriculum,
    epochs: range,
    rate: Callable[[int], float],
    keep: dict,
    searching: Sequence[keras.callbacks.Callback] = (),
) -> None:
    """Trains from the weights in the model, writes them folded, and notes the stage as finished.

    With callbacks that search, or layers that do, the ticket that they found is written too.
    """
    moves = directory is job.directory and stage == "retrain" and job.config.row.search is not None
    extra = [*searching, EpochLog(directory.metrics, directory.tensorboard), _KeepWeights(keep)]
    masks = _sha256([np.asarray(entry.mask) for entry in layers.masked_weights(job.model)])
    checkpoints = _checkpoints(job, directory, stage=stage, epochs=[epochs.start, epochs.stop], masks=masks)
    title = "dense" if directory is job.dense else "retrain"
    measures = {"": _densities_of(job.model)} if moves else {}
    history = _fit(job, title, curriculum, epochs, rate, extra, checkpoints, measures)
    outputs = [directory.final_weights]
    if moves:
        found = pruning.ticket_of(job.model, {**_origin(job.config), "search": job.config.all_search_options})
        found.save(job.directory.ticket, overwrite=True)
        outputs.append(job.directory.ticket)
    with layers.folded(job.model):
        _save_weights(job.model, directory.final_weights)
        weights = job.model.get_weights()
    job.team.agree("the trained weights", _sha256(weights))
    directory.finish(
        stage,
        {
            "seconds": checkpoints.seconds,
            "compressed_bytes": _compressed_bytes(weights),
            "history": history,
        },
        outputs,
    )
    checkpoints.clear()


def _checkpoints(job: Job, directory: Directory, **owner: Any) -> training.Checkpoints:
    whole = {"of": directory.identity, **owner}
    return training.Checkpoints(
        directory.checkpoints, whole, minutes=job.config.checkpoint_minutes, warn=job.show.warn
    )


def _fit(
    job: Job,
    stage: str,
    curriculum: Curriculum,
    epochs: range,
    rate,
    extra: Sequence,
    checkpoints: training.Checkpoints,
    measures: Mapping[str, Callable[[], dict[str, float]]] = types.MappingProxyType({}),
) -> list[dict[str, float]]:
    if not epochs:
        return []
    recipe, dataset, trainer = job.recipe, curriculum.dataset, job.trainer
    steps = dataset.steps_per_epoch("train", recipe.batch_size)
    progress = Progress(job.show, stage, epochs, steps)
    splits = [split for split in ("validation", "test") if split in dataset.splits]
    measures = {**measures, **{f"{split}_": _measure_of(job, dataset, split) for split in splits}}
    try:
        with _within_memory(f"--batch_size={recipe.batch_size}"):
            return trainer.fit(
                lambda epochs, first_step: dataset.batches(
                    "train",
                    recipe.batch_size,
                    epochs=epochs,
                    first_step=first_step,
                    shuffle=curriculum.shuffle,
                    augment=recipe.augment,
                    seed=stream_seed(job.config.seed, "data"),
                ),
                epochs,
                steps,
                callbacks=[
                    # Which also gives the optimizer, that all trainings of the job share, a fresh state.
                    callbacks.LearningRateRewinding(epochs[0], to=epochs[0], schedule=rate),
                    *extra,
                    progress,
                ],
                evaluate=lambda: {
                    f"{prefix}{name}": value
                    for prefix, measure in measures.items()
                    for name, value in measure().items()
                },
                checkpoints=checkpoints,
            )
    finally:
        progress.close()


def _measure(job: Job, split: str) -> dict[str, float]:
    return _measure_of(job, job.dataset, split)()


def _measure_of(job: Job, dataset: Dataset, split: str) -> Callable[[], dict[str, float]]:
    """A function that measures the model on a split, again and again, from one pipeline."""
    # What fits into memory with its gradients fits several times without.
    batch_size = min(500, 8 * job.recipe.batch_size)
    batches, steps = dataset.batches(split, batch_size), dataset.steps_per_epoch(split, batch_size)
    return lambda: job.trainer.evaluate(batches, steps)


def _densities_of(model: keras.Model) -> Callable[[], dict[str, float]]:
    """A function that tells how much of the weights, and of the multiply-adds, the masks keep by then."""
    entries = layers.masked_weights(model)
    uses = layers.macs_per_weight(model, entries)

    def measure() -> dict[str, float]:
        masks = [layers.kept(entry) for entry in entries]
        found = {"density": sum(int(mask.sum()) for mask in masks) / sum(mask.size for mask in masks)}
        share = _macs_share(uses, masks)
        return found if share is None else {**found, "macs_density": share}

    return measure


def _macs_share(uses: Sequence[int | None], masks: Sequence[np.ndarray]) -> float | None:
    """The part of the multiply-adds that masks keep; None where positions are not known."""
    kept = _sum(uses, [int(np.count_nonzero(mask)) for mask in masks])
    whole = _sum(uses, [mask.size for mask in masks])
    return None if kept is None or whole is None else kept / whole


@contextlib.contextmanager
def _within_memory(size: str) -> Iterator[None]:
    """For the duration, a lack of memory is told with what to lower: the flag and its value."""
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        reason = str(error).partition("\n")[0]
        raise RuntimeError(
            f"Out of memory at {size}. Lower that, or --width, or --image_size. ({reason})"
        ) from error


def _as_many(dataset: Dataset, count: int) -> Dataset:
    """The dataset with its training examples repeated, in turn, until there are so many."""
    train = dataset.splits["train"]
    if len(train) == count:
        return dataset
    rows = np.resize(np.arange(len(train)), count)
    return dataset.replace("train", Examples(train.images[rows], train.labels[rows]))


class _KeepWeights(keras.callbacks.Callback):
    """Saves the weights at the start of some epochs."""

    def __init__(self, paths: dict):
        super().__init__()
        self.paths = paths

    def on_epoch_begin(self, epoch, logs=None):
        # An epoch that is resumed in its midst begins twice; its beginning was kept by the first.
        if epoch in self.paths and not self.paths[epoch].exists():
            _save_weights(self.model, self.paths[epoch])


def _save_weights(model: keras.Model, path: pathlib.Path) -> None:
    with replacing(path) as new:
        layers.save_weights(model, new)


def _layers(ticket: pruning.Ticket) -> list[dict[str, Any]]:
    counts = ticket.on_path or (None,) * len(ticket.masks)
    return [
        {**dataclasses.asdict(layer), "shape": list(layer.shape), "on_path": count}
        for layer, count in zip(ticket.layers, counts, strict=True)
    ]


def _training_cost(job: Job, ticket: pruning.Ticket, uses: Sequence[int | None]) -> float | None:
    """Forward multiply-adds of all trainings behind the ticket, in epochs of the dense network.

    Of a training whose masks move, an epoch counts by the mean of what the masks keep at its beginning and at
    its end; where they change at the beginnings of epochs only, by what they keep at the end.
    """
    if any(use is None for use in uses):
        return None

    def share(masks: Sequence[np.ndarray]) -> float:
        return _macs_share(uses, masks) or 0.0

    config, directory = job.config, job.directory
    epochs = len(config.retraining_epochs)
    cost = 0.0
    if config.pretrains:
        cost += job.recipe.epochs * (1.0 if job.source is None else share(job.source.masks))
    for number in range(config.trained_rounds - 1):
        cost += epochs * share(pruning.Ticket.load(directory.round(number).ticket).masks)
    if config.row.search is not None:
        ends = [row["macs_density"] for row in (directory.finished("retrain") or {})["history"]]
        begins = [share(pruning.Ticket.load(directory.start_ticket).masks), *ends[:-1]]
        steady = config.row.search is not None and config.row.search.in_levels
        return cost + sum(ends if steady else ((a + b) / 2 for a, b in zip(begins, ends, strict=True)))
    return cost + epochs * share(ticket.masks)


def _seconds(directory: Directory) -> float:
    return sum(facts["seconds"] for facts in read_json(directory.stages).values())


def _sum(uses: Sequence[int | None], counts) -> int | None:
    """Multiply-adds of the counts; None where a layer's number of positions is not known."""
    if any(use is None for use in uses):
        return None
    return sum(use * count for use, count in zip(uses, counts, strict=True))


def _compressed_bytes(arrays: Sequence[np.ndarray]) -> int:
    return sum(len(zlib.compress(np.ascontiguousarray(array).tobytes(), 6)) for array in arrays)


def _largest_share(labels: np.ndarray) -> float:
    """The accuracy of always answering with the most frequent class."""
    return float(np.bincount(labels).max() / len(labels))


def _sha256(arrays: Sequence[np.ndarray]) -> str:
    hasher = hashlib.sha256()
    for array in arrays:
        hasher.update(np.ascontiguousarray(array).tobytes())
    return hasher.hexdigest()


def _versions() -> dict[str, str]:
    import importlib.metadata

    names = ("tf_tickets", "tensorflow", "keras", "numpy")
    return {
        "python": platform.python_version(),
        **{x: importlib.metadata.version(x) for x in names},
    }


def _hardware(config: Config) -> dict[str, Any]:
    return {
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "threads": config.threads,
        "gpus": len(tf.config.list_physical_devices("GPU")),
        "replicas": config.replicas,
    }
