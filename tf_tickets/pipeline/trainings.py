"""The trainings of a run: the dense one, which runs share, and those of its tickets."""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tf_tickets import callbacks, layers, pruning, training
from tf_tickets.pipeline import own_callbacks, search, weights
from tf_tickets.pipeline.calibration import solution_for
from tf_tickets.pipeline.epoch_log import EpochLog
from tf_tickets.pipeline.guards import exclusive, explain_lack_of_memory
from tf_tickets.pipeline.job import Job, TrainingData
from tf_tickets.pipeline.measures import Measure, measure_of_density, measure_of_split, sha256
from tf_tickets.pipeline.progress import Progress
from tf_tickets.pipeline.showing import show_search_result
from tf_tickets.pruning.pattern_names import removes_outputs
from tf_tickets.storage.directories import DenseDirectory, Directory, TicketDirectory
from tf_tickets.support.compression import compressed_bytes
from tf_tickets.support.object_hash import at_work
from tf_tickets.support.random_streams import stream_seed
from tf_tickets.support.words import plural


def pretrain(job: Job, stages: Sequence[str] = ("ticket", "retrain")) -> None:
    """Trains the dense network, once for all runs that share it; keeps the epoch that is rewound to.

    Args:
        job: whose dense network it is.
        stages: of the job that begin with it; where they are finished, it is not needed.
    """
    config, dense, show = job.config, job.dense, job.show
    needed = any(job.directory.finished(stage) is None for stage in stages)
    if not (config.pretrains and needed):
        return
    with exclusive(job, dense.claim(), wait=True):
        rewind = config.rewind_epoch
        if dense.finished("train") is None:
            show.line("dense training")
            layers.restore_weights(job.model, job.init_weights)
            kept = {rewind: dense.epoch_weights(rewind)} if rewind is not None else {}
            _train(job, dense, "train", _dense_plan(job, job.recipe.epochs, kept))
        else:
            show.line(f"dense training: done before, in {dense.where}")
            _checkpoints(job, dense).clear()
        if rewind is not None and not dense.holds_epoch(rewind):
            show.line(f"dense training, again up to epoch {rewind}, to rewind to")
            _train_up_to(job, rewind)


def retrain(job: Job, ticket: pruning.Ticket) -> pruning.Ticket:
    """Puts the weights where the method starts from, masks them, and trains by its part of the schedule.

    Returns the ticket that is there in the end: where masks move while training, it is another one.
    """
    train_ticket(job, ticket, job.directory, job.config.trained_rounds - 1)
    if job.config.row.search is None:
        return ticket
    ticket = pruning.Ticket.load(job.directory.checked(job.directory.ticket))
    job.team.agree("the ticket that was found", ticket.sha256)
    show_search_result(job.show, ticket)
    return ticket


def train_ticket(job: Job, ticket: pruning.Ticket, directory: TicketDirectory, number: int) -> None:
    """Trains the ticket of one round, if it is not done; the last round is the run's own.

    Args:
        job: whose ticket it is.
        ticket: which masks hold while it trains.
        directory: of the round.
        number: of the round, from 0.
    """
    config = job.config
    last = directory is job.directory
    label = "retraining" if last else f"round {number + 1} of {config.trained_rounds}"
    if directory.finished("retrain") is not None:
        job.show.line(f"{label}: done before")
        _checkpoints(job, directory).clear()
        return
    weights.restore_point(job, config.row.start_from, number)
    solution = solution_for(job, ticket)
    ticket.apply(job.model)
    if solution is not None:
        solution.apply(job.model)
    if last and config.check.weights is not None:
        config.check.weights(job.model, config.seed)
    if config.retraining_epochs:
        job.show.line(label)
        if removes_outputs(ticket.origin.get("pattern")):
            silenced = pruning.silence_removed_outputs(job.model)
            job.show.line(f"  {plural(silenced, 'constant')} of removed outputs set to zero")
    plan = TrainingPlan(
        title="retrain",
        data=job.retraining_data if last else job.pretraining_data,
        epochs=config.retraining_epochs,
        rate=config.retraining_rate,
        callbacks=search.make_callbacks(config, job.search_plan) if last else (),
        moves=last and config.row.search is not None,
    )
    _train(job, directory, "retrain", plan)


def _train_up_to(job: Job, epoch: int) -> None:
    """Trains the dense network again up to an epoch, and adds its weights to the dense training."""
    dense, stage = job.dense, f"epoch_{epoch:04d}"
    path = dense.epoch_weights(epoch)
    dense.begin(stage, [path])
    layers.restore_weights(job.model, job.init_weights)
    checkpoints = _checkpoints(job, dense, stage="rewind", epochs=epoch)
    done = len(_fit(job, _dense_plan(job, epoch), checkpoints, dense))
    if done < epoch:
        raise ValueError(
            f"--rewind_epoch={epoch}: a --callback stopped the dense training after {plural(done, 'epoch')}."
        )
    dense.check_in_place()
    weights.save(job.model, path)
    dense.finish(stage, {"seconds": checkpoints.seconds}, [path])
    checkpoints.clear()


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """How the weights that the model holds are trained.

    Attributes:
        title: for people.
        data: that it sees.
        epochs: of the recipe.
        rate: epoch -> learning rate.
        kept: epoch -> file for the weights at its beginning.
        callbacks: that move masks.
        moves: whether masks move, by callbacks or by layers.
    """

    title: str
    data: TrainingData
    epochs: range
    rate: Callable[[int], float]
    kept: Mapping[int, pathlib.Path] = dataclasses.field(default_factory=dict)
    callbacks: Sequence[keras.callbacks.Callback] = ()
    moves: bool = False


