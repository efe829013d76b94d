"""Tests of paired differences: their p-values, adjusted for a family, and confidence intervals."""

import math

import numpy as np


def p_values(differences: np.ndarray, margin: float, floor: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """P-values of equivalence (paired TOST) and of a difference (two-sided paired t-test), not adjusted.

    Where all differences are the same and there is no floor, they are the limits for a vanishing standard
    deviation: 0 or 1.

    Args:
        differences: shape (seeds, comparisons).
        margin: a mean difference smaller than this is equivalence.
        floor: standard deviations smaller than this count as so large.

    Returns:
        Two arrays of shape (comparisons,).
    """
    equivalent = np.maximum(p_above(differences, -margin, floor), p_above(-differences, -margin, floor))
    different = 2 * np.minimum(p_above(differences, 0.0, floor), p_above(-differences, 0.0, floor))
    return equivalent, np.minimum(different, 1.0)


def p_above(differences: np.ndarray, bound: float, floor: float = 0.0) -> np.ndarray:
    """P-values of means above a bound (one-sided paired t-tests), not adjusted.

    Args:
        differences: shape (seeds, comparisons).
        bound: that a mean is shown to exceed where its p-value is small.
        floor: see `p_values`.

    Returns:
        An array of shape (comparisons,).
    """
    from scipy.stats import t

    means, deviations = moments(differences, floor)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = t.sf((means - bound) / _errors(differences, deviations), len(differences) - 1)
    return np.where(deviations > 0, found, np.where(means > bound, 0.0, 1.0))


def holm(p: np.ndarray) -> np.ndarray:
    """P-values adjusted by Holm's method over the last axis, each to be compared with alpha.

    The numbers are those of statsmodels' `multipletests`, which takes one family at a time and collects
    garbage at every call: 50 ms, and a report has hundreds of families.

    Args:
        p: shape (..., comparisons).

    Returns:
        An array of the same shape.
    """
    order = np.argsort(p, axis=-1)
    ascending = np.take_along_axis(p, order, axis=-1) * np.arange(p.shape[-1], 0, -1)
    adjusted = np.empty_like(ascending)
    np.put_along_axis(adjusted, order, np.maximum.accumulate(ascending, axis=-1), axis=-1)
    return np.minimum(adjusted, 1.0)


def moments(differences: np.ndarray, floor: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Means and standard deviations, without rounding errors where all differences are the same."""
    constant = is_constant(differences)
    means = np.where(constant, differences[0], differences.mean(axis=0))
    deviations = np.where(constant, 0.0, differences.std(axis=0, ddof=1))
    return means, np.maximum(deviations, floor)


def intervals(differences: np.ndarray, alpha: float, floor: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper ends of confidence intervals of the means, at level 1 - alpha."""
    from scipy.stats import t

    means, deviations = moments(differences, floor)
    half = t.isf(alpha / 2, len(differences) - 1) * _errors(differences, deviations)
    return means - half, means + half


def is_constant(differences: np.ndarray) -> np.ndarray:
    """Whether all differences of a comparison are the same."""
    return np.ptp(differences, axis=0) == 0


def floor_of(examples: int | None) -> float:
    """The standard deviation that differences of two shares of so many examples have at least.

    A share moves in steps of 1 / `examples`. Rounded to those steps, a number has an error of variance
    1 / (12 examples^2), the difference of two one of twice that. Runs that agree more closely than this do so
    by accident, and their differences tell nothing of the scatter below a step.
    """
    return 0.0 if examples is None else 1 / (examples * math.sqrt(6))


def _errors(differences: np.ndarray, deviations: np.ndarray) -> np.ndarray:
    """Standard errors of the means."""
    return deviations / math.sqrt(len(differences))
