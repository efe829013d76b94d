"""The authors' arithmetic: keep counts with the float32 products and truncations of the papers' code."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from tf_tickets.pruning.choices import DEPTH_POWERS
from tf_tickets.pruning.classifier import check_classifier_fits

Shape = tuple[int, ...]
# (shapes, sparsity, family, classifier_keep) -> the count of each layer.
LayerCounts = Callable[[Sequence[Shape], float, str, float], list[int]]


def smart_counts(polynomial: Callable[[np.ndarray], np.ndarray], ascending: bool = False) -> LayerCounts:
    """Counts of the smart ratios, truncated layer by layer (and in total).

    Args:
        polynomial: of the depth that is left, or of the depth itself.
        ascending: whether it is of the depth itself.
    """

    def counts(shapes: Sequence[Shape], sparsity: float, family: str, classifier_keep: float) -> list[int]:
        sizes = np.array([math.prod(shape) for shape in shapes], np.float32)
        depth = np.arange(1, len(shapes) + 1, dtype=np.float32)
        values = polynomial(depth if ascending else np.float32(len(shapes)) - depth + np.float32(1))
        divisor = depth ** DEPTH_POWERS[family]
        last, goal = _budget(shapes, sparsity, classifier_keep)
        weighted = sum(int(n * v) for n, v in zip(sizes[:-1], (values / divisor)[:-1], strict=True))
        # Scaled before divided: float32 tells the order apart, and this is the authors'.
        ratios = values * np.float32(goal / weighted) / divisor
        ratios = _overflow(ratios, sizes)
        kept = [int(n) if r >= 1 else int(r * n) for r, n in zip(ratios[:-1], sizes[:-1], strict=True)]
        return [*kept, last]

    return counts


def uniform_counts(
    shapes: Sequence[Shape], sparsity: float, family: str, classifier_keep: float
) -> list[int]:
    """Counts of one ratio for all layers but the classifier."""
    sizes = [math.prod(shape) for shape in shapes]
    last, goal = _budget(shapes, sparsity, classifier_keep)
    balance = np.float32(goal / sum(sizes[:-1]))
    return [*(min(int(balance * np.float32(size)), size) for size in sizes[:-1]), last]


def ranked_count(total: int, sparsity: float) -> int:
    """What a global ranking keeps of all weights."""
    return int(total * (1 - sparsity))


def lottery_count(total: int, sparsity: float) -> int:
    """What the lottery ticket's ranking keeps.

    The script takes the float32 product as an index and keeps what is strictly above that element.
    """
    return total - int(np.float32(total) * np.float32(sparsity)) - 1


def grasp_count(total: int, sparsity: float) -> int:
    """What GraSP's ranking keeps: the weight at the threshold is kept with what lies beyond it."""
    return total - int(total * (1 - (1 - sparsity))) + 1


def synflow_count(total: int, sparsity: float) -> int:
    """What SynFlow's ranking keeps: the fraction removed is truncated, and all above its last weight stay."""
    return total - int((1 - (1 - sparsity)) * total)


def _budget(shapes: Sequence[Shape], sparsity: float, classifier_keep: float) -> tuple[int, int]:
    """What the classifier keeps, and what is left for the other layers."""
    if len(shapes) == 1:
        raise ValueError('rounding="reference" sets the classifier apart, and there is no other weight.')
    last = int(classifier_keep * math.prod(shapes[-1]))
    total = np.float32(sum(math.prod(shape) for shape in shapes))
    keep = int(total * np.float32(1 - sparsity))
    check_classifier_fits(keep, last, classifier_keep)
    return last, keep - last


def _overflow(ratios: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """One pass that hands surplus on to deeper layers, and stops as soon as nothing is carried."""
    ratios = ratios.copy()
    carried = 0
    for layer in range(len(ratios) - 1):
        if ratios[layer] >= 1:
            carried += int((ratios[layer] - np.float32(1)) * sizes[layer])
            ratios[layer] = 1
        else:
            room = int((np.float32(1) - ratios[layer]) * sizes[layer])
            if room >= carried:
                ratios[layer] += np.float32(carried) / sizes[layer]
                carried = 0
            else:
                carried -= room
                ratios[layer] = 1
        if carried == 0:
            break
    return ratios
