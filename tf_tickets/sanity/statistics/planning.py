"""How many seeds it takes to decide: `seeds_to_plan`."""

import bisect
import math

import numpy as np

from tf_tickets.sanity.statistics.paired_accuracies import (
    ACCURACY,
    LEAST_SEEDS,
    MOST_SEEDS,
    check_settings,
)
from tf_tickets.support.scale import Scale

# Of the standard deviation, where the chance of an answer is computed; and what counts as none at all.
QUANTILES = 400
NO_SPREAD = 1e-9


def seeds_to_plan(
    deviation: float,
    *,
    difference: float = 0.0,
    margin: float = 0.01,
    checks: int = 1,
    alpha: float = 0.05,
    power: float = 0.8,
    scale: Scale = ACCURACY,
) -> int:
    """Seeds with which a comparison is decided with a chance of `power`.

    If the true difference is smaller than the margin, these are the seeds that show it to be so, or that show
    it not to be zero; otherwise those that show the latter. For more than one check the levels are
    Bonferroni's, `alpha` / `checks`: somewhat more seeds than Holm's method needs. The standard deviation of
    a few seeds is itself uncertain (of five seeds, by a factor of 0.6 to 2.9), and the number of seeds goes
    with its square.

    Args:
        deviation: standard deviation of the paired differences over seeds, a fraction (0.013 is 1.3 points).
        difference: true mean difference, a fraction.
        margin: differences smaller than this count as none, a fraction in (0, 1).
        checks: comparisons in the family.
        alpha: chance of an error that is accepted, in (0, 0.5).
        power: chance of an answer, in (0, 1).
        scale: how the numbers read, where they are of another metric, in whose unit the first three are.

    Returns:
        A number of seeds, from `LEAST_SEEDS` to `MOST_SEEDS`; the latter stands for that or more.

    Raises:
        ValueError: an argument out of its range.

    Example:
        >>> seeds_to_plan(0.013, margin=0.01)
        16
    """
    check_settings(margin, alpha, power, scale)
    if not 0 <= deviation < math.inf:
        raise ValueError(f"`deviation` is a finite standard deviation, not negative. Received: {deviation}.")
    if scale.is_share and not -1 <= difference <= 1:
        raise ValueError(f"`difference` is one of accuracies, a fraction in [-1, 1]. Received: {difference}.")
    if checks < 1:
        raise ValueError(f"`checks` is the number of comparisons, at least 1. Received: {checks}.")
    return seeds_needed(difference, deviation, margin, alpha / checks, power, LEAST_SEEDS)


def seeds_needed(
    difference: float, deviation: float, margin: float, level: float, power: float, least: int
) -> int:
    """The fewest seeds from `least` on with which an answer is as likely as `power`, at this level."""
    if deviation < NO_SPREAD:
        return least
    candidates = range(least, MOST_SEEDS)

    def likely(seeds: int) -> float:
        return _chance_of_an_answer(seeds, abs(difference), deviation, margin, level)

    return least + bisect.bisect_left(candidates, power, key=likely)


def _chance_of_an_answer(
    seeds: int, difference: float, deviation: float, margin: float, level: float
) -> float:
    """Chance that either test finds what is true, of a difference that is not negative.

    The mean of the seeds' differences is normal, and independent of their standard deviation, over whose
    quantiles (those of a chi distribution) is averaged.
    """
    from scipy.stats import chi2, norm, t

    freedom, error = seeds - 1, deviation / math.sqrt(seeds)
    estimated = error * np.sqrt(chi2.ppf((np.arange(QUANTILES) + 0.5) / QUANTILES, freedom) / freedom)
    # Equivalence is shown by a mean up to `within` from zero, a difference by one from `beyond` on.
    within = np.maximum(margin - t.isf(level, freedom) * estimated, 0.0)
    beyond = np.maximum(t.isf(level / 2, freedom) * estimated, within)
    chance = 0.0
    if difference < margin:
        chance += np.mean(norm.cdf((within - difference) / error) - norm.cdf((-within - difference) / error))
    if difference > 0:
        chance += np.mean(norm.sf((beyond - difference) / error))
    return float(chance)
