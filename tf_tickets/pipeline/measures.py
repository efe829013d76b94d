"""What is measured of a network: its metric, densities, multiply-adds, bytes, a hash."""

import hashlib
import zlib
from collections.abc import Callable, Iterable, Sequence

import keras
import numpy as np

from tf_tickets import layers
from tf_tickets.data import Dataset
from tf_tickets.pipeline.job import Job
from tf_tickets.training.recipe import Recipe

Measure = Callable[[], dict[str, float]]


def measure_of_split(job: Job, dataset: Dataset, split: str) -> Measure:
    """A function that measures the model on a split, again and again, from one pipeline."""
    batch_size = test_batch_size(job.recipe)
    batches, steps = dataset.batches(split, batch_size), dataset.steps_per_epoch(split, batch_size)
    return lambda: job.trainer.evaluate(batches, steps)


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
        of_macs = macs_density(uses, masks)
        return densities if of_macs is None else {**densities, "macs_density": of_macs}

    return measure


def macs_density(uses: Sequence[int | None], masks: Sequence[np.ndarray]) -> float | None:
    """The part of the multiply-adds that masks keep; None where they are not known.

    Args:
        uses: of one weight of each layer, see `macs_per_weight`.
        masks: one for each layer.
    """
    kept = macs(uses, [int(np.count_nonzero(mask)) for mask in masks])
    total = macs(uses, [mask.size for mask in masks])
    return None if kept is None or total is None else kept / total


def macs(uses: Sequence[int | None], counts: Sequence[int]) -> int | None:
    """Multiply-adds of so many weights of each layer; None where a layer's positions are not known."""
    total = 0
    for use, count in zip(uses, counts, strict=True):
        if use is None:
            return None
        total += use * count
    return total


def compressed_bytes(arrays: Iterable[np.ndarray]) -> int:
    """What the arrays take, each compressed by zlib."""
    return sum(len(zlib.compress(np.ascontiguousarray(array).tobytes(), 6)) for array in arrays)


def sha256(arrays: Iterable[np.ndarray]) -> str:
    """A hash of the arrays' bytes."""
    hasher = hashlib.sha256()
    for array in arrays:
        hasher.update(np.ascontiguousarray(array).tobytes())
    return hasher.hexdigest()
