"""The story of a run.

    data -> model -> [pretrain] -> scores -> keep-ratios -> masks -> [sanity check] -> rewind -> retrain
         -> evaluate -> export -> [deployment] -> report

Every stage returns at once where its output exists already, so that running again goes on where it stopped.
What the stages share is a `Job`; in which order they use each other is drawn at the top of its module.
"""

from typing import Any

import tensorflow as tf

from tf_tickets.config import Config
from tf_tickets.data import Dataset
from tf_tickets.pipeline.evaluation import evaluate
from tf_tickets.pipeline.guards import exclusive, explain_lost_workers
from tf_tickets.pipeline.outputs import deploy, export, report
from tf_tickets.pipeline.preparation import make_trainer, prepare
from tf_tickets.pipeline.tickets import find_ticket
from tf_tickets.pipeline.trainings import pretrain, retrain
from tf_tickets.support.console import Console

__all__ = ["make_trainer", "pretrain_only", "run"]


def run(
    config: Config,
    dataset: Dataset,
    strategy: tf.distribute.Strategy,
    show: Console,
    wait: bool = False,
    take_over: bool = False,
    forecast: bool = False,
) -> dict[str, Any]:
    """Makes one ticket from data to export, and returns what result.json holds.

    Where several processes train together, all of them call this; the chief alone reads and writes the run's
    directories and shows anything.

    Args:
        config, dataset, strategy: what to run, on what, where.
        show: what the person sees.
        wait: for another process at work in the run's directory; otherwise that is an error.
        take_over: a directory at a URL, from a process that is dead.
        forecast: measure for a moment how long it will take, and show that with the plan.
    """
    with explain_lost_workers(strategy):
        job = prepare(config, dataset, strategy, show, take_over, forecast)
        with exclusive(job, job.directory, wait):
            pretrain(job)
            ticket = retrain(job, find_ticket(job))
            numbers = evaluate(job, ticket)
            export(job)
            deploy(job)
            result = report(job, ticket, numbers)
            job.team.agree("the final weights", result["weights_sha256"])
            return result


def pretrain_only(
    config: Config,
    dataset: Dataset,
    strategy: tf.distribute.Strategy,
    show: Console,
    wait: bool = False,
    take_over: bool = False,
    of_donor: bool = False,
) -> None:
    """The dense training that a run shares with others, and no more of the run.

    Args:
        config, dataset, strategy, show, wait, take_over: as for `run`.
        of_donor: that of the ticket which gives the run its counts, instead of its own.
    """
    with explain_lost_workers(strategy):
        job = prepare(config, dataset, strategy, show, take_over)
        with exclusive(job, job.directory, wait):
            if not of_donor:
                pretrain(job)
            elif job.donor is not None:
                job.donor.directory.claim()
                pretrain(job.donor, stages=("ticket",))
