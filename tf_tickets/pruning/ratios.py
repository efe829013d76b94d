"""Ratios by name: rules for how many weights each layer keeps, from the layers' shapes alone.

Every rule gives each layer a relative density, then a way to pour the budget over them. Reading the table
loads no TensorFlow.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tf_tickets.pruning import pours, reference_counts
from tf_tickets.pruning.choices import DEPTH_POWERS, FAMILIES, GLOBAL
from tf_tickets.pruning.pours import Pour
from tf_tickets.pruning.reference_counts import LayerCounts, Shape
from tf_tickets.support.own_code import is_own, own_row
from tf_tickets.support.short_reprs import Rows

Densities = Callable[[Sequence[Shape], str], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Rule:
    """One row of the table of layer-wise ratios.

    Attributes:
        densities: (shapes, family) -> one number a layer for the pour: a relative density, of which only the
            proportions matter (of `pyramid`, the depth).
        pour: (densities, sizes, budget) -> real-valued counts whose sum is the budget, none above its size.
        clamped: the same without redistribution: the sum may miss the budget.
        classifier_apart: each classifier gets `classifier_keep` of its weights; the rest goes by the rule.
        reference: the authors' arithmetic, where there is one.
        dense_first: the first layer keeps all its weights.
        families: names of the families of networks that it has a form for; none where it has one form.
    """

    densities: Densities
    pour: Pour
    clamped: Pour
    classifier_apart: bool = False
    reference: LayerCounts | None = None
    dense_first: bool = False
    families: tuple[str, ...] = ()


def ranks_all(ratios: Any) -> bool:
    """Whether all layers are ranked together, so that none has a ratio of its own."""
    return isinstance(ratios, str) and ratios == GLOBAL


def named_rule(ratios: Any) -> Rule | None:
    """The row of a rule's name, or one made of a function; None where layers are ranked, or ratios given.

    A function takes the shapes of the kernels, in forward order, and returns a number for each: relative
    densities, of which only the proportions matter. It may be named, `"module:function"`; what is named may
    be a `Rule`.
    """
    if callable(ratios):
        return _own_rule(ratios)
    if is_own(ratios):
        return own_row("ratios", ratios, Rule, _own_rule)
    return RATIOS.get(ratios) if isinstance(ratios, str) else None


def _own_rule(function: Callable[[Sequence[Shape]], Any]) -> Rule:
    """A rule of the user's own; what it returns is checked when it is asked."""

    def densities(shapes: Sequence[Shape], family: str) -> np.ndarray:
        name = getattr(function, "__name__", repr(function))
        try:
            values = np.asarray(function([tuple(shape) for shape in shapes]), np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"ratios={name}: it returns one number a layer, and failed: {error}") from error
        if (
            values.shape != (len(shapes),)
            or not np.isfinite(values).all()
            or values.min() < 0
            or not values.any()
        ):
            raise ValueError(
                f"ratios={name}: it returns {len(shapes)} numbers here, one a layer, 0 or more, not all 0. "
                f"Received: {values.tolist()!s:.100}"
            )
        return values

    return _water_filled(densities)


def _uniform(shapes: Sequence[Shape], family: str) -> np.ndarray:
    return np.ones(len(shapes))


def _erdos_renyi(dimensions: slice) -> Densities:
    """Sum over product of the dimensions: of the last two (channels, or units), or of the whole kernel."""

    def densities(shapes: Sequence[Shape], family: str) -> np.ndarray:
        return np.array([sum(shape[dimensions]) / math.prod(shape[dimensions]) for shape in shapes])

    return densities


def _balanced(shapes: Sequence[Shape], family: str) -> np.ndarray:
    return np.array([1 / math.prod(shape) for shape in shapes])


def _depth(shapes: Sequence[Shape], family: str) -> np.ndarray:
    return np.arange(1, len(shapes) + 1, dtype=np.float64)


def _smart(polynomial: Callable[[np.ndarray], np.ndarray], ascending: bool = False) -> Densities:
    """Densities that follow a polynomial of the depth left; VGGs divide them by depth squared."""

    def densities(shapes: Sequence[Shape], family: str) -> np.ndarray:
        depth = np.arange(1, len(shapes) + 1, dtype=np.float64)
        values = polynomial(depth if ascending else len(shapes) - depth + 1)
        return values if ascending else values / depth ** DEPTH_POWERS[family]

    return densities


def _quadratic(k: np.ndarray) -> np.ndarray:
    return k * k + k


def _linear(k: np.ndarray) -> np.ndarray:
    return k


def _cubic(k: np.ndarray) -> np.ndarray:
    return k**3


def _smart_rule(polynomial: Callable[[np.ndarray], np.ndarray], ascending: bool = False) -> Rule:
    return Rule(
        densities=_smart(polynomial, ascending),
        pour=pours.carry_forward,
        clamped=pours.clamp,
        classifier_apart=True,
        families=FAMILIES,
        reference=reference_counts.smart_counts(polynomial, ascending),
    )


def _water_filled(densities: Densities, reference: LayerCounts | None = None) -> Rule:
    return Rule(densities=densities, pour=pours.water_fill, clamped=pours.clamp, reference=reference)


RATIOS: dict[str, Rule] = {
    "smart": _smart_rule(_quadratic),
    "smart_linear": _smart_rule(_linear),
    "smart_cubic": _smart_rule(_cubic),
    "smart_ascending": _smart_rule(_quadratic, ascending=True),
    "uniform": _water_filled(_uniform, reference=reference_counts.uniform_counts),
    "uniform_dense_first": Rule(
        densities=_uniform, pour=pours.dense_first, clamped=pours.dense_first_clamped, dense_first=True
    ),
    "er": _water_filled(_erdos_renyi(slice(-2, None))),
    "erk": _water_filled(_erdos_renyi(slice(None))),
    "balanced": _water_filled(_balanced),
    "pyramidal": Rule(densities=_depth, pour=pours.pyramid, clamped=pours.pyramid),
}
RATIOS = Rows(RATIOS)
