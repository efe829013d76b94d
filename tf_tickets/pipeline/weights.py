"""The weights of a run: written whole, read back, and put where a stage starts from."""

import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import keras

from tf_tickets import layers
from tf_tickets.methods.table import INIT, REWOUND, TRAINED
from tf_tickets.pipeline.job import Job
from tf_tickets.storage.atomic_files import replacing
from tf_tickets.storage.directories import Directory


def save(model: keras.Model, path: pathlib.Path) -> None:
    """Writes the weights, whole or not at all."""
    with replacing(path) as new:
        layers.save_weights(model, new)


def load(model: keras.Model, path: pathlib.Path, directory: Directory) -> None:
    """Puts the weights of a file into the model; masks, if there are any, stay.

    Raises:
        ValueError: the file is damaged, or not what a stage left; it names the directory to delete.
    """
    directory.checked(path)
    try:
        layers.restore_weights(model, path)
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{path} is damaged ({error}). {directory.remedy}") from error


def restore_point(job: Job, point: str, number: int) -> None:
    """Sets the weights to one of the points of training; masks, if there are any, stay.

    Args:
        job: what to train.
        point: INIT, REWOUND or TRAINED; trained is the end of the round before, the first time the dense
            training.
        number: of the round, from 0.
    """
    _POINTS[point](job, number)


class KeepWeights(keras.callbacks.Callback):
    """Saves the weights at the start of some epochs.

    Args:
        directory: of the training.
        paths: epoch -> file in it.
    """

    def __init__(self, directory: Directory, paths: Mapping[int, pathlib.Path]) -> None:
        super().__init__()
        self.directory, self.paths = directory, paths

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        # An epoch that is resumed in its midst begins twice; its beginning was kept by the first.
        if epoch in self.paths and not self.paths[epoch].exists():
            self.directory.check_in_place()
            save(self.model, self.paths[epoch])


def _initialise(job: Job, number: int) -> None:
    layers.restore_weights(job.model, job.init_weights)


def _rewind(job: Job, number: int) -> None:
    load(job.model, job.dense.epoch_weights(job.config.rewind_epoch or 0), job.dense)


def _go_on(job: Job, number: int) -> None:
    directory = job.directory.round(number - 1) if number else job.dense
    load(job.model, directory.final_weights, directory)


_POINTS: dict[str, Callable[[Job, int], None]] = {INIT: _initialise, REWOUND: _rewind, TRAINED: _go_on}
