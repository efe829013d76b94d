"""How many weights to keep in each layer, from the layers' shapes alone.

Every rule gives each layer a relative density, then a way to pour the budget over them. Counts are met to the
unit (`rounding="exact"`), or follow the authors' float32 arithmetic and truncations (`rounding="reference"`).
Ratios may also be given: one number a layer, by name, or those of another ticket.
Layers are given, and counted, in forward order; the last one is the classifier.
"""

import dataclasses
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import keras
import numpy as np

from tf_tickets.layers import prunable_weights
from tf_tickets.pruning.choices import CLASSIFIER_KEEP, FAMILIES, ROUNDINGS
from tf_tickets.pruning.ticket import Ticket
from tf_tickets.support.numbers import is_number, is_whole

Shape = tuple[int, ...]
Ratios: TypeAlias = str | Sequence[float] | np.ndarray | Mapping[str, float] | Ticket
Densities = Callable[[Sequence[Shape], str], np.ndarray]
Pour = Callable[[np.ndarray, np.ndarray, float], np.ndarray]


def keep_counts(
    model_or_shapes: keras.Model | Sequence[Shape],
    sparsity: float,
    ratios: Ratios = "smart",
    family: str | None = None,
    rounding: str = "exact",
    classifier_keep: float = CLASSIFIER_KEEP,
    redistribute: bool = True,
    min_keep: int | Sequence[int] = 0,
    room: Sequence[int] | None = None,
) -> list[int]:
    """Number of weights to keep in each layer at a given sparsity.

    Args:
        model_or_shapes: a built Keras model, or kernel shapes in Keras layout, in forward order.
        sparsity: fraction of all prunable weights to remove, in [0, 1).
        ratios: name of a rule, one of `RATIOS` (`"global"` needs scores and is not decided here). Or ratios
            of your own: numbers in [0, 1], one a layer in forward order; for a model a mapping from the name
            of a weight, or of a layer (for all its weights), to a number; or a `Ticket` of the same shapes,
            whose keep-ratios are taken. Given ratios are proportions: they are scaled to the sparsity, full
            layers capped, and are taken as they are where they meet it already. A layer of ratio 0 keeps
            nothing beyond its `min_keep`.
        family: `"vgg"` or `"resnet"`, the two forms of the smart ratio; None means `"vgg"` for the VGGs of
            `tf_tickets.models` and `"resnet"` for everything else.
        rounding: `"exact"` meets round(N(1 - sparsity)) to the unit. `"reference"` reproduces the authors'
            float32 arithmetic, which ends up to 29 below (smart) and keeps `classifier_keep` of the
            classifier in `uniform` too.
        classifier_keep: fraction of the last layer kept by the smart rules. With exact rounding it never
            takes more than half of the whole budget.
        redistribute: give what a full layer cannot hold to the others. False only cuts full layers off, as
            the official code of some rules does (balanced; ERK in some places), and leaves the total short;
            `uniform_dense_first` is then RigL's, above the total: what its dense first layer takes more is
            not taken from the others. Say which one a reported number used.
        min_keep: every layer keeps at least so many weights (one number, or one a layer), or all it has. The
            others give them up, so the total stays exact. Only with exact rounding.
        room: how many weights each layer can hold: a search inside a source mask has only those. Layers that
            are full then are treated as above. Only with exact rounding.

    Returns:
        List of ints in forward order.

    Raises:
        ValueError: an unknown name, a value out of range, a budget of no weights at all, or one that the
            ratios or `min_keep` cannot meet.

    Example:
        >>> shapes = [(784, 300), (300, 100), (100, 10)]
        >>> tt.keep_counts(shapes, sparsity=0.98)
        >>> tt.keep_counts(shapes, sparsity=0.98, ratios="erk", min_keep=100)
        >>> tt.keep_counts(shapes, sparsity=0.98, ratios=[0.02, 0.03, 0.4])

    Reference: section 4.2, "smart ratio", of the sanity-checking paper. `er`: SET (Mocanu et al., 2018).
    `erk` and `uniform_dense_first`: "Sparsity distribution" in RigL (Evci et al., 2020). `balanced` and
    `pyramidal`: "Why Random Pruning Is All We Need to Start Sparse" (Gadhikar et al., 2023).
    """
    check_choice("rounding", rounding, ROUNDINGS)
    plan = _plan(model_or_shapes, sparsity, ratios, family, classifier_keep, redistribute, min_keep, room)
    if rounding == "reference":
        return _reference_of(plan, ratios)(plan.shapes, plan.sparsity, plan.family, plan.classifier_keep)
    counts = plan.pour(plan.total)
    return round_to_total(counts, plan.room, plan.total if redistribute else round(counts.sum()))


