"""What is measured of a network: its metric, densities, a hash."""

import hashlib
from collections.abc import Callable, Iterable

import keras
import numpy as np

from tf_tickets import layers
from tf_tickets.data import Dataset
from tf_tickets.exporting.runtimes import Run
from tf_tickets.exporting.samples import named_inputs
from tf_tickets.pipeline.job import Job
from tf_tickets.training.metrics import metric_row
from tf_tickets.training.recipe import Recipe

Measure = Callable[[], dict[str, float]]


def measure_of_split(job: Job, dataset: Dataset, split: str) -> Measure:
    """A function that measures the model on a split, again and again, from one pipeline."""
    batch_size = test_batch_size(job.recipe)
    batches, steps = dataset.batches(split, batch_size), dataset.steps_per_epoch(split, batch_size)
    return lambda: job.trainer.evaluate(batches, steps)


def measure_of_export(job: Job, run: Run) -> float:
    """The metric on the test split of what computes an export of the model."""
    metric = metric_row(job.recipe.metric_name).make(job.dataset.outputs)
    for x, y in job.dataset.batches("test", test_batch_size(job.recipe)):
        (outputs, *_) = run(named_inputs(job.model, x))
        metric.update_state(y, outputs)
    return float(metric.result())


def test_batch_size(recipe: Recipe) -> int:
    """Examples that are measured at a time: what fits with its gradients fits several times without."""
    return min(500, 8 * recipe.batch_size)


def measure_of_density(model: keras.Model) -> Measure:
    """A function that tells which part of the weights, and of the multiply-adds, the masks keep by then."""
    entries = layers.masked_weights(model)
    uses = layers.macs_per_weight(model, entries)

    def measure() -> dict[str, float]:
        masks = [layers.effective_mask(entry) for entry in entries]
        densities = {"density": sum(int(mask.sum()) for mask in masks) / sum(mask.size for mask in masks)}
        of_macs = layers.macs_density(uses, masks)
        return densities if of_macs is None else {**densities, "macs_density": of_macs}

    return measure


def sha256(arrays: Iterable[np.ndarray]) -> str:
    """A hash of the arrays' bytes."""
    hasher = hashlib.sha256()
    for array in arrays:
        hasher.update(np.ascontiguousarray(array).tobytes())
    return hasher.hexdigest()
