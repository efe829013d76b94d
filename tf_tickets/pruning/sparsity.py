"""Sparsity of a whole network, and the number of weights that it keeps. Reading it loads no TensorFlow."""

from tf_tickets.support.numbers import is_number


def check_sparsity(sparsity: float) -> float:
    """The sparsity as a float, or a ValueError that says what is accepted."""
    if not is_number(sparsity) or not 0 <= sparsity < 1:
        raise ValueError(
            f"sparsity is the fraction of weights to remove, a number in [0, 1). Received: {sparsity!r}"
        )
    return float(sparsity)


def total_to_keep(total: int, sparsity: float) -> int:
    """round(N(1 - p)), the number of weights a ticket keeps; at least one."""
    keep = round(total * (1 - sparsity))
    if keep < 1:
        raise ValueError(
            f"sparsity={sparsity} keeps none of the {total:,} prunable weights. "
            f"The largest sparsity that keeps one is {1 - 1 / total:.6g}."
        )
    return keep


def check_inside(sparsity: float, room: int, total: int) -> None:
    """Refuses a target that is denser than the source mask that it is to lie in."""
    keep = total_to_keep(total, sparsity)
    if keep > room:
        raise ValueError(
            f"sparsity={sparsity} keeps {keep:,} of {total:,} weights, a density of {1 - sparsity:.6g}, and "
            f"the source mask has {room:,}, a density of {room / total:.6g}: a target cannot be denser "
            "than its source. Raise the sparsity, or the source's density."
        )


def round_sparsities(sparsity: float, rounds: int, start: float = 0.0) -> list[float]:
    """Sparsities of iterative pruning: every round keeps the same fraction of what the one before kept.

    Args:
        sparsity: the last one.
        rounds: how many, 1 or more.
        start: sparsity before the first round.

    Example:
        >>> round_sparsities(0.75, 2)
        [0.5, 0.75]
    """
    fraction = (1 - sparsity) / (1 - start)
    return [1 - (1 - start) * fraction ** (step / rounds) for step in range(1, rounds)] + [sparsity]
