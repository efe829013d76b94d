"""The authors' arithmetic: keep counts with the float32 products and truncations of the papers' code."""

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from tf_tickets.pruning.choices import DEPTH_POWERS
from tf_tickets.pruning.classifier import check_classifier_fits

Shape = tuple[int, ...]
# (shapes, sparsity, family, classifier_keep, positions of the classifiers) -> the count of each layer.
LayerCounts = Callable[[Sequence[Shape], float, str, float, Sequence[int]], list[int]]


def smart_counts(polynomial: Callable[[np.ndarray], np.ndarray], ascending: bool = False) -> LayerCounts:
    """Counts of the smart ratios, truncated layer by layer (and in total).

    Args:
        polynomial: of the depth that is left, or of the depth itself.
        ascending: whether it is of the depth itself.
    """

    def counts(
        shapes: Sequence[Shape],
        sparsity: float,
        family: str,
        classifier_keep: float,
        classifiers: Sequence[int],
    ) -> list[int]:
        sizes = np.array([math.prod(shape) for shape in shapes], np.float32)
        depth = np.arange(1, len(shapes) + 1, dtype=np.float32)
        values = polynomial(depth if ascending else np.float32(len(shapes)) - depth + np.float32(1))
        divisor = depth ** DEPTH_POWERS[family]
        apart, goal = _budget(shapes, sparsity, classifier_keep, classifiers)
        others = [layer for layer in range(len(shapes)) if layer not in apart]
        weighted = sum(int(n * v) for n, v in zip(sizes[others], (values / divisor)[others], strict=True))
        # Scaled before divided: float32 tells the order apart, and this is the authors'.
        ratios = values * np.float32(goal / weighted) / divisor
        ratios = _overflow(ratios[others], sizes[others])
        kept = [int(n) if r >= 1 else int(r * n) for r, n in zip(ratios, sizes[others], strict=True)]
        return _in_order(len(shapes), {**apart, **dict(zip(others, kept, strict=True))})

    return counts


def uniform_counts(
    shapes: Sequence[Shape],
    sparsity: float,
    family: str,
    classifier_keep: float,
    classifiers: Sequence[int],
) -> list[int]:
    """Counts of one ratio for all layers but the classifiers."""
    sizes = [math.prod(shape) for shape in shapes]
    apart, goal = _budget(shapes, sparsity, classifier_keep, classifiers)
    others = {layer: size for layer, size in enumerate(sizes) if layer not in apart}
    balance = np.float32(goal / sum(others.values()))
    kept = {layer: min(int(balance * np.float32(size)), size) for layer, size in others.items()}
    return _in_order(len(shapes), {**apart, **kept})


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


def _budget(
    shapes: Sequence[Shape], sparsity: float, classifier_keep: float, classifiers: Sequence[int]
) -> tuple[dict[int, int], int]:
    """What each classifier keeps, by its position, and what is left for the other layers."""
    if len(classifiers) == len(shapes):
        raise ValueError('rounding="reference" sets the classifier apart, and there is no other weight.')
    apart = {layer: int(classifier_keep * math.prod(shapes[layer])) for layer in classifiers}
    total = np.float32(sum(math.prod(shape) for shape in shapes))
    keep = int(total * np.float32(1 - sparsity))
    check_classifier_fits(keep, sum(apart.values()), classifier_keep)
    return apart, keep - sum(apart.values())


def _in_order(layers: int, counts: Mapping[int, int]) -> list[int]:
    return [counts[layer] for layer in range(layers)]


def _overflow(ratios: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """One pass that hands surplus on to deeper layers, and stops as soon as nothing is carried."""
    ratios = ratios.copy()
    carried = 0
    for layer in range(len(ratios)):
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
