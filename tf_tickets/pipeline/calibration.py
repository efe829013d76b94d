"""The examples that a ticket is scored on, and that kept weights make up for removed ones on."""

from typing import Any

import tensorflow as tf

from tf_tickets import pruning
from tf_tickets.pipeline.guards import explain_lack_of_memory
from tf_tickets.pipeline.job import Job
from tf_tickets.pruning.scoring_examples import first_of_each_class
from tf_tickets.support.random_streams import stream_seed


def scoring_batches(job: Job) -> list[tuple[tf.Tensor, tf.Tensor]] | None:
    """Batches from the training set in an order of their own, where there are classes of so many of each."""
    config, dataset = job.config, job.pruning_data
    if config.scoring_batches is None:
        return None
    epochs = [
        dataset.batches(
            "train",
            job.recipe.batch_size,
            epochs=[number],
            shuffle=True,
            augment=bool(config.augment_scoring),
            seed=stream_seed(config.seed, "score"),
        )
        for number in range(config.scoring_batches)
    ]
    if dataset.num_classes is None:
        return [next(iter(batches)) for batches in epochs]
    classes = range(dataset.num_classes)
    return [first_of_each_class(batches, config.samples_per_class or 1, classes) for batches in epochs]


def solution_for(job: Job, ticket: pruning.Ticket) -> pruning.Solution | None:
    """The weights that make up for what a ticket removes of those that the model holds; None if none do."""
    solver = job.config.row.solver
    if solver is None:
        return None
    with explain_lack_of_memory(f"--samples_per_class={job.config.samples_per_class}"):
        return solver(
            job.model, scoring_batches(job), pruning.Goal(masks=ticket.masks), **solver_options(job)
        )


def solver_options(job: Job) -> dict[str, Any]:
    """Options of the solver: the score's, where it is its own."""
    return dict(job.config.score_options) if job.config.solves_masks else {}
