"""The numbers of a finished ticket: what its network is worth, what it takes, and what it took."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from tf_tickets import layers, pruning
from tf_tickets.pipeline import weights
from tf_tickets.pipeline.job import Job
from tf_tickets.pipeline.measures import measure_of_split, sha256
from tf_tickets.storage.directories import Directory
from tf_tickets.support.compression import compressed_bytes
from tf_tickets.training.learning_check import chance
from tf_tickets.training.metrics import metric_row


def evaluate(job: Job, ticket: pruning.Ticket) -> dict[str, Any]:
    """Counts and measures the final network, as it lies on disk, with stock layers and zeros baked in."""
    directory = job.directory
    done = directory.finished("evaluate")
    if done is not None and not directory.waits_for(job.config.last_stages):
        return done["numbers"]
    began = time.perf_counter()
    layers.fold(job.model)
    weights.load(job.model, directory.final_weights, directory)
    if done is not None:
        return done["numbers"]
    numbers = {**_numbers_of_network(job, ticket), **_numbers_of_dense(job)}
    directory.finish("evaluate", {"seconds": time.perf_counter() - began, "numbers": numbers})
    return numbers


def _numbers_of_network(job: Job, ticket: pruning.Ticket) -> dict[str, Any]:
    """Numbers of the folded network; its zeros are those of the ticket."""
    model, dataset, directory = job.model, job.dataset, job.directory
    entries = layers.prunable_weights(model)
    kernels = [np.asarray(entry.weight) for entry in entries]
    for kernel, mask, name in zip(kernels, ticket.masks, ticket.names, strict=True):
        if np.count_nonzero(kernel[~mask]):
            raise RuntimeError(f"{name}: pruned weights are not zero in {directory.final_weights}")
    prunable = {id(entry.weight) for entry in entries}
    rest = [np.asarray(weight) for weight in model.weights if id(weight) not in prunable]
    uses = layers.macs_per_weight(model, entries)
    test = measure_of_split(job, dataset, "test")()
    history = _history(job)
    scale = job.scale
    metric, own = scale.metric, scale.name_on_test
    trials = _trials(job)
    reached = exact_share(test[metric], trials)
    numbers = {
        own: reached,
        f"best_{own}": scale.best([reached, *(exact_share(row[own], trials) for row in history)]),
        "test_loss": test["loss"],
        f"chance_{metric}": chance(job.recipe, dataset.splits["test"].labels, dataset.outputs),
        **scale.record,
        "macs": layers.total_macs(uses, [kernel.size for kernel in kernels]),
        "macs_kept": layers.total_macs(uses, [int(mask.sum()) for mask in ticket.masks]),
        "nonzero": sum(int(np.count_nonzero(kernel)) for kernel in kernels),
        "compressed_bytes": compressed_bytes([*kernels, *rest]),
        "weights_sha256": sha256([*kernels, *rest]),
        "training_cost": _training_cost(job, ticket, uses),
    }
    if trials is not None:
        numbers["test_trials"] = trials
    trained = _epochs_trained(job)
    if trained != job.config.budget:
        numbers["epochs_trained"] = trained
    if "validation" in dataset.splits:
        numbers[f"validation_{metric}"] = measure_of_split(job, dataset, "validation")()[metric]
    return numbers


def _numbers_of_dense(job: Job) -> dict[str, Any]:
    """Numbers of the dense training, under what it was of; none where there was none."""
    config, dense = job.config, job.dense.noted("train")
    if not dense:
        return {}
    numbers = {"dense_seconds": dense["seconds"]}
    own, trials = job.scale.name_on_test, _trials(job)
    reached = [exact_share(row[own], trials) for row in dense["history"]]
    last = reached[-1]
    if config.pretrains_on_other_data:
        numbers[f"pretraining_{own}"] = last
    elif config.source_density is not None:
        numbers[f"source_{own}"] = last
    else:
        numbers[f"dense_{own}"] = last
        numbers[f"dense_best_{own}"] = job.scale.best(reached)
        numbers["dense_compressed_bytes"] = dense["compressed_bytes"]
    return numbers


def exact_share(value: float, trials: int | None) -> float:
    """A share as the test set can give it, of one that was computed in 32 bits."""
    return value if trials is None else round(value * trials) / trials


def _trials(job: Job) -> int | None:
    """How many things on the test set are right or wrong, where the metric is the share of those."""
    count = metric_row(job.recipe.metric_name).trials
    return None if count is None else int(count(job.dataset.splits["test"].labels))


def _history(job: Job) -> list[dict[str, float]]:
    """Rows of the last training with epochs: the ticket's, or where it has none the dense one's."""
    own = (job.directory.finished("retrain") or {})["history"]
    return own or (job.dense.noted("train") or {}).get("history", [])


def _training_cost(job: Job, ticket: pruning.Ticket, uses: Sequence[int | None]) -> float | None:
    """Forward multiply-adds of all trainings behind the ticket, in epochs of the dense network.

    Of a training whose masks move, an epoch counts by the mean of what the masks keep at its beginning and at
    its end; where they change at the beginnings of epochs only, by what they keep at the end.
    """
    if any(use is None for use in uses):
        return None

    def density(masks: Sequence[np.ndarray]) -> float:
        return layers.macs_density(uses, masks) or 0.0

    config, directory = job.config, job.directory
    search = config.row.search
    epochs = _epochs(directory, "retrain", len(config.retraining_epochs))
    cost = 0.0
    if config.pretrains:
        cost += _epochs(job.dense, "train", job.recipe.epochs) * (
            1.0 if job.source is None else density(job.source.masks)
        )
    for number in range(config.trained_rounds - 1):
        earlier = directory.round(number)
        masks = pruning.Ticket.load(earlier.checked(earlier.ticket)).masks
        cost += _epochs(earlier, "retrain", len(config.retraining_epochs)) * density(masks)
    if search is None:
        return cost + epochs * density(ticket.masks)
    ends = [row["macs_density"] for row in (directory.finished("retrain") or {})["history"]]
    if search.in_levels:
        return cost + sum(ends)
    start = pruning.Ticket.load(directory.checked(directory.start_ticket))
    begins = [density(start.masks), *ends[:-1]]
    return cost + sum((a + b) / 2 for a, b in zip(begins, ends, strict=True))


def _epochs(directory: Directory, stage: str, planned: int) -> int:
    """Epochs that a training ran: a callback may have stopped it."""
    noted = directory.noted(stage)
    return len(noted["history"]) if noted else planned


def _epochs_trained(job: Job) -> int:
    """Epochs of all trainings behind the ticket, as they ran."""
    config = job.config
    each = len(config.retraining_epochs)
    rounds = (job.directory.round(number) for number in range(config.trained_rounds - 1))
    dense = _epochs(job.dense, "train", job.recipe.epochs) if config.pretrains else 0
    return dense + sum(_epochs(one, "retrain", each) for one in (*rounds, job.directory))
