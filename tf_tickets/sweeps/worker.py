"""A process of a sweep: runs one cell after another, each as a process of its own would."""

from __future__ import annotations

import dataclasses
import io
import logging
import os
import signal
import socket
import threading
import time
import traceback
from typing import TYPE_CHECKING

from absl import flags

from tf_tickets import config as configuration
from tf_tickets.support.startup import EXPECTED, load_tensorflow, quieten
from tf_tickets.sweeps import grid

if TYPE_CHECKING:
    from tf_tickets.data import Dataset

DENSE, WHOLE = "dense", "whole"
SECONDS_BETWEEN_LOOKS = 1.0
_LOADED: dict[tuple, Dataset] = {}


@dataclasses.dataclass(frozen=True)
class Task:
    """What a process is asked to do.

    Attributes:
        label: for people.
        arguments: flags of `python -m tf_tickets.run`, its directories among them.
        part: WHOLE for a run; DENSE for no more than its dense training, which other runs share.
        cost: epochs of training.
        places: its directories, where they are URLs: those that it may leave marked when it is killed.
        name: that the run has by its plan; where a process finds another one, data or devices differ there.
    """

    label: str
    arguments: tuple[str, ...]
    part: str
    cost: int
    places: tuple[str, ...] = ()
    name: str | None = None

    @property
    def title(self) -> str:
        """The task for people."""
        return f"{self.label}, its dense training" if self.part == DENSE else self.label


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a task ended.

    Attributes:
        seconds: of wall time.
        accuracy: of the final epoch, where it was a whole run.
        problem: one line; None if all went well.
        details: traceback, and what the person would have seen, where something went wrong.
    """

    seconds: float
    accuracy: float | None = None
    problem: str | None = None
    details: str = ""


def start(parent: int, threads: int, environment: dict[str, str]) -> None:
    """Prepares the process; it ends when its parent does, and leaves Ctrl-C to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    os.environ.update(environment)
    configuration.define_flags()
    flags.FLAGS.mark_as_parsed()
    quieten()
    load_tensorflow(threads)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # many models, each traced once, are no mistake


def perform(task: Task) -> Outcome:
    """Does a task. Whatever goes wrong in it is told, not raised."""
    import keras
    import rich.console

    from tf_tickets import pipeline, training
    from tf_tickets.support.console import Console

    began = time.perf_counter()
    screen = io.StringIO()
    try:
        values = grid.parse(task.arguments)
        configuration.check_flags(values)
        strategy = training.make_strategy(values.strategy)
        dataset = load_data(values)
        config = configuration.make_config(values, dataset, strategy.num_replicas_in_sync)
        _check_as_planned(task, config)
        show = Console(rich.console.Console(file=screen, width=120))
        if task.part == DENSE:
            pipeline.pretrain_only(config, dataset, strategy, show, True, values.take_over)
            return Outcome(time.perf_counter() - began)
        result = pipeline.run(config, dataset, strategy, show, True, values.take_over)
        return Outcome(time.perf_counter() - began, result["test_accuracy"])
    except KeyboardInterrupt:  # by SIGTERM, at the end of the sweep; what there was to save is saved
        os._exit(128 + signal.SIGTERM)
    except Exception as error:
        problem = str(error) if isinstance(error, EXPECTED) else f"{type(error).__name__}: {error}"
        details = f"{screen.getvalue()}\n{traceback.format_exc()}"
        return Outcome(time.perf_counter() - began, None, problem or type(error).__name__, details)
    finally:
        keras.utils.clear_session()


def load_data(values: flags.FlagValues) -> Dataset:
    """The dataset that flags ask for; the last one is kept."""
    seed = values.seed if values.validation_fraction else None
    key = (values.dataset, values.data_dir, values.validation_fraction, values.image_size, seed)
    if key not in _LOADED:
        dataset = configuration.load_data(values)
        _LOADED.clear()
        _LOADED[key] = dataset
    return _LOADED[key]


def _check_as_planned(task: Task, config: configuration.Config) -> None:
    found = configuration.run_name(config)
    if task.name not in (None, found):
        raise ValueError(
            f"{socket.gethostname()} has other data, devices or code of a score than the sweep was planned "
            f"with: the run would be {found}, not {task.name}."
        )


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(SECONDS_BETWEEN_LOOKS)
    os._exit(1)
