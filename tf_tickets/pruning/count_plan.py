"""The plan of keep counts: checked arguments, and the real-valued counts that a rule pours for them."""

import dataclasses
import math
import operator
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from tf_tickets.layers import classifiers_of, nothing_to_prune, prunable_weights
from tf_tickets.models.architectures import family_of
from tf_tickets.pruning.choices import DEFAULT_FAMILY, FAMILIES, check_choice
from tf_tickets.pruning.classifier import (
    check_classifier_keep,
    classifier_counts,
    counts_within,
    set_apart,
)
from tf_tickets.pruning.given_ratios import Ratios, items, rule_of
from tf_tickets.pruning.pours import Pour, pour_above, pour_below
from tf_tickets.pruning.ratios import Rule
from tf_tickets.pruning.reference_counts import Shape
from tf_tickets.pruning.sparsity import check_sparsity, total_to_keep
from tf_tickets.support.numbers import is_whole


@dataclasses.dataclass(frozen=True, kw_only=True)
class CountPlan:
    """Checked arguments of `keep_counts`.

    Attributes:
        shapes: of the weights, in forward order.
        rule: the row of the ratios.
        sparsity: fraction of all weights to remove.
        family: form of the rule.
        classifiers: positions of the weights that feed an output.
        classifier_keep: fraction of each of them that is kept where they are set apart.
        redistribute: whether other layers get what a full layer cannot hold.
        floors: what each layer keeps at least.
        room: what each layer can hold.
        sizes: how many things each layer has that are counted: weights, or groups of them.
    """

    shapes: list[Shape]
    rule: Rule
    sparsity: float
    family: str
    classifiers: tuple[int, ...]
    classifier_keep: float
    redistribute: bool
    floors: np.ndarray
    room: np.ndarray
    sizes: np.ndarray

    @property
    def total(self) -> int:
        """Number of weights that the whole network keeps."""
        return total_to_keep(int(self.sizes.sum()), self.sparsity)

    def pour(self, budget: float) -> np.ndarray:
        """Real-valued counts in [floors, sizes]; their sum is the budget if the plan redistributes."""
        sizes, floors, total = self.sizes, self.floors, self.total
        densities = self.rule.densities(self.shapes, self.family)
        self._check_room(densities, total)
        pour = self.rule.pour if self.redistribute else self.rule.clamped
        if (self.room < sizes).any():
            return self._pour_inside(pour, densities, budget)
        apart = self._apart
        if not apart:
            return pour_above(floors, pour, densities, sizes, budget)
        others = self._others
        counts = np.zeros(len(sizes))
        asked = [max(a, int(b)) for a, b in zip(self._asked(), floors[apart], strict=True)]
        most = total - int(floors[others].sum())
        counts[apart] = asked if sum(asked) <= most else self._less(asked, floors[apart], most)
        rest = budget - counts[apart].sum()
        counts[others] = pour_above(floors[others], pour, densities[others], sizes[others], rest)
        return counts

    @property
    def _apart(self) -> list[int]:
        """Positions of the layers that are set apart."""
        return list(set_apart(self.classifiers, len(self.shapes)) if self.rule.classifier_apart else ())

    @property
    def _others(self) -> list[int]:
        apart = self._apart
        return [layer for layer in range(len(self.shapes)) if layer not in apart]

    def _asked(self) -> list[int]:
        """What the classifiers keep, as far as there is room in the network."""
        sizes = self.sizes
        own = [int(sizes[layer]) for layer in self._apart]
        return classifier_counts(own, int(sizes.sum()), self.total, self.classifier_keep)

    @staticmethod
    def _less(asked: list[int], floors: np.ndarray, most: int) -> list[int]:
        """The floors, and of what is asked above them as much as there is."""
        above = [count - int(floor) for count, floor in zip(asked, floors, strict=True)]
        more = counts_within([0] * len(above), above, most - int(floors.sum()))
        return [int(floor) + count for floor, count in zip(floors, more, strict=True)]

    def _pour_inside(self, pour: Pour, densities: np.ndarray, budget: float) -> np.ndarray:
        """As `pour`, where layers have less room than their sizes."""
        sizes, room, apart, others = self.sizes, self.room, self._apart, self._others
        if self.rule.dense_first and room[0] < sizes[0]:
            raise ValueError(
                f'ratios="uniform_dense_first" keeps all {sizes[0]:,} weights of the first layer, of which '
                f"the source mask has {room[0]:,}. Choose other ratios."
            )
        counts = np.zeros(len(sizes))
        if apart:
            own = [int(room[layer]) for layer in apart]
            counts[apart] = counts_within(self._asked(), own, self.total - int(room[others].sum()))
        rest = budget - counts[apart].sum()
        counts[others] = pour_below(
            room[others], pour, densities[others], sizes[others], rest, self.redistribute
        )
        missing = np.maximum(np.minimum(self.floors, room) - counts, 0)
        spare = np.maximum(counts - np.minimum(self.floors, room), 0)
        return counts + missing - spare * (missing.sum() / max(spare.sum(), 1e-300))

    def _check_room(self, densities: np.ndarray, total: int) -> None:
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


