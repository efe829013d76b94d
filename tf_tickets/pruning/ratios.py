"""How many weights to keep in each layer, from the layers' shapes alone.

Every rule gives each layer a relative density, then a way to pour the budget over them. Counts are met to the
unit (`rounding="exact"`), or follow the authors' float32 arithmetic and truncations (`rounding="reference"`).
Layers are given, and counted, in forward order; the last one is the classifier.
"""

import dataclasses
import math
import numbers
import operator
from collections.abc import Callable, Sequence

import keras
import numpy as np

from tf_tickets.layers import prunable_weights
from tf_tickets.methods import CLASSIFIER_KEEP, FAMILIES, ROUNDINGS

Shape = tuple[int, ...]
Densities = Callable[[Sequence[Shape], str], np.ndarray]
Pour = Callable[[np.ndarray, np.ndarray, float], np.ndarray]


def keep_counts(
    model_or_shapes: keras.Model | Sequence[Shape],
    sparsity: float,
    ratios: str = "smart",
    family: str | None = None,
    rounding: str = "exact",
    classifier_keep: float = CLASSIFIER_KEEP,
    redistribute: bool = True,
) -> list[int]:
    """Number of weights to keep in each layer at a given sparsity.

    Args:
        model_or_shapes: a built Keras model, or kernel shapes in Keras layout, in forward order.
        sparsity: fraction of all prunable weights to remove, in [0, 1).
        ratios: name of a rule, one of `RATIOS`; `"global"` needs scores and is not decided here.
        family: `"vgg"` or `"resnet"`, the two forms of the smart ratio; None means `"vgg"` for the VGGs of
            `tf_tickets.models` and `"resnet"` for everything else.
        rounding: `"exact"` meets round(N(1 - sparsity)) to the unit. `"reference"` reproduces the authors'
            float32 arithmetic, which ends up to 29 below (smart) and keeps `classifier_keep` of the
            classifier in `uniform` too.
        classifier_keep: fraction of the last layer kept by the smart rules. With exact rounding it never
            takes more than half of the whole budget.
        redistribute: give what a full layer cannot hold to the others. False leaves the total short, as the
            official code of some rules does.

    Returns:
        List of ints in forward order.

    Raises:
        ValueError: an unknown name, a value out of range, or a budget of no weights at all.

    Example:
        >>> tt.keep_counts([(784, 300), (300, 100), (100, 10)], sparsity=0.98)

    Reference: section 4.2, "smart ratio", of the sanity-checking paper.
    """
    if isinstance(model_or_shapes, keras.Model):
        shapes = [entry.shape for entry in prunable_weights(model_or_shapes)]
        family = family_of(model_or_shapes.name) if family is None else family
    else:
        shapes = _checked_shapes(model_or_shapes)
        family = "resnet" if family is None else family
    sparsity = check_sparsity(sparsity)
    check_choice("ratios", ratios, RATIOS)
    check_choice("family", family, FAMILIES)
    check_choice("rounding", rounding, ROUNDINGS)
    classifier_keep = check_classifier_keep(classifier_keep)
    if not shapes:
        raise ValueError("keep_counts needs at least one prunable weight. Received none.")
    rule = RATIOS[ratios]
    if rounding == "reference":
        if not redistribute:
            raise ValueError('redistribute=False is a choice of rounding="exact". Received: "reference"')
        if rule.reference is None:
            named = ", ".join(name for name, other in RATIOS.items() if other.reference)
            raise ValueError(
                f'ratios={ratios!r} has no reference rounding; only {named} have. Use rounding="exact".'
            )
        return rule.reference(shapes, sparsity, family, classifier_keep)
    return _exact(rule, shapes, sparsity, family, classifier_keep, redistribute)


def family_of(model_name: str) -> str:
    """Family of the smart ratios for a model name: `vgg` for the VGGs of tf_tickets.models."""
    return "vgg" if model_name.startswith("vgg") and model_name.endswith("_bn") else "resnet"


def check_sparsity(sparsity: float) -> float:
    """The sparsity as a float, or a ValueError that says what is accepted."""
    if not _is_number(sparsity) or not 0 <= sparsity < 1:
        raise ValueError(
            f"sparsity is the fraction of weights to remove, a number in [0, 1). Received: {sparsity!r}"
        )
    return float(sparsity)


