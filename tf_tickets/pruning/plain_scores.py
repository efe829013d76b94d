"""Scores without derivatives: random numbers, and magnitudes."""

from collections.abc import Sequence

import keras
import numpy as np

from tf_tickets.layers import prunable_weights
from tf_tickets.pruning.scoring_examples import Batch


def random(model: keras.Model, batches: Sequence[Batch] | None, rng: np.random.Generator) -> list[np.ndarray]:
    """Independent uniform draws: the top k of them are a uniformly random choice of k weights."""
    return [rng.random(entry.shape) for entry in prunable_weights(model)]


def magnitude(
    model: keras.Model, batches: Sequence[Batch] | None, rng: np.random.Generator
) -> list[np.ndarray]:
    """|w|, of the values that the weights hold now."""
    return [np.abs(entry.weight.numpy()) for entry in prunable_weights(model)]