def plan_counts(
    model_or_shapes: keras.Model | Sequence[Shape],
    sparsity: float,
    ratios: Ratios,
    family: str | None,
    classifier_keep: float,
    redistribute: bool,
    min_keep: int | Sequence[int],
    room: Sequence[int] | None = None,
    units: Sequence[int] | None = None,
) -> CountPlan:
    """The plan of arguments as `keep_counts` takes them, or its errors."""
    names: list[tuple[str, str]] | None = None
    classifiers: tuple[int, ...]
    if isinstance(model_or_shapes, keras.Model):
        entries = prunable_weights(model_or_shapes)
        classifiers = classifiers_of(model_or_shapes, entries).positions
        if not entries:
            raise ValueError(nothing_to_prune(model_or_shapes))
        shapes = [entry.shape for entry in entries]
        names = [(entry.name, entry.layer.name) for entry in entries]
        family = family_of(model_or_shapes.name) if family is None else family
    else:
        shapes = _checked_shapes(model_or_shapes)
        classifiers = (len(shapes) - 1,)
    family = DEFAULT_FAMILY if family is None else family
    sparsity = check_sparsity(sparsity)
    check_choice("family", family, FAMILIES)
    classifier_keep = check_classifier_keep(classifier_keep)
    if not shapes:
        raise ValueError("keep_counts needs at least one prunable weight. Received none.")
    sizes = np.array([math.prod(shape) for shape in shapes] if units is None else units, np.int64)
    return CountPlan(
        shapes=shapes,
        rule=rule_of(ratios, shapes, names),
        sparsity=sparsity,
        family=family,
        classifiers=classifiers,
        classifier_keep=classifier_keep,
        redistribute=redistribute,
        floors=_floors(min_keep, sizes),
        sizes=sizes,
        room=sizes if room is None else np.minimum(np.array(room, np.int64), sizes),
    )


def _floors(min_keep: int | Sequence[int], sizes: np.ndarray) -> np.ndarray:
    """What each layer keeps at least: as asked, and no more than it has."""
    values = items(min_keep)
    if values is None:
        values = [min_keep] * len(sizes)
    if len(values) != len(sizes):
        raise ValueError(
            f"min_keep= takes one count, or one a layer, and there are {len(sizes)} layers. "
            f"Received: {len(values)}"
        )
    for value in values:
        if not is_whole(value, 0):
            raise ValueError(
                f"min_keep= takes counts of weights, whole numbers from 0 on. Received: {value!r}"
            )
    return np.minimum(np.array([int(value) for value in values], np.int64), sizes)


def _checked_shapes(shapes: Any) -> list[Shape]:
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