def keep_densities(
    model_or_shapes: keras.Model | Sequence[Shape],
    sparsity: float,
    ratios: Ratios = "smart",
    family: str | None = None,
    classifier_keep: float = CLASSIFIER_KEEP,
    redistribute: bool = True,
    min_keep: int | Sequence[int] = 0,
) -> list[float]:
    """Fraction to keep of each layer, before counts are rounded to whole weights.

    These are the parameters of Bernoulli masks: of a layer with m weights and density d, d m are kept on
    average, and N(1 - sparsity) of the whole network. Arguments and errors are those of `keep_counts`.

    Args:
        model_or_shapes: a built Keras model, or kernel shapes in Keras layout, in forward order.
        sparsity: fraction of all prunable weights to remove, in [0, 1).
        ratios: a rule's name, numbers, a mapping or a Ticket.
        family: `"vgg"` or `"resnet"`, the two forms of the smart ratio; None is read off the model.
        classifier_keep: fraction of the last layer kept by the smart rules.
        redistribute: give what a full layer cannot hold to the others.
        min_keep: every layer keeps at least so many weights on average.

    Returns:
        List of floats in [0, 1], in forward order.

    Raises:
        ValueError: as `keep_counts`.

    Example:
        >>> tt.pruning.keep_densities([(784, 300), (300, 100), (100, 10)], sparsity=0.98, ratios="balanced")

    Reference: "Why Random Pruning Is All We Need to Start Sparse" (Gadhikar et al., 2023), ER masks.
    """
    plan = _plan(model_or_shapes, sparsity, ratios, family, classifier_keep, redistribute, min_keep)
    counts = plan.pour(plan.sizes.sum() * (1 - plan.sparsity))
    return [float(density) for density in counts / plan.sizes]


def family_of(model_name: str) -> str:
    """Family of the smart ratios for a model name: `vgg` for the VGGs of tf_tickets.models."""
    return "vgg" if model_name.startswith("vgg") and model_name.endswith("_bn") else "resnet"


def check_sparsity(sparsity: float) -> float:
    """The sparsity as a float, or a ValueError that says what is accepted."""
    if not is_number(sparsity) or not 0 <= sparsity < 1:
        raise ValueError(
            f"sparsity is the fraction of weights to remove, a number in [0, 1). Received: {sparsity!r}"
        )
    return float(sparsity)


