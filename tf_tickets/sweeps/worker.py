"""A process of a sweep: runs one cell after another, each as a process of its own would."""

from __future__ import annotations

import gc
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
from tf_tickets.support.late import ending_of
from tf_tickets.support.scale import reached_by
from tf_tickets.support.sessions import clear_session
from tf_tickets.support.startup import EXPECTED, load_tensorflow, quieten
from tf_tickets.sweeps.cell import parse
from tf_tickets.sweeps.data_cache import load_data
from tf_tickets.sweeps.task import DONORS_DENSE, WHOLE, Outcome, Task
from tf_tickets.training import interruption

if TYPE_CHECKING:
    from tf_tickets.pipeline.pace import Pace

SECONDS_BETWEEN_LOOKS = 1.0


def initialize(parent: int, threads: int, environment: dict[str, str]) -> None:
    """Prepares the process; it ends when its parent does, and leaves Ctrl-C to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    interruption.hear_once()
    threading.Thread(target=_exit_with, args=(parent,), daemon=True).start()
    os.environ.update(environment)
    configuration.define_flags()
    flags.FLAGS.mark_as_parsed()
    quieten()
    load_tensorflow(threads)
    from tf_tickets import pipeline, training  # noqa: F401

    # What is imported stays: whoever collects garbage, or looks for what was traced, passes over it.
    gc.collect()
    gc.freeze()
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # many models, each traced once, are no mistake


def run_task(task: Task) -> Outcome:
    """Does a task. Whatever goes wrong in it is told, not raised."""
    import rich.console

    from tf_tickets import pipeline, training
    from tf_tickets.support.console import Console

    began = time.perf_counter()
    screen = io.StringIO()
    try:
        values = parse(task.arguments)
        configuration.check_flags(values)
        strategy = training.make_strategy(values.strategy)
        dataset = load_data(values)
        config = configuration.make_config(values, dataset, strategy.num_replicas_in_sync)
        _check_as_planned(task, config)
        show = Console(rich.console.Console(file=screen, width=120))
        if task.part != WHOLE:
            of_donor = task.part == DONORS_DENSE
            pipeline.pretrain_only(config, dataset, strategy, show, True, values.take_over, of_donor)
            return Outcome(time.perf_counter() - began)
        result = pipeline.run(config, dataset, strategy, show, True, values.take_over)
        return Outcome(time.perf_counter() - began, reached_by(result))
    except KeyboardInterrupt:  # by SIGTERM, at the end of the sweep; what there was to save is saved
        os._exit(128 + signal.SIGTERM)
    except (Exception, SystemExit) as error:  # the latter of a score, which would end the whole sweep
        problem = str(error) if isinstance(error, EXPECTED) else f"{type(error).__name__}: {error}"
        if isinstance(error, SystemExit):
            problem = ending_of(error)
        details = f"{screen.getvalue()}\n{traceback.format_exc()}"
        return Outcome(time.perf_counter() - began, None, problem or type(error).__name__, details)
    finally:
        clear_session()


def measure_pace(task: Task) -> Pace:
    """The pace of a task's setting, measured in this process, which keeps nothing of it."""
    from tf_tickets import pipeline, training
    from tf_tickets.pipeline.pace import measure_pace as measure

    values = parse(task.arguments)
    strategy = training.make_strategy(values.strategy)
    dataset = load_data(values)
    config = configuration.make_config(values, dataset, strategy.num_replicas_in_sync)
    try:
        return measure(pipeline.make_trainer(config, dataset, strategy), dataset, config.recipe)
    finally:
        clear_session()


def _check_as_planned(task: Task, config: configuration.Config) -> None:
    found = configuration.run_name(config)
    if task.name not in (None, found):
        raise ValueError(
            f"{socket.gethostname()} has other data, devices or code of a score than the sweep was planned "
            f"with: the run would be {found}, not {task.name}."
        )


def _exit_with(parent: int) -> None:
    """Ends the process as soon as its parent is another one."""
    while os.getppid() == parent:
        time.sleep(SECONDS_BETWEEN_LOOKS)
    os._exit(1)
