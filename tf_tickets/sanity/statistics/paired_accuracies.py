"""What the statistics take: metrics of paired runs, a margin, accepted chances. Checks name the value."""

import math
from collections.abc import Sequence

import numpy as np

from tf_tickets.support.scale import Scale

# Fewer pairs leave no degree of freedom worth the name; and nobody trains more seeds than this.
LEAST_SEEDS = 3
MOST_SEEDS = 10_000
ACCURACY = Scale()


def check_accuracies(whose: str, values: Sequence[float], scale: Scale) -> np.ndarray:
    """Accuracies, or what else runs are judged by, as an array, one a seed."""
    try:
        accuracies = np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{whose} needs numbers, one {scale.words} a seed. Received: {values!r}.") from error
    if accuracies.ndim != 1:
        raise ValueError(
            f"{whose} needs a flat sequence, one {scale.words} a seed. Shape: {accuracies.shape}."
        )
    low, high = (0, 1) if scale.is_share else (-math.inf, math.inf)
    wrong = accuracies[~(np.isfinite(accuracies) & (accuracies >= low) & (accuracies <= high))]
    if wrong.size:
        expected = "fractions in [0, 1], not per cent" if scale.is_share else "numbers"
        raise ValueError(
            f"{whose} needs values of {scale.words} that are finite {expected}. Received: {wrong.tolist()}."
        )
    if accuracies.size < LEAST_SEEDS:
        raise ValueError(
            f"A verdict needs at least {LEAST_SEEDS} pairs of runs, with different seeds. {whose} has "
            f"{accuracies.size}. Plan 10 to 20 where the margin is one point."
        )
    return accuracies


def check_twin(name: str, values: Sequence[float], seeds: int, scale: Scale) -> np.ndarray:
    """A twin's numbers as an array, as many as there are seeds."""
    twin = check_accuracies(f"Twin {name!r}", values, scale)
    if twin.size != seeds:
        raise ValueError(
            "Every twin needs one number for each seed of the reference, in the same order. The reference "
            f"has {seeds}, twin {name!r} {twin.size}: leave out the seeds that one of them lacks."
        )
    return twin


def check_settings(margin: float, alpha: float, power: float = 0.8, scale: Scale = ACCURACY) -> None:
    """Refuses a margin, an accepted chance of an error, or a power that is none."""
    if scale.is_share:
        of_margin = (1.0, "a fraction, so 0.01 is one point")
    else:
        of_margin = (math.inf, f"in the unit of {scale.words}")
    for name, value, limit, hint in (
        ("margin", margin, *of_margin),
        ("alpha", alpha, 0.5, "the accepted chance of an error"),
        ("power", power, 1, "the chance of an answer"),
    ):
        if not 0 < value < limit:
            raise ValueError(f"`{name}` must lie in (0, {limit}): {hint}. Received: {value}.")
