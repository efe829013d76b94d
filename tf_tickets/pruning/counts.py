"""Keep counts: how many weights each layer keeps, from the layers' shapes alone.

Counts are met to the unit (`rounding="exact"`), or follow the authors' float32 arithmetic and truncations
(`rounding="reference"`). Layers are given, and counted, in forward order. The classifiers are those that
feed an output of the model; of bare shapes it is the last one.
"""

import math
from collections.abc import Sequence

import keras
import numpy as np

from tf_tickets.pruning.choices import CLASSIFIER_KEEP, ROUNDINGS, check_choice
from tf_tickets.pruning.count_plan import CountPlan, plan_counts
from tf_tickets.pruning.given_ratios import Ratios
from tf_tickets.pruning.pours import round_to_total
from tf_tickets.pruning.ratios import RATIOS
from tf_tickets.pruning.reference_counts import LayerCounts, Shape
from tf_tickets.pruning.sparsity import check_inside
from tf_tickets.support.short_reprs import ShortList


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
    units: Sequence[int] | None = None,
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
        classifier_keep: fraction of each classifier, the layers that feed an output, kept by the smart rules;
            of bare shapes it is the last. With exact rounding they never take more than half of the whole
            budget.
        redistribute: give what a full layer cannot hold to the others. False only cuts full layers off, as
            the official code of some rules does (balanced; ERK in some places), and leaves the total short;
            `uniform_dense_first` is then RigL's, above the total: what its dense first layer takes more is
            not taken from the others. Say which one a reported number used.
        min_keep: every layer keeps at least so many weights (one number, or one a layer), or all it has. The
            others give them up, so the total stays exact. Only with exact rounding.
        room: how many weights each layer can hold: a search inside a source mask has only those. Layers that
            are full then are treated as above. Only with exact rounding.
        units: in how many groups, of about one size, the weights of each layer are kept, where they are kept
            in groups; then groups are counted instead of weights, also in `min_keep` and `room`. Only with
            exact rounding.

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
    plan = plan_counts(
        model_or_shapes, sparsity, ratios, family, classifier_keep, redistribute, min_keep, room, units
    )
    if rounding == "reference":
        reference = _reference_of(plan, ratios)
        return ShortList(
            reference(plan.shapes, plan.sparsity, plan.family, plan.classifier_keep, plan.classifiers)
        )
    counts = plan.pour(plan.total)
    total = plan.total if redistribute else round(counts.sum())
    return ShortList(round_to_total(counts, plan.room, total))


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
        classifier_keep: fraction of each classifier kept by the smart rules.
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
    plan = plan_counts(model_or_shapes, sparsity, ratios, family, classifier_keep, redistribute, min_keep)
    counts = plan.pour(plan.sizes.sum() * (1 - plan.sparsity))
    return ShortList(float(density) for density in counts / plan.sizes)


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


def _reference_of(plan: CountPlan, ratios: Ratios) -> LayerCounts:
    if not plan.redistribute:
        raise ValueError('redistribute=False is a choice of rounding="exact". Received: "reference"')
    if (plan.sizes != [math.prod(shape) for shape in plan.shapes]).any():
        raise ValueError('units= is a choice of rounding="exact". Received: "reference"')
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
