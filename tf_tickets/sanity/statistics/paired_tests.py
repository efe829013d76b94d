"""Tests of paired differences: their p-values, adjusted for a family, and confidence intervals."""

import numpy as np


def p_values(differences: np.ndarray, margin: float) -> tuple[np.ndarray, np.ndarray]:
    """P-values of equivalence (paired TOST) and of a difference (two-sided paired t-test), not adjusted.

    Where all differences are the same, they are the limits for a vanishing standard deviation: 0 or 1.

    Args:
        differences: shape (seeds, comparisons).
        margin: a mean difference smaller than this is equivalence.

    Returns:
        Two arrays of shape (comparisons,).
    """
    from statsmodels.stats.weightstats import DescrStatsW

    sample = DescrStatsW(differences)
    with np.errstate(divide="ignore", invalid="ignore"):
        equivalent = np.maximum(
            sample.ttest_mean(-margin, alternative="larger")[1],
            sample.ttest_mean(margin, alternative="smaller")[1],
        )
        different = sample.ttest_mean(0.0)[1]
    constant, value = is_constant(differences), differences[0]
    return (
        np.where(constant, np.where(np.abs(value) < margin, 0.0, 1.0), equivalent),
        np.where(constant, np.where(value == 0, 1.0, 0.0), different),
    )


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


def moments(differences: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means and standard deviations, without rounding errors where all differences are the same."""
    constant = is_constant(differences)
    means = np.where(constant, differences[0], differences.mean(axis=0))
    return means, np.where(constant, 0.0, differences.std(axis=0, ddof=1))


def intervals(differences: np.ndarray, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper ends of confidence intervals of the means, at level 1 - alpha."""
    from statsmodels.stats.weightstats import DescrStatsW

    low, high = DescrStatsW(differences).tconfint_mean(alpha)
    constant, value = is_constant(differences), differences[0]
    return np.where(constant, value, low), np.where(constant, value, high)


def is_constant(differences: np.ndarray) -> np.ndarray:
    """Whether all differences of a comparison are the same."""
    return np.ptp(differences, axis=0) == 0
