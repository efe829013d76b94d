"""Subset sums: how many random values make up any number, when a random mask has removed most of them.

It is the core of strong lottery tickets: a weight of the target is the sum of a few frozen random ones.
"""

import dataclasses
import math
from typing import Any

import numpy as np

from tf_tickets.support.numbers import check_whole
from tf_tickets.support.random_streams import stream
from tf_tickets.support.short_reprs import short_fields
from tf_tickets.theory.arguments import (
    check_chance,
    check_density,
    check_finite,
    check_tolerance,
)

# Exact search: both halves of so many values have a million sums each.
MOST_VALUES = 40
# A trial whose target is not met by all sums of so many values (4 million of them) counts as failed.
MOST_IN_TRIAL = 22


@dataclasses.dataclass(frozen=True, eq=False)
class SubsetSum:
    """The best subset.

    Attributes:
        chosen: bool, one entry for each value given; only values that the mask leaves are chosen.
        total: the sum of the chosen values; 0 where none is chosen.
        error: |target - total|, as small as it can be.
        within: whether the error is eps at most.
    """

    chosen: np.ndarray
    total: float
    error: float
    within: bool

    __repr__ = short_fields


def subset_sum(target: float, values: Any, mask: Any = None, eps: float = 0.01) -> SubsetSum:
    """Finds the subset of the values left by a mask whose sum is closest to a target, exactly.

    Args:
        target: number to approximate.
        values: 1-D array of numbers.
        mask: bool array of the same length; True where a value may be used. Defaults to all.
        eps: largest error that counts as success. Defaults to 0.01.

    Returns:
        SubsetSum.

    Raises:
        ValueError: an argument is of the wrong form, or more than 40 values are available.

    Example:
        >>> tt.theory.subset_sum(0.7, [0.5, -0.4, 0.3, 0.25], [True, True, False, True]).total
        0.75
    """
    target, eps = check_finite(target, "target"), check_tolerance(eps)
    numbers, available = _values(values, mask)
    places = np.flatnonzero(available)
    if places.size > MOST_VALUES:
        raise ValueError(
            f"subset_sum tries all subsets, of {MOST_VALUES} available values at most. Received: "
            f"{places.size}. Give fewer values, or a mask that leaves fewer."
        )
    half = places.size // 2
    parts = places[:half], places[half:]
    first, second = (_sums(numbers[part]) for part in parts)
    order = np.argsort(second, kind="stable")
    second = second[order]
    # The best partner of a sum is the sorted neighbour on either side of what is missing.
    above = np.searchsorted(second, target - first).clip(max=second.size - 1)
    below = (above - 1).clip(min=0)
    pairs = np.stack([above, below])
    best = np.argmin(np.abs(first + second[pairs] - target))
    side, left = np.unravel_index(best, pairs.shape)
    chosen = np.zeros(available.shape, bool)
    for part, bits in zip(parts, (int(left), int(order[pairs[side, left]])), strict=True):
        chosen[part] = [bits >> place & 1 for place in range(part.size)]
    total = math.fsum(numbers[chosen])
    error = abs(target - total)
    return SubsetSum(chosen=chosen, total=total, error=error, within=error <= eps)


def smallest_base_set(
    density: float, eps: float = 0.01, delta: float = 0.05, trials: int = 2000, seed: int = 0
) -> int:
    """The smallest n with which a subset sum succeeds with probability 1 - delta, by Monte Carlo.

    n values are uniform in [-1, 1], each is kept with probability `density`, and the target is uniform in
    [-1, 1] too; success is a subset of the values kept whose sum is within eps of the target.

    Args:
        density: share of the values that the random mask keeps.
        eps: largest error that counts as success. Defaults to 0.01.
        delta: chance of failure allowed. Defaults to 0.05.
        trials: targets, each with values of its own. Defaults to 2000.
        seed: of targets, values and masks. Defaults to 0.

    Raises:
        ValueError: an argument is out of its range, or eps and delta ask for more than can be searched.

    Example:
        >>> [tt.theory.smallest_base_set(density) for density in (1.0, 0.5, 0.1)]
        [11, 26, 137]
    """
    delta = check_chance(delta)
    sizes = np.sort(base_set_sizes(density, eps, trials, seed))
    enough = float(sizes[math.ceil((1 - delta) * trials - 1e-9) - 1])
    if math.isinf(enough):
        raise ValueError(
            f"With eps={eps:g} more than a share of delta={delta:g} of the trials need over {MOST_IN_TRIAL} "
            "available values, whose subsets are too many to try. Use a larger eps or delta."
        )
    return int(enough)


def base_set_sizes(density: float, eps: float = 0.01, trials: int = 2000, seed: int = 0) -> np.ndarray:
    """For each trial of `smallest_base_set` the smallest n that succeeds; infinite where it was not found.

    The values of a trial are drawn one after the other, so its success holds for every larger n: the share
    of sizes up to n is the success frequency with n values.

    Args:
        density: share of the values that the random mask keeps.
        eps: largest error that counts as success. Defaults to 0.01.
        trials: targets, each with values of its own. Defaults to 2000.
        seed: of targets, values and masks. Defaults to 0.

    Returns:
        Array of `trials` floats, whole numbers or infinity.

    Raises:
        ValueError: an argument is out of its range; names it.

    Example:
        >>> float((tt.theory.base_set_sizes(1.0) <= 10).mean())
        0.917
    """
    density, eps = check_density(density), check_tolerance(eps)
    sizes = np.empty(check_whole("trials", trials, 1))
    draws = stream(seed, "mask", "theory/subset sums")
    gaps = stream(seed, "mask", "theory/removed values")
    for trial in range(trials):
        available = _available_values_needed(draws, eps)
        # Between values that the mask leaves lie those it removes.
        sizes[trial] = available + gaps.negative_binomial(available, density) if available else 0
        if available > MOST_IN_TRIAL:
            sizes[trial] = math.inf
    return sizes


def _available_values_needed(rng: np.random.Generator, eps: float) -> int:
    """How many uniform values it takes until a subset sums up to a uniform target, or one too many."""
    target, *values = rng.uniform(-1, 1, 1 + MOST_IN_TRIAL)
    missing = np.array([target])
    for count, value in enumerate(values):
        if np.abs(missing).min() <= eps:
            return count
        missing = np.concatenate([missing, missing - value])
    return MOST_IN_TRIAL + (np.abs(missing).min() > eps)


def _sums(values: np.ndarray) -> np.ndarray:
    """The sums of all subsets; bit i of a position says whether value i is in it."""
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums, sums + value])
    return sums


def _values(values: Any, mask: Any) -> tuple[np.ndarray, np.ndarray]:
    numbers = np.asarray(values)
    if numbers.ndim != 1 or numbers.dtype.kind not in "iuf" or not np.isfinite(numbers).all():
        raise ValueError(f"values is a 1-D array of finite numbers. Received: {values!r}")
    available = np.ones(numbers.shape, bool) if mask is None else np.asarray(mask)
    if available.shape != numbers.shape or available.dtype != bool:
        raise ValueError(
            f"mask is a bool array of {numbers.size} entries, one for each value. Received: {mask!r}"
        )
    return numbers.astype(np.float64), available