def check_classifier_keep(fraction: float) -> float:
    """The fraction as a float, or a ValueError that says what is accepted."""
    if not is_number(fraction) or not 0 < fraction <= 1:
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
        densities: (shapes, family) -> one number a layer for the pour: a relative density, of which only the
            proportions matter (of `pyramid`, the depth).
        pour: (densities, sizes, budget) -> real-valued counts whose sum is the budget, none above its size.
        clamped: the same without redistribution: the sum may miss the budget.
        classifier_apart: the last layer gets `classifier_keep` of its weights; the rest goes by the rule.
        reference: the authors' arithmetic, where there is one.
    """

    densities: Densities
    pour: Pour
    clamped: Pour
    classifier_apart: bool = False
    reference: Callable[[Sequence[Shape], float, str, float], list[int]] | None = None


def water_fill(densities: np.ndarray, sizes: np.ndarray, budget: float) -> np.ndarray:
    """Counts proportional to density * size, full layers capped and their surplus shared in proportion.

    What RigL's search for epsilon finds. Layers of density zero stay empty.
    """
    counts = np.zeros(len(sizes))
    open_ = np.ones(len(sizes), bool)
    while open_.any():
        counts[open_] = _shares(densities[open_], sizes[open_], budget - counts[~open_].sum())
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
    counts = _shares(densities, sizes, budget)
    carried = 0.0
    for _ in range(2):
        for layer, size in enumerate(sizes):
            wanted = counts[layer] + carried
            counts[layer] = min(wanted, size)
            carried = wanted - counts[layer]
    return counts


def clamp(densities: np.ndarray, sizes: np.ndarray, budget: float) -> np.ndarray:
    """Counts proportional to density * size; what a full layer cannot hold is lost."""
    return np.minimum(_shares(densities, sizes, budget), sizes)


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


def _shares(densities: np.ndarray, sizes: np.ndarray, budget: float) -> np.ndarray:
    """The budget in proportion to density * size."""
    if not densities.any():
        return np.zeros(len(sizes))
    # Relative to the largest, for densities so small that a quotient by their sum would overflow.
    weights = densities / densities.max() * sizes
    return weights * (max(budget, 0.0) / weights.sum())


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


@dataclasses.dataclass(frozen=True)
class _Plan:
    """Checked arguments of `keep_counts`."""

    shapes: list[Shape]
    rule: Rule
    sparsity: float
    family: str
    classifier_keep: float
    redistribute: bool
    floors: np.ndarray
    room: np.ndarray

    @property
    def sizes(self) -> np.ndarray:
        return np.array([math.prod(shape) for shape in self.shapes], dtype=np.int64)

    @property
    def total(self) -> int:
        return total_to_keep(int(self.sizes.sum()), self.sparsity)

    def pour(self, budget: float) -> np.ndarray:
        """Real-valued counts in [floors, sizes]; their sum is the budget if the plan redistributes."""
        sizes, floors, total = self.sizes, self.floors, self.total
        densities = self.rule.densities(self.shapes, self.family)
        self._check_room(densities, sizes, total)
        pour = self.rule.pour if self.redistribute else self.rule.clamped
        if (self.room < sizes).any():
            return self._pour_inside(pour, densities, budget)
        if not self.rule.classifier_apart or len(sizes) == 1:
            return pour_above(floors, pour, densities, sizes, budget)
        last = classifier_count(int(sizes[-1]), int(sizes.sum()), total, self.classifier_keep)
        last = min(max(last, int(floors[-1])), total - int(floors[:-1].sum()))
        others = pour_above(floors[:-1], pour, densities[:-1], sizes[:-1], budget - last)
        return np.array([*others, last])

    def _pour_inside(self, pour: Pour, densities: np.ndarray, budget: float) -> np.ndarray:
        """As `pour`, where layers have less room than their sizes."""
        sizes, room, apart = self.sizes, self.room, self.rule.classifier_apart and len(self.shapes) > 1
        if self.rule.pour is dense_first and room[0] < sizes[0]:
            raise ValueError(
                f'ratios="uniform_dense_first" keeps all {sizes[0]:,} weights of the first layer, of which '
                f"the source mask has {room[0]:,}. Choose other ratios."
            )
        last = []
        if apart:
            asked = classifier_count(int(sizes[-1]), int(sizes.sum()), self.total, self.classifier_keep)
            last = [min(max(asked, self.total - int(room[:-1].sum())), int(room[-1]))]
        count = len(sizes) - len(last)
        counts = pour_below(
            room[:count], pour, densities[:count], sizes[:count], budget - sum(last), self.redistribute
        )
        counts = np.array([*counts, *last], float)
        missing = np.maximum(np.minimum(self.floors, room) - counts, 0)
        spare = np.maximum(counts - np.minimum(self.floors, room), 0)
        return counts + missing - spare * (missing.sum() / max(spare.sum(), 1e-300))

    def _check_room(self, densities: np.ndarray, sizes: np.ndarray, total: int) -> None:
        if self.floors.sum() > total:
            raise ValueError(
                f"min_keep= asks for {self.floors.sum():,} weights in all layers together, and the budget at "
                f"sparsity={self.sparsity} is {total:,}. Lower min_keep or the sparsity."
            )
        room = np.where(densities > 0, self.room, np.minimum(self.floors, self.room)).sum()
        if self.redistribute and room < total:
            raise ValueError(
                f"The budget at sparsity={self.sparsity} is {total:,} weights, and the layers whose ratio is "
                f"not 0 can hold {room:,}. Give more layers a ratio above 0, or raise the sparsity."
            )


def counts_inside(
    model: keras.Model, sparsity: float, ratios: Ratios, source: Sequence[np.ndarray]
) -> list[int]:
    """The counts of `keep_counts` for a search inside the bool masks `source`, which bound every layer.

    Raises:
        ValueError: the masks keep less than is asked for; and as `keep_counts`.
    """
    room = [int(np.count_nonzero(mask)) for mask in source]
    check_inside(sparsity, sum(room), sum(mask.size for mask in source))
    return keep_counts(model, sparsity, ratios, room=room)


def check_inside(sparsity: float, room: int, total: int) -> None:
    """Refuses a target that is denser than the source mask that it is to lie in."""
    keep = total_to_keep(total, sparsity)
    if keep > room:
        raise ValueError(
            f"sparsity={sparsity} keeps {keep:,} of {total:,} weights, a density of {1 - sparsity:.6g}, and "
            f"the source mask has {room:,}, a density of {room / total:.6g}: a target cannot be denser "
            "than its source. Raise the sparsity, or the source's density."
        )


def _plan(
    model_or_shapes, sparsity, ratios, family, classifier_keep, redistribute, min_keep, room=None
) -> _Plan:
    if isinstance(model_or_shapes, keras.Model):
        entries = prunable_weights(model_or_shapes)
        shapes = [entry.shape for entry in entries]
        names = [(entry.name, entry.layer.name) for entry in entries]
        family = family_of(model_or_shapes.name) if family is None else family
    else:
        shapes, names = _checked_shapes(model_or_shapes), None
        family = "resnet" if family is None else family
    sparsity = check_sparsity(sparsity)
    check_choice("family", family, FAMILIES)
    classifier_keep = check_classifier_keep(classifier_keep)
    if not shapes:
        raise ValueError("keep_counts needs at least one prunable weight. Received none.")
    rule, floors = _rule(ratios, shapes, names), _floors(min_keep, shapes)
    sizes = np.array([math.prod(shape) for shape in shapes], np.int64)
    room = sizes if room is None else np.minimum(np.array(room, np.int64), sizes)
    return _Plan(shapes, rule, sparsity, family, classifier_keep, redistribute, floors, room)


def _reference_of(plan: _Plan, ratios: Ratios) -> Callable[[Sequence[Shape], float, str, float], list[int]]:
    if not plan.redistribute:
        raise ValueError('redistribute=False is a choice of rounding="exact". Received: "reference"')
    if (plan.room < plan.sizes).any():
        raise ValueError('Inside a source mask counts have rounding="exact". Received: "reference"')
    if plan.floors.any():
        raise ValueError('min_keep= is a choice of rounding="exact". Received: "reference"')
    if plan.rule.reference is None:
        named = ", ".join(name for name, other in RATIOS.items() if other.reference)
        asked = repr(ratios) if isinstance(ratios, str) else f"a {type(ratios).__name__}"
        raise ValueError(
            f'ratios={asked} has no reference rounding; only {named} have. Use rounding="exact".'
        )
    return plan.rule.reference


def _rule(ratios: Ratios, shapes: Sequence[Shape], names: Sequence[tuple[str, str]] | None) -> Rule:
    """The row of a rule's name; ratios that are given make a row of their own."""
    if isinstance(ratios, str) and ratios in RATIOS:
        return RATIOS[ratios]
    values: list | None
    if isinstance(ratios, Ticket):
        values = _ratios_of_ticket(ratios, shapes)
    elif isinstance(ratios, Mapping):
        values = _ratios_by_name(ratios, names)
    else:
        values = _items(ratios)
    if values is None:
        raise ValueError(
            f"ratios={ratios!r} is unknown. Choose one of: {', '.join(RATIOS)}. Or give one number in [0, 1] "
            "a layer, a mapping from names of weights or layers to such numbers, or a Ticket."
        )
    if len(values) != len(shapes):
        raise ValueError(
            f"ratios= takes one number a layer, and there are {len(shapes)} layers. Received: {len(values)}"
        )
    for layer, value in enumerate(values):
        if not is_number(value) or not 0 <= value <= 1:
            raise ValueError(f"ratios= takes numbers in [0, 1]. Received for layer {layer}: {value!r}")
    densities = np.array(values, np.float64)
    if not densities.any():
        raise ValueError("ratios= are all 0: nothing would be kept. Give at least one layer a ratio above 0.")
    return Rule(densities=lambda shapes, family: densities, pour=water_fill, clamped=clamp)


