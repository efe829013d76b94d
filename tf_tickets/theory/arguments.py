"""What the functions of the theory take: densities, chances of failure, counts. Checks name the value."""

from collections.abc import Sequence
from typing import Any

from tf_tickets.support.numbers import check_whole, is_finite, is_number


def check_density(density: Any, name: str = "density") -> float:
    """The share of weights that a random mask keeps, in (0, 1]."""
    if not is_number(density) or not 0 < density <= 1:
        raise ValueError(
            f"{name} is the share of weights that the random mask keeps, in (0, 1]; of a sparsity s it is "
            f"1 - s. Received: {density!r}"
        )
    return float(density)


def check_densities(density: Any, layers: int) -> tuple[float, ...]:
    """The density of each of the source's layers, from one number or from one for each."""
    if is_number(density):
        return (check_density(density),) * layers
    if isinstance(density, (str, bytes)) or not hasattr(density, "__len__"):
        raise ValueError(
            "density is a number in (0, 1], or a list with one for each of the source's layers. "
            f"Received: {density!r}"
        )
    if len(density) != layers:
        raise ValueError(
            f"density has {len(density)} entries, and the source {layers} layers with weights: one more than "
            "its target, the first of them copies the inputs."
        )
    return tuple(check_density(entry, f"density[{layer}]") for layer, entry in enumerate(density))


def check_chance(chance: Any, name: str = "delta") -> float:
    """The probability of failure that is allowed, in (0, 1)."""
    if not is_number(chance) or not 0 < chance < 1:
        raise ValueError(f"{name} is the chance of failure that is allowed, in (0, 1). Received: {chance!r}")
    return float(chance)


def check_tolerance(tolerance: Any, name: str = "eps") -> float:
    """A largest error, positive and finite."""
    if not is_finite(tolerance) or tolerance <= 0:
        raise ValueError(f"{name} is the largest error allowed, a positive number. Received: {tolerance!r}")
    return float(tolerance)


def check_finite(value: Any, name: str) -> float:
    """A finite real number."""
    if not is_finite(value):
        raise ValueError(f"{name} is a finite number. Received: {value!r}")
    return float(value)


def check_counts(counts: Sequence[Any], name: str, length: int, least: int = 1) -> tuple[int, ...]:
    """So many whole numbers, each `least` or more."""
    if isinstance(counts, (str, bytes)) or not hasattr(counts, "__len__") or len(counts) != length:
        raise ValueError(f"{name} is a list of {length} whole numbers. Received: {counts!r}")
    return tuple(check_whole(f"{name}[{place}]", count, least) for place, count in enumerate(counts))
