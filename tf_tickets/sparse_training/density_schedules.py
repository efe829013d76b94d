"""How many weights are kept as training goes on."""


def cubic_density(initial: float, final: float, done: float) -> float:
    """Density of gradual magnitude pruning when the part `done`, in [0, 1], of the way is behind.

    final + (initial - final) (1 - done)^3 (Zhu and Gupta, 2017, equation 1, of densities).
    """
    return final + (initial - final) * (1 - done) ** 3


def annealed_densities(start: float, target: float, levels: int, most: float = 1.0) -> list[float]:
    """Densities of a search in levels: each (target / start)^(1 / levels) of the one before.

    The last is the target.

    Args:
        start: density before the first level.
        target: the last one.
        levels: how many, 1 or more.
        most: what the source mask allows; no level is denser, and those after it go on from there.

    Example:
        >>> annealed_densities(0.8, 0.2, levels=2)
        [0.4, 0.2]
    """
    densities: list[float] = []
    for _ in range(levels - 1):
        start_of_level = densities[-1] if densities else start
        densities.append(max(target, min(start_of_level * (target / start) ** (1 / levels), most)))
    return [*densities, target]
