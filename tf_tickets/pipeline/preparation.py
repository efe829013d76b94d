"""What comes before work: the model, the directories, the plan, and all that can be refused by then."""

import atexit
import contextlib
import dataclasses
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf

from tf_tickets import layers, models, pruning, training
from tf_tickets.config import Config, donor_of, identity_in
from tf_tickets.data import Dataset
from tf_tickets.exporting.replacement import check_place
from tf_tickets.methods.searches import SearchPlan
from tf_tickets.models.sizes import activations
from tf_tickets.pipeline import own_callbacks, search
from tf_tickets.pipeline.environment import versions
from tf_tickets.pipeline.job import Job
from tf_tickets.pipeline.pace import is_worth_measuring, measure_pace
from tf_tickets.pipeline.showing import forecast_shown, show_plan
from tf_tickets.pipeline.tickets import draw_source, quota_of
from tf_tickets.storage.directories import DONOR
from tf_tickets.storage.remote_directories import dense_directory, run_directory
from tf_tickets.support.console import Console
from tf_tickets.support.memory import check_memory, in_words
from tf_tickets.support.random_streams import stream_seed
from tf_tickets.training.learning_check import check_learning

# Of the weights that a run writes: dense and final ones, those of an epoch, and checkpoints with slots.
WRITTEN_COPIES = 8


def prepare(
    config: Config,
    dataset: Dataset,
    strategy: tf.distribute.Strategy,
    show: Console,
    take_over: bool = False,
    forecast: bool = False,
) -> Job:
    """Builds the model, claims the directories, shows the plan. Errors come before work.

    Args:
        config, dataset, strategy, show, take_over, forecast: as for `pipeline.run`.
    """
    team = training.Team(strategy)
    team.agree("what to run, and by which versions", {**config.identity, "versions": versions()})
    if not team.chief:
        config, show = _scratch_config(config), Console.silent()
    directory = run_directory(config.run_dir, identity_in(config.run_dir, config.identity), take_over)
    dense = dense_directory(
        config.dense_dir, identity_in(config.dense_dir, config.dense_identity), directory, take_over
    )
    directory.check()
    dense.check()
    for wanted in config.exports:  # what is there and no export stays
        check_place(directory.path / wanted.file, wanted.format, overwrite=True)
    _check_batches(config, dataset)
    recipe = config.recipe
    check_learning(recipe, dataset.splits["test"].labels, dataset.outputs)
    with strategy.scope(), _precision(config.mixed_precision):
        model = build_model(config, dataset)
        source = draw_source(config, model)
        plan = search.make_plan(config, dataset, source)
        search.convert(model, config, plan)
        optimizer = training.make_optimizer(recipe)
    _check_sizes(config, dataset, model, directory.path)
    search.make_callbacks(config, plan)  # whose errors come before work, too
    listeners = own_callbacks.make(config)
    for epoch in (0, recipe.epochs - 1):
        recipe.learning_rate_at(epoch)
    weights = layers.prunable_weights(model)
    _check_masks(config, model, weights, plan, source)
    job = Job(
        config=config,
        dataset=dataset,
        strategy=strategy,
        show=show,
        trainer=_trainer(config, dataset, model, optimizer, strategy),
        init_weights=[np.asarray(weight) for weight in layers.stock_weights(model)],
        directory=directory,
        dense=dense,
        source=source,
        search_plan=plan,
    )
    job.donor = _donor(job, take_over)
    for each in (job, job.donor):
        if each is not None:
            _check_pruning_data(each)
    directory.claim()
    measures = forecast and team.size == 1 and not job.is_finished and is_worth_measuring(config, dataset)
    pace = measure_pace(job.trainer, dataset, recipe) if measures else None
    show_plan(job, weights, listeners, None if pace is None else forecast_shown(job, pace))
    return job


def _donor(job: Job, take_over: bool) -> Job | None:
    """The job that finds the ticket which says how many weights each layer keeps, where there is one."""
    config = donor_of(job.config)
    if config is None:
        return None
    place = job.directory.path / DONOR
    directory = job.directory.donor(identity_in(place, config.identity))
    dense = dense_directory(
        config.dense_dir, identity_in(config.dense_dir, config.dense_identity), directory, take_over
    )
    directory.check()
    dense.check()
    return dataclasses.replace(job, config=config, directory=directory, dense=dense)


def make_trainer(config: Config, dataset: Dataset, strategy: tf.distribute.Strategy) -> training.Trainer:
    """A trainer like a run's, of a network of its own."""
    with strategy.scope(), _precision(config.mixed_precision):
        model = build_model(config, dataset)
        return _trainer(config, dataset, model, training.make_optimizer(config.recipe), strategy)