def _ratios_of_ticket(ticket: Ticket, shapes: Sequence[Shape]) -> list[float]:
    own = [layer.shape for layer in ticket.layers]
    if own != list(shapes):
        raise ValueError(
            f"ratios= is a Ticket for another network. Its weights have shapes {own}; here they are {shapes}."
        )
    return [layer.keep_ratio for layer in ticket.layers]


def _ratios_by_name(ratios: Mapping[str, float], names: Sequence[tuple[str, str]] | None) -> list[float]:
    """Each weight's ratio, under its own name or under its layer's."""
    if names is None:
        raise ValueError(
            "ratios= by name need a model; shapes have no names. Give one number a layer instead."
        )
    known = "The names here are " + ", ".join(f"{name!r} (layer {layer!r})" for name, layer in names) + "."
    unknown = [key for key in ratios if not any(key in pair for pair in names)]
    if unknown:
        raise ValueError(f"ratios= names what is no prunable weight or layer: {unknown}. {known}")
    found = [[key for key in dict.fromkeys(pair) if key in ratios] for pair in names]
    missing = [name for (name, _), keys in zip(names, found, strict=True) if not keys]
    if missing:
        raise ValueError(f"ratios= gives no number for {missing}: every prunable weight needs one. {known}")
    twice = [keys for keys in found if len(keys) > 1]
    if twice:
        raise ValueError(f"ratios= names a weight twice, as {' and as '.join(map(repr, twice[0]))}. {known}")
    return [ratios[key] for (key,) in found]


