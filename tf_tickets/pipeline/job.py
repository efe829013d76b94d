"""What the stages of a run share: `Job`.

The modules of this room, each of which uses those below its own line:

    the front: the story
    preparation (the job, and what is refused before work)
    outputs (result, exports)
    evaluation
    tickets
    trainings
    calibration
    pace, weights, search, measures, guards, showing
    job, environment, progress, epoch_log
"""

import dataclasses
import functools
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tf_tickets import pruning, training
from tf_tickets.config import Config
from tf_tickets.data import Dataset, Examples
from tf_tickets.methods.searches import SearchPlan
from tf_tickets.storage.directories import DenseDirectory, RunDirectory
from tf_tickets.support.console import Console
from tf_tickets.support.scale import Scale
from tf_tickets.training.metrics import scale_of
from tf_tickets.training.recipe import Recipe


@dataclasses.dataclass(frozen=True)
class TrainingData:
    """The dataset that a training sees, and whether every epoch has an order of its own."""

    dataset: Dataset
    shuffle: bool


@dataclasses.dataclass
class Job:
    """A run that is prepared: what it is asked for, and what it works with.

    Attributes:
        config, dataset, strategy: what to run, on what, where.
        show: what the person sees.
        trainer: of the model, which all trainings of the run go through.
        init_weights: the model's, as it was initialised.
        directory, dense: of the run, and of the dense training.
        source: the masks that all others stay inside; None: all weights.
        search_plan: what a method whose masks move is told.
        donor: the same, under the check by which another ticket is found that says how many weights each
            layer keeps; None where the counts are the ticket's own.
    """

    config: Config
    dataset: Dataset
    strategy: tf.distribute.Strategy
    show: Console
    trainer: training.Trainer
    init_weights: list[np.ndarray]
    directory: RunDirectory
    dense: DenseDirectory
    source: pruning.Ticket | None
    search_plan: SearchPlan
    donor: "Job | None" = None

    @property
    def model(self) -> keras.Model:
        """The network, in place from its initialisation to its export."""
        return self.trainer.model

    @property
    def team(self) -> training.Team:
        """The processes that train together."""
        return self.trainer.team

    @property
    def recipe(self) -> Recipe:
        """How the network is trained."""
        return self.config.recipe

    @property
    def scale(self) -> Scale:
        """How the numbers of its metric read."""
        return scale_of(self.recipe.metric_name)

    @property
    def is_finished(self) -> bool:
        """Whether all of the run is there, its result and the exports that are asked for among it."""
        stages = ("ticket", "retrain", "evaluate")
        done = all(self.directory.finished(stage) is not None for stage in stages)
        waits = self.directory.waits_for(self.config.last_stages)
        return done and not waits and self.directory.result.exists()

    @property
    def origin(self) -> dict[str, Any]:
        """Where the tickets of the run are from."""
        return {"method": self.config.method, "run": self.config.identity}

    @functools.cached_property
    def pruning_data(self) -> Dataset:
        """What everything before the ticket sees: the dataset, or what the sanity check makes of it."""
        corrupt = self.config.check.data
        if corrupt is None:
            return self.dataset
        return corrupt(self.dataset, self.config.seed, self.recipe.batch_size)

    @property
    def pretraining_data(self) -> TrainingData:
        """What the dense network and the rounds before the last are trained on."""
        if not self.config.row.retrains:
            return TrainingData(self.dataset, shuffle=True)
        if self.config.check.in_order:
            return TrainingData(self.pruning_data, shuffle=False)
        return TrainingData(_as_many(self.pruning_data, len(self.dataset.splits["train"])), shuffle=True)

    @property
    def retraining_data(self) -> TrainingData:
        """What the ticket is trained on: clean data, whatever the sanity check."""
        return TrainingData(self.dataset, shuffle=True)


def _as_many(dataset: Dataset, count: int) -> Dataset:
    """The dataset with its training examples repeated, in turn, until there are so many."""
    train = dataset.splits["train"]
    if len(train) == count:
        return dataset
    rows = np.resize(np.arange(len(train)), count)
    return dataset.replace("train", Examples(train.images[rows], train.labels[rows]))