def _dense_plan(job: Job, epochs: int, kept: Mapping[int, pathlib.Path] | None = None) -> TrainingPlan:
    return TrainingPlan(
        title="dense",
        data=job.pretraining_data,
        epochs=range(epochs),
        rate=job.recipe.learning_rate_at,
        kept=kept or {},
    )


def _train(job: Job, directory: Directory, stage: str, plan: TrainingPlan) -> None:
    """Trains, writes the weights folded, and notes the stage as finished.

    Where masks move, the ticket that was found is written too.
    """
    masks = sha256(np.asarray(entry.mask) for entry in layers.masked_weights(job.model))
    epochs = [plan.epochs.start, plan.epochs.stop]
    checkpoints = _checkpoints(job, directory, stage=stage, epochs=epochs, masks=masks)
    logs = [EpochLog(directory), weights.KeepWeights(directory, plan.kept)]
    measures = {"": measure_of_density(job.model)} if plan.moves else {}
    outputs = [directory.final_weights, *([job.directory.ticket] if plan.moves else [])]
    others = [directory.metrics]
    directory.begin(stage, [*outputs, *others])
    history = _fit(job, plan, checkpoints, directory, logs, measures)
    directory.check_in_place()
    if plan.moves:
        origin = {**job.origin, "search": job.config.all_search_options}
        ticket = pruning.ticket_of(job.model, origin)
        ticket.save(job.directory.ticket, overwrite=True)
    with layers.folded(job.model):
        weights.save(job.model, directory.final_weights)
        values = job.model.get_weights()
    job.team.agree("the trained weights", sha256(values))
    directory.finish(
        stage,
        {
            "seconds": checkpoints.seconds,
            "compressed_bytes": compressed_bytes(values),
            "history": history,
            **job.scale.record,
        },
        outputs,
        [*others, *(directory.kept_epochs if isinstance(directory, DenseDirectory) else ())],
    )
    checkpoints.clear()


def _checkpoints(job: Job, directory: Directory, **owner: Any) -> training.Checkpoints:
    owner = {"of": directory.identity, **owner}
    return training.Checkpoints(
        directory.checkpoints,
        owner,
        minutes=job.config.checkpoint_minutes,
        warn=job.show.warn,
        before_saving=directory.check_in_place,
    )


def _fit(
    job: Job,
    plan: TrainingPlan,
    checkpoints: training.Checkpoints,
    directory: Directory,
    logs: Sequence[keras.callbacks.Callback] = (),
    measures: Mapping[str, Measure] | None = None,
) -> list[dict[str, float]]:
    """Trains the model, and returns a row for each epoch.

    Args:
        job: whose model it is.
        plan: of the training.
        checkpoints: of the training.
        directory: of the training.
        logs: callbacks that write.
        measures: prefix -> what is measured after every epoch, beside the metric on each split.
    """
    if not plan.epochs:
        return []
    recipe, dataset = job.recipe, plan.data.dataset
    own = own_callbacks.make(job.config)
    goes_on = own_callbacks.can_go_on(own)
    if not goes_on:
        checkpoints.clear()
    steps = dataset.steps_per_epoch("train", recipe.batch_size)
    progress = Progress(job.show, plan.title, plan.epochs, steps, job.scale.metric)
    splits = [split for split in ("validation", "test") if split in dataset.splits]
    measures = {
        **(measures or {}),
        **{f"{split}_": measure_of_split(job, dataset, split) for split in splits},
    }
    try:
        with explain_lack_of_memory(f"--batch_size={recipe.batch_size}"), at_work(own):
            return job.trainer.fit(
                lambda epochs, first_step: dataset.batches(
                    "train",
                    recipe.batch_size,
                    epochs=epochs,
                    first_step=first_step,
                    shuffle=plan.data.shuffle,
                    augment=recipe.augment,
                    seed=stream_seed(job.config.seed, "data"),
                ),
                plan.epochs,
                steps,
                callbacks=[
                    # Which also gives the optimizer, that all trainings of the job share, a fresh state.
                    callbacks.LearningRateRewinding(plan.epochs[0], to=plan.epochs[0], schedule=plan.rate),
                    own_callbacks.NameOfTraining(plan.title, str(directory.where)),
                    *plan.callbacks,
                    *logs,
                    *own,
                    progress,
                ],
                evaluate=lambda: {
                    f"{prefix}{name}": value
                    for prefix, measure in measures.items()
                    for name, value in measure().items()
                },
                checkpoints=checkpoints if goes_on else None,
            )
    finally:
        progress.close()
