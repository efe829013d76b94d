"""How fast a run goes on this machine: a few steps of it are taken before it, and put back."""

import dataclasses
import statistics
import time
from collections.abc import Callable, Sequence

from tf_tickets.config import Config
from tf_tickets.config.config import DEPLOYMENT
from tf_tickets.data import Dataset
from tf_tickets.deployments.ways import WAYS
from tf_tickets.exporting import FORMATS
from tf_tickets.pipeline.job import Job
from tf_tickets.pipeline.measures import test_batch_size
from tf_tickets.support.memory import used_bytes
from tf_tickets.support.startup import seconds_to_load
from tf_tickets.training import Trainer
from tf_tickets.training.recipe import Recipe
from tf_tickets.training.state import State

# Steps are measured for about so long, or until there were so many.
SECONDS, MOST_STEPS = 0.25, 31
# A run of fewer steps is over before it would be worth while to trace its network for a measurement alone.
FEWEST_STEPS = 300
# Where somebody else has loaded TensorFlow into this process.
USUAL_SECONDS_TO_LOAD = 5.0
# An export traces the network for training, for inference and for its signatures, and a process of its own
# loads it again.
TRACES_OF_AN_EXPORT = 1.0


@dataclasses.dataclass(frozen=True)
class Pace:
    """What parts of a training take, in seconds.

    Attributes:
        trace: making the functions that train and test, once for each form of the network (dense, masked).
        epoch: the steps of an epoch.
        test: measuring the accuracy at its end.
        memory: the most that the process has held, in bytes; None where the machine does not say it.
    """

    trace: float
    epoch: float
    test: float
    memory: float | None


def measure_pace(trainer: Trainer, dataset: Dataset, recipe: Recipe) -> Pace:
    """Trains and tests for a moment; the trainer and its model are left as they were, to the bit.

    Args:
        trainer: of a model that is made.
        dataset: that it is trained on.
        recipe: how.
    """
    state = State(trainer.team, trainer.model, trainer.optimizer, trainer.steps.metrics)
    before = state.read()
    train = dataset.batches(
        "train", recipe.batch_size, epochs=range(MOST_STEPS + 1), shuffle=True, augment=recipe.augment
    )
    size = test_batch_size(recipe)
    splits = [split for split in ("validation", "test") if split in dataset.splits]
    test = dataset.batches(splits[-1], size, epochs=range(MOST_STEPS + 1))
    try:
        trace, step = _measure(trainer, trainer.steps.train, iter(train))
        trace_of_test, step_of_test = _measure(trainer, trainer.steps.test, iter(test))
    finally:
        state.write(before)
    return Pace(
        trace=trace + trace_of_test,
        epoch=step * dataset.steps_per_epoch("train", recipe.batch_size),
        test=step_of_test * sum(dataset.steps_per_epoch(split, size) for split in splits),
        memory=used_bytes(),
    )


def mean_pace(paces: Sequence[Pace]) -> Pace:
    """Of several settings, for another one."""
    return Pace(
        trace=statistics.fmean(pace.trace for pace in paces),
        epoch=statistics.fmean(pace.epoch for pace in paces),
        test=statistics.fmean(pace.test for pace in paces),
        memory=max((pace.memory for pace in paces if pace.memory is not None), default=None),
    )


def is_worth_measuring(config: Config, dataset: Dataset) -> bool:
    """Whether a run is long enough: of a dense training the measurement makes what is needed anyway."""
    steps = dataset.steps_per_epoch("train", config.recipe.batch_size)
    return config.pretrains or config.budget * steps >= FEWEST_STEPS


def seconds_of(config: Config, pace: Pace) -> dict[str, float]:
    """What the stages of a run take by a pace: those that `result.json` tells the seconds of.

    Args:
        config: of the run.
        pace: of its setting.
    """

    def training(epochs: int) -> float:
        return pace.trace + epochs * (pace.epoch + pace.test) if epochs else 0.0

    found = {"dense": training(config.recipe.epochs)} if config.pretrains else {}
    rounds = config.trained_rounds
    found["ticket"] = rounds * pace.trace / 2
    # The functions of the masked network are made once for all rounds.
    found["retrain"] = training(rounds * len(config.retraining_epochs))
    found["evaluate"] = pace.trace / 2 + pace.test
    for wanted in config.exports:
        loads = load_seconds() if FORMATS[wanted.format].verify is not None else 0.0
        found[f"export_{wanted.name}"] = TRACES_OF_AN_EXPORT * pace.trace + loads
    if config.deployment:
        found[DEPLOYMENT] = len(WAYS) * (TRACES_OF_AN_EXPORT * pace.trace + load_seconds())
    return found


def seconds_left(job: Job, pace: Pace) -> float:
    """What is left of a run by a pace, without the stages that are there already."""
    done = {stage for stage in job.directory.seconds if job.directory.noted(stage) is not None}
    if job.dense.noted("train") is not None:
        done.add("dense")
    left = {stage: value for stage, value in seconds_of(job.config, pace).items() if stage not in done}
    donor = job.donor
    if donor is not None and "ticket" in left:
        others = seconds_of(donor.config, pace)
        if donor.dense.path != job.dense.path and donor.dense.noted("train") is None:
            left["donor's dense"] = others.get("dense", 0.0)
        left["donor's ticket"] = others["ticket"]
    # The dense training goes on with the functions that the measurement has made.
    return sum(left.values()) - (pace.trace if "dense" in left else 0.0)


def load_seconds() -> float:
    """What a process takes to load TensorFlow."""
    return seconds_to_load() or USUAL_SECONDS_TO_LOAD


def _measure(trainer: Trainer, steps: Callable, batches: object) -> tuple[float, float]:
    """(seconds until a function is traced, seconds of a step)."""

    def take(count: int) -> float:
        began = time.perf_counter()
        steps(batches, count)
        trainer.steps.read_metrics()  # which waits for the device
        return time.perf_counter() - began

    first, spent, done, count = take(1), 0.0, 0, 1
    while spent < SECONDS and done + count < MOST_STEPS:
        spent += take(count)
        done, count = done + count, 2 * count
    step = spent / done
    return max(first - step, 0.0), step
