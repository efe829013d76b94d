"""Which fraction of a layer's connections is exchanged, as training goes on, and how many those are."""

import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from tf_tickets.support.numbers import is_number

LEAST_DROP = 0.005  # what GraNet's cosine ends at


def granet_drop_fraction(first: float, done: float) -> float:
    """GraNet's fraction of exchanged weights: a cosine from `first` to 0.005 (Liu et al., 2021)."""
    return LEAST_DROP + (first - LEAST_DROP) * (1 + math.cos(math.pi * done)) / 2


# Fraction of the kept weights that a layer exchanges, by the part of the way that is done, in [0, 1].
# `first` is the fraction at the beginning.
DROP_SCHEDULES: dict[str, Callable[[float, float], float]] = {
    # RigL, section 3: first / 2 (1 + cos(pi t / T))
    "cosine": lambda first, done: first / 2 * (1 + math.cos(math.pi * done)),
    "constant": lambda first, done: first,
    # RigL's code: first (1 - t / T)^3, the shape of gradual pruning
    "cubic": lambda first, done: first * (1 - done) ** 3,
    # GraNet's and RigL-ITOP's code
    "cosine_floor": granet_drop_fraction,
}


def exchanged_count(mask: tf.Tensor, fraction: tf.Tensor, rounding: str) -> tf.Tensor:
    """That fraction of the kept weights as a count, rounded `"down"` (RigL's code) or `"up"` (GraNet's)."""
    part = tf.cast(tf.math.count_nonzero(mask), tf.float64) * tf.cast(fraction, tf.float64)
    return tf.cast(tf.floor(part) if rounding == "down" else tf.math.ceil(part), tf.int64)


def check_drop_fraction(value: Any) -> float:
    """The value as a float; ValueError if it is no fraction."""
    if not is_number(value) or not 0 < value < 1:
        raise ValueError(f"drop_fraction= is a fraction in (0, 1). Received: {value!r}")
    return float(value)