def _trainer(
    config: Config,
    dataset: Dataset,
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    strategy: tf.distribute.Strategy,
) -> training.Trainer:
    recipe = config.recipe
    return training.Trainer(
        model,
        optimizer,
        strategy,
        jit_compile=config.jit_compile,
        label_smoothing=recipe.label_smoothing,
        loss=recipe.loss_name,
        metric=recipe.metric_name,
        outputs=dataset.outputs,
    )


def build_model(config: Config, dataset: Dataset) -> keras.Model:
    """The model of a run, as it is drawn at the initialisation: stock layers, no masks."""
    return models.build(
        config.recipe.model,
        dataset.input_shape,
        dataset.outputs,
        width=config.recipe.width,
        seed=stream_seed(config.seed, "init"),
    )


def _scratch_config(config: Config) -> Config:
    """The config of a process that is not the chief: it works in scratch folders, and exports nothing."""
    folder = tempfile.mkdtemp(prefix="tf_tickets_")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return dataclasses.replace(
        config, run_dir=os.path.join(folder, "run"), dense_dir=os.path.join(folder, "dense"), export=()
    )


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


def _check_sizes(config: Config, dataset: Dataset, model: keras.Model, place: pathlib.Path) -> None:
    """Raises ValueError if there is not enough memory for a step of training, or disk for the run."""
    batch = min(config.recipe.batch_size, len(dataset.splits["train"]))
    # Forwards and backwards. Those of a GPU are in a memory of its own.
    if not tf.config.list_physical_devices("GPU"):
        check_memory(
            f"--batch_size={config.recipe.batch_size} of {config.recipe.model}",
            2 * 4.0 * batch * activations(model),
            "Choose a smaller one, or a smaller --width or --image_size.",
        )
    needed = WRITTEN_COPIES * 4 * model.count_params()
    while not place.exists():
        place = place.parent
    disk = shutil.disk_usage(place)
    if needed > disk.free and disk.total:
        raise ValueError(
            f"The disk of {place} has {in_words(disk.free)} left, and a run of {config.recipe.model} writes "
            f"about {in_words(needed)}. Make room, or choose another --run_dir."
        )


def _check_batches(config: Config, dataset: Dataset) -> None:
    """Raises ValueError if the dataset cannot be augmented, or its last batch not be divided."""
    recipe = config.recipe
    if recipe.augment and not dataset.preprocessing.augments:
        raise ValueError(f"--augment: dataset {dataset.name} has no augmentation.")
    smallest = len(dataset.splits["train"]) % recipe.batch_size or recipe.batch_size
    if smallest < config.replicas:
        raise ValueError(
            f"The last batch of an epoch has {smallest} examples for {config.replicas} replicas. "
            f"Choose another --batch_size than {recipe.batch_size}."
        )


def _check_masks(
    config: Config,
    model: keras.Model,
    weights: Sequence[layers.MaskedWeight],
    plan: SearchPlan,
    source: pruning.Ticket | None,
) -> None:
    """Raises ValueError if the model cannot carry the masks: those of a search, of a file or of a budget."""
    if not weights:
        raise ValueError(f"--model={config.recipe.model}: {layers.nothing_to_prune(model)}")
    search.check_room(config, plan, sum(entry.size for entry in weights))
    if config.ticket is not None:
        pruning.Ticket.load(config.ticket).check(model)
    elif config.row.draws or not config.row.prunes:
        if config.solves_masks:
            pruning.check_solved(quota_of(config))
        pruning.plan_budgets(
            model,
            config.row.score,
            quota_of(config),
            trains_between=config.trained_rounds > 1,
            within=None if source is None else source.masks,
        )


def _check_pruning_data(job: Job) -> None:
    """Raises ValueError if a sanity check leaves too little data to score on."""
    config = job.config
    if config.check.data is None:
        return
    try:
        labels = job.pruning_data.splits["train"].labels
    except ValueError as error:
        raise ValueError(
            f"--sanity_check={config.sanity_check} with --batch_size={job.recipe.batch_size}: {error}"
        ) from None
    if job.dataset.num_classes is None:
        return
    fewest = int(np.bincount(labels, minlength=job.dataset.num_classes).min())
    if fewest < (config.samples_per_class or 0):
        raise ValueError(
            f"--samples_per_class={config.samples_per_class}: under --sanity_check={config.sanity_check} a "
            f"class has only {fewest} examples to score on."
        )
