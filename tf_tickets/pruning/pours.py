"""Pours: how a budget of weights is spread over layers of given densities and sizes.

A pour is `(densities, sizes, budget) -> counts`, real numbers, none above its size. Their sum is the budget,
but of the clamped ones, which lose what a full layer cannot hold.
"""

from collections.abc import Callable

import numpy as np

Pour = Callable[[np.ndarray, np.ndarray, float], np.ndarray]


def water_fill(densities: np.ndarray, sizes: np.ndarray, budget: float) -> np.ndarray:
    """Counts proportional to density * size, full layers capped and their surplus shared in proportion.

    What RigL's search for epsilon finds. Layers of density zero stay empty.
    """
    counts = np.zeros(len(sizes))
    open_ = np.ones(len(sizes), bool)
    while open_.any():
        counts[open_] = _in_proportion(densities[open_], sizes[open_], budget - counts[~open_].sum())
        over = open_ & (counts > sizes)
        if not over.any():
            break
        counts[over] = sizes[over]
        open_ &= ~over
    return counts


def carry_forward(densities: np.ndarray, sizes: np.ndarray, budget: float) -> np.ndarray:
    """Counts proportional to density * size; what a full layer cannot hold goes to the next, deeper one.

    As the authors' code does; but what is left after the last layer starts again at the first.
    """
    counts = _in_proportion(densities, sizes, budget)
    carried = 0.0
    for _ in range(2):
        for layer, size in enumerate(sizes):
            wanted = counts[layer] + carried
            counts[layer] = min(wanted, size)
            carried = wanted - counts[layer]
    return counts


def clamp(densities: np.ndarray, sizes: np.ndarray, budget: float) -> np.ndarray:
    """Counts proportional to density * size; what a full layer cannot hold is lost."""
    return np.minimum(_in_proportion(densities, sizes, budget), sizes)


def pyramid(depths: np.ndarray, sizes: np.ndarray, budget: float) -> np.ndarray:
    """Counts p^depth * size, with the one p in (0, 1] that meets the budget, found by bisection."""
    low, high = 0.0, 1.0
    while low < (middle := (low + high) / 2) < high:
        if (sizes * middle**depths).sum() < budget:
            low = middle
        else:
            high = middle
    return sizes * high**depths


def dense_first(densities: np.ndarray, sizes: np.ndarray, budget: float) -> np.ndarray:
    """All of the first layer; what that leaves of the budget is water-filled over the others."""
    if sizes[0] > round(float(budget)):
        raise ValueError(
            f'ratios="uniform_dense_first" keeps all {sizes[0]:,} weights of the first layer, and the budget '
            f"leaves {round(float(budget)):,} for it. Lower the sparsity, or use other ratios."
        )
    return np.array([sizes[0], *water_fill(densities[1:], sizes[1:], budget - sizes[0])], float)


def dense_first_clamped(densities: np.ndarray, sizes: np.ndarray, budget: float) -> np.ndarray:
    """All of the first layer on top: the others have what they would have without it (RigL's uniform)."""
    return np.array([sizes[0], *clamp(densities, sizes, budget)[1:]], float)


def pour_below(
    room: np.ndarray, pour: Pour, densities: np.ndarray, sizes: np.ndarray, budget: float, redistribute: bool
) -> np.ndarray:
    """Any pour with at most `room` in each layer; what a full layer cannot hold is poured over the others."""
    counts = np.zeros(len(sizes))
    open_ = np.ones(len(sizes), bool)
    while open_.any():
        counts[open_] = pour(densities[open_], sizes[open_], budget - counts[~open_].sum())
        over = open_ & (counts > room)
        counts[over] = room[over]
        if not over.any() or not redistribute:
            break
        open_ &= ~over
    return counts


def pour_above(
    floors: np.ndarray, pour: Pour, densities: np.ndarray, sizes: np.ndarray, budget: float
) -> np.ndarray:
    """Any pour with at least `floors` in each layer: those that come out below get theirs, first of all."""
    counts = np.zeros(len(sizes))
    open_ = np.ones(len(sizes), bool)
    while open_.any():
        counts[open_] = pour(densities[open_], sizes[open_], budget - counts[~open_].sum())
        below = open_ & (counts < floors)
        if not below.any():
            break
        counts[below] = floors[below]
        open_ &= ~below
    return counts


def round_to_total(counts: np.ndarray, sizes: np.ndarray, total: int) -> list[int]:
    """Integers of the given sum nearest to the counts: largest remainders first, then by position."""
    floors = np.minimum(np.floor(counts + 1e-9), sizes).astype(np.int64)
    missing = int(total - floors.sum())
    for layer in np.argsort(-(counts - floors), kind="stable"):
        if missing > 0 and floors[layer] < sizes[layer]:
            floors[layer] += 1
            missing -= 1
    # Only where rounding errors left more than a unit for each layer.
    for layer in range(len(sizes)):
        extra = min(max(missing, 0), int(sizes[layer] - floors[layer]))
        floors[layer] += extra
        missing -= extra
    return [int(count) for count in floors]


def _in_proportion(densities: np.ndarray, sizes: np.ndarray, budget: float) -> np.ndarray:
    """The budget in proportion to density * size."""
    if not densities.any():
        return np.zeros(len(sizes))
    # Relative to the largest, for densities so small that a quotient by their sum would overflow.
    weights = densities / densities.max() * sizes
    return weights * (max(budget, 0.0) / weights.sum())
