"""The classifiers, which feed the outputs: how many weights they keep, set apart from the rest."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tf_tickets.pruning.pours import round_to_total, water_fill
from tf_tickets.support.numbers import is_number


def check_classifier_keep(fraction: Any) -> float:
    """The fraction as a float, or a ValueError that says what is accepted."""
    if not is_number(fraction) or not 0 < fraction <= 1:
        raise ValueError(f"classifier_keep is a fraction in (0, 1]. Received: {fraction!r}")
    return float(fraction)


def set_apart(classifiers: Sequence[int], layers: int) -> tuple[int, ...]:
    """The positions, or none: where every layer is a classifier, there is nothing to set them apart from."""
    return () if len(classifiers) == layers else tuple(classifiers)


def classifier_counts(sizes: Sequence[int], total: int, keep: int, fraction: float) -> list[int]:
    """How many weights each classifier keeps where they are set apart from the rest.

    `fraction` of each, but all together never more than half of the whole budget: a network of 1000 classes
    could not be pruned to 98 % otherwise. At low sparsity they take what the other layers cannot hold.

    Args:
        sizes: weights of each classifier.
        total: weights of the whole network.
        keep: the whole budget.
        fraction: of a classifier's weights, in (0, 1].
    """
    fraction = check_classifier_keep(fraction)
    asked = [round(fraction * size) for size in sizes]
    count = max(min(sum(asked), keep // 2), keep - (total - sum(sizes)))
    return asked if count == sum(asked) else _shared(count, sizes)


def counts_within(counts: Sequence[int], room: Sequence[int], least: int) -> list[int]:
    """The counts, as far as there is room, and raised to `least` in all where the others cannot hold it.

    Args:
        counts: of the classifiers.
        room: what each can hold.
        least: what they keep together at least.
    """
    cut = [min(count, most) for count, most in zip(counts, room, strict=True)]
    missing = least - sum(cut)
    if missing <= 0:
        return cut
    left = [most - count for count, most in zip(cut, room, strict=True)]
    more = _shared(min(missing, sum(left)), left)
    return [count + extra for count, extra in zip(cut, more, strict=True)]


def check_classifier_fits(keep: int, kept: int, classifier_keep: float) -> None:
    """Refuses a budget of `keep` weights that is smaller than the `kept` that the classifiers take of it."""
    if kept > keep:
        raise ValueError(
            f"The budget is {keep:,} weights, and classifier_keep={classifier_keep} keeps {kept:,} in the "
            'classifier alone. Lower the sparsity, or use rounding="exact": it takes at most half there.'
        )


def _shared(count: int, sizes: Sequence[int]) -> list[int]:
    """Whole numbers of a given sum, in proportion to the sizes."""
    room = np.array(sizes, np.int64)
    return round_to_total(water_fill(np.ones(len(room)), room, count), room, count)