def _items(value: Any) -> list | None:
    """The items of a sequence or of a one-dimensional array; None of anything else."""
    if isinstance(value, np.ndarray):
        return list(value) if value.ndim == 1 else None
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else None


def _floors(min_keep: int | Sequence[int], shapes: Sequence[Shape]) -> np.ndarray:
    """What each layer keeps at least: as asked, and no more than it has."""
    values = _items(min_keep)
    if values is None:
        values = [min_keep] * len(shapes)
    if len(values) != len(shapes):
        raise ValueError(
            f"min_keep= takes one count, or one a layer, and there are {len(shapes)} layers. "
            f"Received: {len(values)}"
        )
    for value in values:
        if not is_whole(value, 0):
            raise ValueError(
                f"min_keep= takes counts of weights, whole numbers from 0 on. Received: {value!r}"
            )
    return np.array(
        [min(int(value), math.prod(shape)) for value, shape in zip(values, shapes, strict=True)], np.int64
    )


def _uniform(shapes, family) -> np.ndarray:
    return np.ones(len(shapes))


def _erdos_renyi(dimensions: slice) -> Densities:
    """Sum over product of the dimensions: of the last two (channels, or units), or of the whole kernel."""

    def densities(shapes, family):
        return np.array([sum(shape[dimensions]) / math.prod(shape[dimensions]) for shape in shapes])

    return densities


def _balanced(shapes, family) -> np.ndarray:
    return np.array([1 / math.prod(shape) for shape in shapes])


def _depth(shapes, family) -> np.ndarray:
    return np.arange(1, len(shapes) + 1, dtype=np.float64)


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
        clamped=clamp,
        classifier_apart=True,
        reference=_smart_reference(polynomial, ascending),
    )


RATIOS: dict[str, Rule] = {
    "smart": _smart_rule(_quadratic),
    "smart_linear": _smart_rule(_linear),
    "smart_cubic": _smart_rule(_cubic),
    "smart_ascending": _smart_rule(_quadratic, ascending=True),
    "uniform": Rule(_uniform, pour=water_fill, clamped=clamp, reference=_uniform_reference),
    "uniform_dense_first": Rule(_uniform, pour=dense_first, clamped=dense_first_clamped),
    "er": Rule(_erdos_renyi(slice(-2, None)), pour=water_fill, clamped=clamp),
    "erk": Rule(_erdos_renyi(slice(None)), pour=water_fill, clamped=clamp),
    "balanced": Rule(_balanced, pour=water_fill, clamped=clamp),
    "pyramidal": Rule(_depth, pour=pyramid, clamped=pyramid),
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


def check_choice(argument: str, value, choices) -> None:
    """Refuses a name that is not among the choices, and lists them."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{argument}={value!r} is unknown. Choose one of: {', '.join(choices)}.")
