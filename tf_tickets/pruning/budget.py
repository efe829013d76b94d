"""The budget of a round: how many weights it keeps, as far as that is known before scoring."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tf_tickets.layers import Classifiers, MaskedWeight, classifiers_of
from tf_tickets.pruning.choices import CLASSIFIER_KEEP
from tf_tickets.pruning.classifier import (
    check_classifier_fits,
    check_classifier_keep,
    classifier_counts,
    counts_within,
    set_apart,
)
from tf_tickets.pruning.classifier_choice import chosen_classifier_keep
from tf_tickets.pruning.counts import keep_counts, keep_densities
from tf_tickets.pruning.flow_preservation import least_to_flow
from tf_tickets.pruning.patterns import layouts_of
from tf_tickets.pruning.quota import Quota, check_quota, checked_rounds
from tf_tickets.pruning.ratios import named_rule
from tf_tickets.pruning.scored_weights import weights_to_score
from tf_tickets.pruning.scores import Score, ScoreFunction, score_row
from tf_tickets.pruning.sparsity import check_inside, check_sparsity, round_sparsities, total_to_keep
from tf_tickets.pruning.unit_layouts import Layout
from tf_tickets.support.short_reprs import short_fields

NO_CLASSIFIER = Classifiers(())


@dataclasses.dataclass(frozen=True)
class Budget:
    """How many weights a round keeps, or groups of a pattern, as far as that is known before scoring.

    Attributes:
        counts: for each layer; None where the layers are ranked together.
        densities: probability of each layer's weights, for Bernoulli sampling.
        ranked: kept by the ranking, classifiers left out where they are apart.
        classifiers: kept of each classifier that is set apart, by its position; none where they are ranked
            with the rest, or no weight is one.
        least: kept of each layer at least.
        apart: the fraction of each classifier that was asked for, or None.
        feeding: the weights that are classifiers, set apart or not.
    """

    counts: list[int] | None = None
    densities: list[float] | None = None
    ranked: int = 0
    classifiers: Mapping[int, int] = dataclasses.field(default_factory=dict)
    least: tuple[int, ...] = ()
    apart: float | None = None
    feeding: Classifiers = NO_CLASSIFIER

    __repr__ = short_fields

    @property
    def classifier(self) -> int | None:
        """Kept of all classifiers together, or None where none is set apart."""
        return sum(self.classifiers.values()) if self.classifiers else None


def plan_budgets(
    model: keras.Model,
    score: str | ScoreFunction,
    quota: Quota,
    trains_between: bool = False,
    within: Sequence[np.ndarray] | None = None,
    layouts: Sequence[Layout] | None = None,
) -> list[Budget]:
    """The budget of each round, or the error that `draw_ticket` would raise.

    Args:
        model: a built Keras model.
        score: name or callable.
        quota: how many to keep, and where.
        trains_between: whether the network is trained between rounds.
        within: masks that the first round starts from; None starts from all weights.
        layouts: what weights are counted and kept in; None: as the quota's pattern has it.
    """
    row = score_row(score)
    target = check_sparsity(quota.sparsity)
    rounds = checked_rounds(quota.rounds, score, row, trains_between)
    check_quota(quota, row)
    entries = weights_to_score(model)
    if row.refuses is not None:
        row.refuses(entries)
    if layouts is None:
        layouts, _ = layouts_of(model, entries, quota.pattern)
    everything: Sequence[None] = [None] * len(layouts)
    room = [layout.room(x) for layout, x in zip(layouts, within or everything, strict=True)]
    total = sum(layout.size for layout in layouts)
    if quota.pattern is not None:
        _check_pattern_holds(quota, sum(room), total, within is not None)
    if within is not None:
        check_inside(target, sum(room), total)
        if quota.sampling == "bernoulli":
            raise ValueError("sampling='bernoulli' draws from all weights; within= is for exact counts.")
    found = classifiers_of(model, entries)
    budgets = [_plan(model, entries, layouts, quota, row, room, found)]
    # Layers that end with nothing hold nothing in the rounds before, either.
    holds = total if budgets[0].counts is None else _size_of_kept(layouts, budgets[0].counts)
    for sparsity in round_sparsities(target, rounds, 1 - sum(room) / total)[-2::-1]:
        earlier = dataclasses.replace(quota, sparsity=max(sparsity, 1 - holds / total), rounding="exact")
        budgets.append(_between(budgets[-1], _plan(model, entries, layouts, earlier, row, room, found), room))
    return budgets[::-1]


def _check_pattern_holds(quota: Quota, room: int, total: int, inside: bool) -> None:
    """Refuses a target that is denser than the pattern can be."""
    keep = total_to_keep(total, quota.sparsity)
    if keep > room:
        where = ""
        if inside:
            where = " inside the given masks (groups count that lie there as a whole)"
        raise ValueError(
            f"sparsity={quota.sparsity} keeps {keep:,} of {total:,}, and pattern={quota.pattern!r} can hold "
            f"{room:,}{where}, a density of {room / total:.6g}. Raise the sparsity"
            f"{', or give masks of the same pattern' if inside else ''}."
        )


def _size_of_kept(layouts: Sequence[Layout], counts: Sequence[int]) -> int:
    return sum(layout.size for layout, count in zip(layouts, counts, strict=True) if count)


def _plan(
    model: keras.Model,
    entries: Sequence[MaskedWeight],
    layouts: Sequence[Layout],
    quota: Quota,
    row: Score,
    room: Sequence[int],
    found: Classifiers,
) -> Budget:
    sizes = [layout.size for layout in layouts]
    # Bernoulli masks grow by what keeps channels alive; exact ones need room for it.
    flows = quota.preserve_flow and quota.sampling == "exact"
    least = tuple(
        max(layout.units_of(quota.min_keep), least_to_flow(entry) if flows else 0)
        for entry, layout in zip(entries, layouts, strict=True)
    )
    keep = total_to_keep(sum(sizes), quota.sparsity)
    if sum(least) > keep:
        raise ValueError(
            f"sparsity={quota.sparsity} keeps {keep:,} weights, and {_asking(quota)} needs {sum(least):,} in "
            "all layers together. Lower the sparsity."
        )
    if quota.ranks_all:
        count = row.reference_count if quota.rounding == "reference" else None
        apart = chosen_classifier_keep(quota.classifier_keep, quota.ratios, None)
        keep, heads = _global_budget(sizes, quota.sparsity, apart, count, found.positions)
        if heads:
            # Of a classifier there is what the source has, and of the others no more than that.
            rest = sum(size for layer, size in enumerate(room) if layer not in heads)
            own = [room[layer] for layer in heads]
            heads = dict(zip(heads, counts_within(list(heads.values()), own, keep - rest), strict=True))
        ranked = keep - sum(heads.values())
        others = sum(count for layer, count in enumerate(least) if layer not in heads)
        if heads and (ranked < others or any(count < least[layer] for layer, count in heads.items())):
            raise ValueError(
                f"The classifier keeps {sum(heads.values()):,} weights, the other layers {ranked:,}, and "
                f"{_asking(quota)} needs {sum(least) - others:,} and {others:,}. Lower the sparsity, or pass "
                "another classifier_keep."
            )
        return Budget(ranked=ranked, classifiers=heads, least=least, apart=apart, feeding=found)
    if quota.rounding == "reference" and any(least):
        raise ValueError(
            f"{_asking(quota)} changes the counts of layers, and rounding='reference' fixes them."
        )
    rule = named_rule(quota.ratios)
    asked = None if quota.classifier_keep is None else check_classifier_keep(quota.classifier_keep)
    fraction = CLASSIFIER_KEEP if asked is None else asked
    arguments: dict[str, Any] = {
        "ratios": quota.ratios,
        "family": quota.family,
        "classifier_keep": fraction,
        "redistribute": quota.redistribute,
        "min_keep": least if any(least) else 0,
    }
    units = None if quota.pattern is None else sizes
    counts = keep_counts(model, quota.sparsity, rounding=quota.rounding, room=room, units=units, **arguments)
    densities = None
    if quota.sampling == "bernoulli":
        densities = keep_densities(model, quota.sparsity, **arguments)
    apart = fraction if rule is not None and rule.classifier_apart else None
    heads = {layer: counts[layer] for layer in set_apart(found.positions, len(counts))}
    return Budget(
        counts=counts,
        densities=densities,
        classifiers=heads,
        least=least,
        apart=apart,
        feeding=found,
    )


def _asking(quota: Quota) -> str:
    """The options that ask layers to keep something."""
    asked = [f"min_keep={quota.min_keep}"] if quota.min_keep else []
    return " and ".join([*asked, "preserve_flow=True"] if quota.preserve_flow else asked)


def _between(later: Budget, budget: Budget, room: Sequence[int]) -> Budget:
    """The budget, no less of anything than that of the round after it, and no more than there is."""
    counts = None
    if budget.counts is not None and later.counts is not None:
        counts = [min(max(a, b), c) for a, b, c in zip(budget.counts, later.counts, room, strict=True)]
    classifiers = {
        layer: min(max(count, later.classifiers.get(layer, 0)), room[layer])
        for layer, count in budget.classifiers.items()
    }
    most = sum(size for layer, size in enumerate(room) if layer not in classifiers)
    ranked = min(max(budget.ranked, later.ranked), most)
    return dataclasses.replace(budget, counts=counts, ranked=ranked, classifiers=classifiers)


def _global_budget(
    sizes: Sequence[int],
    sparsity: float,
    classifier_keep: float | None,
    reference_count: Callable[[int, float], int] | None,
    positions: Sequence[int],
) -> tuple[int, dict[int, int]]:
    """What all layers keep, and of that each classifier by its position; none where they are ranked, too."""
    total = sum(sizes)
    keep = total_to_keep(total, sparsity)
    if reference_count is not None:
        keep = reference_count(total, sparsity)
        if keep < 1:
            raise ValueError(
                f'sparsity={sparsity} keeps none of the {total:,} weights with rounding="reference".'
            )
    heads = set_apart(positions, len(sizes))
    if classifier_keep is None or not heads:
        return keep, {}
    own = [sizes[layer] for layer in heads]
    counts = classifier_counts(own, total, keep, classifier_keep)
    if reference_count is not None:
        asked = [int(classifier_keep * size) for size in own]
        counts = counts_within(asked, own, keep - (total - sum(own)))
        check_classifier_fits(keep, sum(counts), classifier_keep)
    return keep, dict(zip(heads, counts, strict=True))
