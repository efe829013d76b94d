"""What the statistics take: accuracies of paired runs, a margin, accepted chances. Checks name the value."""

from collections.abc import Sequence

import numpy as np

# Fewer pairs leave no degree of freedom worth the name; and nobody trains more seeds than this.
LEAST_SEEDS = 3
MOST_SEEDS = 10_000


def check_accuracies(whose: str, values: Sequence[float]) -> np.ndarray:
    """Accuracies as an array, one a seed."""
    try:
        accuracies = np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{whose} needs numbers, one accuracy a seed. Received: {values!r}.") from error
    if accuracies.ndim != 1:
        raise ValueError(f"{whose} needs a flat sequence, one accuracy a seed. Shape: {accuracies.shape}.")
    wrong = accuracies[~((accuracies >= 0) & (accuracies <= 1))]
    if wrong.size:
        raise ValueError(
            f"{whose} needs accuracies that are finite fractions in [0, 1], not per cent. "
            f"Received: {wrong.tolist()}."
        )
    if accuracies.size < LEAST_SEEDS:
        raise ValueError(
            f"A verdict needs at least {LEAST_SEEDS} pairs of runs, with different seeds. {whose} has "
            f"{accuracies.size}. Plan 10 to 20 where the margin is one point."
        )
    return accuracies


def check_twin(name: str, values: Sequence[float], seeds: int) -> np.ndarray:
    """A twin's accuracies as an array, as many as there are seeds."""
    twin = check_accuracies(f"Twin {name!r}", values)
    if twin.size != seeds:
        raise ValueError(
            "Every twin needs one accuracy for each seed of the reference, in the same order. The reference "
            f"has {seeds}, twin {name!r} {twin.size}: leave out the seeds that one of them lacks."
        )
    return twin


def check_settings(margin: float, alpha: float, power: float = 0.8) -> None:
    """Refuses a margin, an accepted chance of an error, or a power that is none."""
    for name, value, limit, hint in (
        ("margin", margin, 1, "a fraction, so 0.01 is one point"),
        ("alpha", alpha, 0.5, "the accepted chance of an error"),
        ("power", power, 1, "the chance of an answer"),
    ):
        if not 0 < value < limit:
            raise ValueError(f"`{name}` must lie in (0, {limit}): {hint}. Received: {value}.")