def check_classifier_keep(fraction: float) -> float:
    """The fraction as a float, or a ValueError that says what is accepted."""
    if not _is_number(fraction) or not 0 < fraction <= 1:
        raise ValueError(f"classifier_keep is a fraction in (0, 1]. Received: {fraction!r}")
    return float(fraction)


def check_budget(keep: int, last: int, classifier_keep: float) -> None:
    """Refuses a budget of `keep` weights that is smaller than the `last` that the classifier takes of it."""
    if last > keep:
        raise ValueError(
            f"The budget is {keep:,} weights, and classifier_keep={classifier_keep} keeps {last:,} in the "
            'last layer alone. Lower the sparsity, or use rounding="exact": it takes at most half there.'
        )


def total_to_keep(total: int, sparsity: float) -> int:
    """round(N(1 - p)), the number of weights a ticket keeps; at least one."""
    keep = round(total * (1 - sparsity))
    if keep < 1:
        raise ValueError(
            f"sparsity={sparsity} keeps none of the {total:,} prunable weights. "
            f"The largest sparsity that keeps one is {1 - 1 / total:.6g}."
        )
    return keep


def classifier_count(size: int, total: int, keep: int, fraction: float) -> int:
    """How many weights the classifier keeps where it is set apart from the rest.

    `fraction` of them, but never more than half of the whole budget: a network of 1000 classes could not be
    pruned to 98 % otherwise. At low sparsity it takes what the other layers cannot hold.

    Args:
        size: weights of the classifier.
        total: weights of the whole network.
        keep: the whole budget.
        fraction: of the classifier's weights, in (0, 1].
    """
    fraction = check_classifier_keep(fraction)
    return max(min(round(fraction * size), keep // 2), keep - (total - size))


@dataclasses.dataclass(frozen=True)
class Rule:
    """One row of the table of layer-wise ratios.

    Attributes:
        densities: (shapes, family) -> relative densities, one a layer; only their proportions matter.
        pour: (densities, sizes, budget) -> real-valued counts whose sum is the budget, none above its size.
        classifier_apart: the last layer gets `classifier_keep` of its weights; the rest goes by the rule.
        reference: the authors' arithmetic, where there is one.
    """

    densities: Densities
    pour: Pour
    classifier_apart: bool = False
    reference: Callable[[Sequence[Shape], float, str, float], list[int]] | None = None


def water_fill(densities: np.ndarray, sizes: np.ndarray, budget: float) -> np.ndarray:
    """Counts proportional to density * size, full layers capped and their surplus shared in proportion."""
    counts = np.zeros(len(sizes))
    open_ = np.ones(len(sizes), bool)
    while open_.any():
        share = (budget - counts[~open_].sum()) / (densities * sizes)[open_].sum()
        counts[open_] = share * (densities * sizes)[open_]
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
    counts = densities * sizes * (budget / (densities * sizes).sum())
    carried = 0.0
    for _ in range(2):
        for layer, size in enumerate(sizes):
            wanted = counts[layer] + carried
            counts[layer] = min(wanted, size)
            carried = wanted - counts[layer]
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


def _exact(rule, shapes, sparsity, family, classifier_keep, redistribute) -> list[int]:
    sizes = np.array([math.prod(shape) for shape in shapes], dtype=np.int64)
    total = total_to_keep(int(sizes.sum()), sparsity)
    pour = rule.pour if redistribute else _clamp
    if not rule.classifier_apart or len(shapes) == 1:
        counts = pour(rule.densities(shapes, family), sizes, total)
        return round_to_total(counts, sizes, total if redistribute else round(counts.sum()))
    last = classifier_count(int(sizes[-1]), int(sizes.sum()), total, classifier_keep)
    counts = pour(rule.densities(shapes, family)[:-1], sizes[:-1], total - last)
    goal = total - last if redistribute else round(counts.sum())
    return [*round_to_total(counts, sizes[:-1], goal), last]


def _clamp(densities: np.ndarray, sizes: np.ndarray, budget: float) -> np.ndarray:
    return np.minimum(densities * sizes * (budget / (densities * sizes).sum()), sizes)


def _uniform(shapes, family) -> np.ndarray:
    return np.ones(len(shapes))


def _smart(polynomial: Callable[[np.ndarray], np.ndarray], ascending: bool = False) -> Densities:
    """Densities that follow a polynomial of the depth left; VGGs divide them by depth squared."""

    def densities(shapes, family):
        depth = np.arange(1, len(shapes) + 1, dtype=np.float64)
        values = polynomial(depth if ascending else len(shapes) - depth + 1)
        return values / depth**2 if family == "vgg" and not ascending else values

    return densities


def _quadratic(k: np.ndarray) -> np.ndarray:
    return k * k + k


def _linear(k: np.ndarray) -> np.ndarray:
    return k


def _cubic(k: np.ndarray) -> np.ndarray:
    return k**3


def _smart_reference(polynomial, ascending: bool = False):
    """The authors' float32 arithmetic with its truncations (also of the total)."""

    def counts(shapes, sparsity, family, classifier_keep):
        sizes = np.array([math.prod(shape) for shape in shapes], np.float32)
        depth = np.arange(1, len(shapes) + 1, dtype=np.float32)
        values = polynomial(depth if ascending else np.float32(len(shapes)) - depth + np.float32(1))
        divisor = depth**2 if family == "vgg" else np.float32(1)
        last, goal = _reference_budget(shapes, sparsity, classifier_keep)
        weighted = sum(int(n * v) for n, v in zip(sizes[:-1], (values / divisor)[:-1], strict=True))
        # Scaled before divided: float32 tells the order apart, and this is the authors'.
        ratios = values * np.float32(goal / weighted) / divisor
        ratios = _reference_overflow(ratios, sizes)
        kept = [int(n) if r >= 1 else int(r * n) for r, n in zip(ratios[:-1], sizes[:-1], strict=True)]
        return [*kept, last]

    return counts


def _reference_budget(shapes, sparsity, classifier_keep) -> tuple[int, int]:
    """What the classifier keeps, and what is left for the other layers."""
    if len(shapes) == 1:
        raise ValueError('rounding="reference" sets the classifier apart, and there is no other weight.')
    last = int(classifier_keep * math.prod(shapes[-1]))
    total = np.float32(sum(math.prod(shape) for shape in shapes))
    keep = int(total * np.float32(1 - sparsity))
    check_budget(keep, last, classifier_keep)
    return last, keep - last


def _reference_overflow(ratios: np.ndarray, sizes: np.ndarray) -> np.ndarray:
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


def _uniform_reference(shapes, sparsity, family, classifier_keep) -> list[int]:
    sizes = [math.prod(shape) for shape in shapes]
    last, goal = _reference_budget(shapes, sparsity, classifier_keep)
    balance = np.float32(goal / sum(sizes[:-1]))
    return [*(min(int(balance * np.float32(size)), size) for size in sizes[:-1]), last]


def _smart_rule(polynomial, ascending: bool = False) -> Rule:
    return Rule(
        densities=_smart(polynomial, ascending),
        pour=carry_forward,
        classifier_apart=True,
        reference=_smart_reference(polynomial, ascending),
    )


RATIOS: dict[str, Rule] = {
    "smart": _smart_rule(_quadratic),
    "smart_linear": _smart_rule(_linear),
    "smart_cubic": _smart_rule(_cubic),
    "smart_ascending": _smart_rule(_quadratic, ascending=True),
    "uniform": Rule(densities=_uniform, pour=water_fill, reference=_uniform_reference),
}


def _checked_shapes(shapes) -> list[Shape]:
    try:
        checked = [tuple(operator.index(size) for size in shape) for shape in shapes]
    except TypeError:
        checked = [()]
    if any(not shape or min(shape) < 1 for shape in checked):
        raise ValueError(
            "keep_counts takes a model or kernel shapes of positive sizes, such as [(784, 300), (300, 10)]. "
            f"Received: {shapes!r}"
        )
    return checked


def _is_number(value) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def check_choice(argument: str, value, choices) -> None:
    """Refuses a name that is not among the choices, and lists them."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{argument}={value!r} is unknown. Choose one of: {', '.join(choices)}.")
