"""Initializers of the papers' networks, each with a seed of its own."""

import contextlib
import itertools
import random
from collections.abc import Iterator

import keras
import numpy as np


def layer_seeds(seed: int) -> Iterator[int]:
    """Endless stream of seeds: the seed of the first layer, of the second, and so on.

    A layer's seed depends on `seed` and on its position only: what comes after it in a model does
    not change its weights.
    """
    for position in itertools.count():
        # 31 bits: Keras takes seeds as int32.
        yield int(np.random.SeedSequence((seed, position)).generate_state(1)[0] >> 1)


def kaiming_normal(fan: str, seed: int) -> keras.initializers.Initializer:
    """N(0, sqrt(2 / fan)), not truncated; `fan` is `"fan_in"` or `"fan_out"`.

    Keras's own `HeNormal` is truncated at two standard deviations.
    """
    return keras.initializers.VarianceScaling(2.0, fan, "untruncated_normal", seed=seed)


def classifier_normal(seed: int) -> keras.initializers.Initializer:
    """N(0, 0.01), which the papers' code draws its linear layer from."""
    return keras.initializers.RandomNormal(0.0, 0.01, seed=seed)


@contextlib.contextmanager
def drawing_from(seed: int) -> Iterator[None]:
    """Lets Keras draw the seeds that a constructor does not set from `seed`.

    Keras takes them from Python's `random`, whose state is put back at the end.
    """
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)
