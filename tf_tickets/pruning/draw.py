"""Drawing a ticket: scores, keep counts, masks, in one round or several. Nothing of the model is changed."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import keras
import numpy as np

from tf_tickets.layers import MaskedWeight, borrowed_masks, cover
from tf_tickets.pruning.budget import Budget, plan_budgets
from tf_tickets.pruning.channels import channel_axes
from tf_tickets.pruning.flow_preservation import preserve_flow
from tf_tickets.pruning.paths import affordable_path_counts
from tf_tickets.pruning.patterns import layouts_of, masks_of_units, units_inside
from tf_tickets.pruning.quota import Quota, as_json, quota_facts
from tf_tickets.pruning.score_call import batches_for, checked_scores
from tf_tickets.pruning.scored_weights import weights_to_score
from tf_tickets.pruning.scores import ScoreFunction, check_data, check_options, name_of, score_row
from tf_tickets.pruning.ticket import Ticket
from tf_tickets.pruning.ticket_file import masks_sha256
from tf_tickets.pruning.top_k import global_masks, layerwise_masks
from tf_tickets.pruning.trace_cache import keeping_traces
from tf_tickets.pruning.unit_layouts import Layout
from tf_tickets.pruning.within import Within, masks_of
from tf_tickets.support.random_streams import stream

# Some of the values of a list that has one for each layer.
Part: TypeAlias = Callable[[Sequence[Any]], list[Any]]


def draw_ticket(
    model: keras.Model,
    score: str | ScoreFunction,
    quota: Quota,
    data: Any = None,
    seed: int = 0,
    samples_per_class: int | None = None,
    within: Within | None = None,
    only_round: int | None = None,
    source: Within | None = None,
    paths: bool = True,
    inverted: bool = False,
    **score_options: Any,
) -> Ticket:
    """Scores the weights that the model holds now and keeps the best.

    Args:
        model: a built Keras model; it is not changed.
        score: name or callable, see `tf_tickets.score`.
        quota: how many to keep, and where.
        data: what the score needs.
        seed: seed of the score's random stream.
        samples_per_class: see `tf_tickets.score`.
        within: a Ticket or masks: only weights kept there are scored (the others count as zero) and kept.
        only_round: draw this one of the quota's rounds, counted from 0, from `within`: for training between
            rounds.
        source: what `within` was before the first round, which the densities of the rounds begin at.
        paths: count the kept weights that lie on a path from an input to an output.
        inverted: keep the weights with the worst scores instead of the best (a sanity check).
        **score_options: options of the score, see `tf_tickets.score`; of a callable, its own.

    Returns:
        A Ticket.

    Raises:
        ValueError: a name, option or value that is not accepted, or counts that cannot be met.
    """
    # Budgets come first: what cannot be met is known before the work of scoring.
    entries = weights_to_score(model, data)
    bounds = allowed = None if within is None else masks_of(within, entries)
    layouts, pattern_notes = layouts_of(model, entries, quota.pattern)
    if only_round is None:
        budgets = chosen = plan_budgets(model, score, quota, within=allowed, layouts=layouts)
    else:
        first = None if source is None else masks_of(source, entries)
        budgets = plan_budgets(model, score, quota, trains_between=True, within=first, layouts=layouts)
        chosen = [budgets[only_round]]
    row = score_row(score)
    check_options(row, score_options)
    check_data(score, data)
    batches = batches_for(row, model, data, samples_per_class)
    rng = stream(seed, "score")
    kept: list[np.ndarray] = []
    with contextlib.ExitStack() as stack:
        if allowed is not None or len(chosen) > 1:
            entries = stack.enter_context(borrowed_masks(model))
        # Inside: they are gone before masks that were lent are taken back, and nobody holds a trace of these.
        stack.enter_context(keeping_traces())
        for budget in chosen:
            later = allowed is not None
            if allowed is not None:
                cover(entries, allowed)
            arrays = checked_scores(model, score, batches, rng, score_options, may_tie=later)
            if (row.keeps == "smallest") != inverted:
                arrays = [-array for array in arrays]
            units = select(
                arrays, budget, layouts, allowed, row.independent, entries if quota.preserve_flow else None
            )
            kept = allowed = masks_of_units(layouts, units, allowed)
    return Ticket(
        masks=tuple(kept),
        names=tuple(entry.name for entry in entries),
        origin=origin_of(
            score, seed, quota_facts(quota, len(budgets)), score_options, bounds, inverted, samples_per_class
        ),
        notes=(*_notes(layouts, chosen[-1], quota), *pattern_notes),
        on_path=affordable_path_counts(model, kept) if paths else None,
    )


def origin_of(
    score: str | ScoreFunction,
    seed: int,
    counts: Mapping[str, Any],
    options: Mapping[str, Any],
    within: Sequence[np.ndarray] | None,
    inverted: bool,
    samples_per_class: int | None = None,
) -> dict[str, Any]:
    """What a ticket says of how it was found: JSON-able.

    Args:
        score: name or callable.
        seed: of its random stream.
        counts: of `quota_facts`.
        options: of the score.
        within: masks that the ticket lies in; None: all weights.
        inverted: whether the worst scores were kept.
        samples_per_class: examples of each class that were picked.
    """
    return {
        "score": name_of(score),
        "seed": int(seed),
        **counts,
        "samples_per_class": samples_per_class,
        "options": {name: as_json(value) for name, value in options.items()},
        **({"inverted": True} if inverted else {}),
        "within": None if within is None else masks_sha256(within),
    }


def select(
    scores: Sequence[np.ndarray],
    budget: Budget,
    layouts: Sequence[Layout],
    within: Sequence[np.ndarray] | None = None,
    drawn: bool = False,
    flowing: Sequence[MaskedWeight] | None = None,
) -> list[np.ndarray]:
    """What one round keeps, bool arrays of units: those of the largest scores.

    Args:
        scores: of the weights, one array a layer.
        budget: of the round.
        layouts: what weights are counted and kept in.
        within: masks of the weights that can be kept; None: all can.
        drawn: whether scores are random and independent.
        flowing: the weights, where no channel may be left without one.
    """
    inside = None if within is None else units_inside(layouts, within)
    scores = [layout.scores(score, drawn) for layout, score in zip(layouts, scores, strict=True)]
    candidates = [
        layout.candidates(
            score,
            None if inside is None else inside[number],
            None if budget.counts is None else budget.counts[number],
        )
        for number, (layout, score) in enumerate(zip(layouts, scores, strict=True))
    ]
    if any(x is not None for x in candidates):
        inside = [np.ones(s.shape, bool) if x is None else x for s, x in zip(scores, candidates, strict=True)]
    return _ranked(scores, budget, inside, flowing)


def _ranked(
    scores: Sequence[np.ndarray],
    budget: Budget,
    within: Sequence[np.ndarray] | None,
    flowing: Sequence[MaskedWeight] | None,
) -> list[np.ndarray]:
    """The best units by their scores."""
    keep: Any = budget.counts
    if budget.densities is not None:
        # A uniform draw u of [0, 1) is at least 1 - d with probability d.
        masks = [score >= 1 - density for score, density in zip(scores, budget.densities, strict=True)]
        keep = None
    elif budget.counts is not None:
        masks = layerwise_masks(scores, budget.counts, within)
    elif not budget.classifiers:
        masks = global_masks(scores, budget.ranked, within, budget.least)
        keep = budget.ranked
    else:
        masks = _in_parts(
            budget,
            lambda part: global_masks(
                part(scores), budget.ranked, within and part(within), part(budget.least)
            ),
            lambda part, count: layerwise_masks(part(scores), [count], within and part(within)),
        )
    if flowing is None:
        return masks
    if within is not None:
        scores = [np.where(a, score, -np.inf) for a, score in zip(within, scores, strict=True)]
    axes = [channel_axes(entry) for entry in flowing]
    if budget.counts is None and budget.classifiers:
        drawn = masks
        masks = _in_parts(
            budget,
            lambda part: preserve_flow(
                part(drawn), part(scores), part(axes), budget.ranked, part(budget.least)
            ),
            lambda part, count: preserve_flow(part(drawn), part(scores), part(axes), [count]),
        )
    else:
        masks = preserve_flow(masks, scores, axes, keep, budget.least)
    if within is not None and any((mask & ~a).any() for mask, a in zip(masks, within, strict=True)):
        raise ValueError("preserve_flow=True: the masks given as within= have channels without any weight.")
    return masks


def _in_parts(
    budget: Budget,
    ranked: Callable[[Part], Sequence[np.ndarray]],
    apart: Callable[[Part, int], Sequence[np.ndarray]],
) -> list[np.ndarray]:
    """The masks of the layers that are ranked together, and of each classifier by itself, in their order.

    Args:
        budget: which says what is set apart.
        ranked: (what takes these layers out of a list) -> their masks.
        apart: (what takes one classifier out of a list, its count) -> its mask.
    """
    number = len(budget.least)

    def part(layers: Sequence[int]) -> Part:
        return lambda values: [values[layer] for layer in layers]

    others = [layer for layer in range(number) if layer not in budget.classifiers]
    found = dict(zip(others, ranked(part(others)), strict=True))
    for layer, count in budget.classifiers.items():
        (found[layer],) = apart(part([layer]), count)
    return [found[layer] for layer in range(number)]


def _notes(layouts: Sequence[Layout], budget: Budget, quota: Quota) -> tuple[str, ...]:
    """What a reader of the counts should know."""
    notes = []
    if quota.sampling == "bernoulli":
        expected = sum(d * x.size for d, x in zip(budget.densities or (), layouts, strict=True))
        more = ", and those that keep channels alive" if quota.preserve_flow else ""
        notes.append(f"Bernoulli masks: {expected:,.1f} weights are kept on average{more}")
    elif quota.rounding == "exact" and budget.apart is not None and budget.classifiers:
        sizes = [layouts[layer].size for layer in budget.classifiers]
        count = sum(budget.classifiers.values())
        if count < sum(round(budget.apart * size) for size in sizes):
            who = "the classifier keeps" if len(sizes) == 1 else "the classifiers together keep"
            notes.append(
                f"{who} {count / sum(sizes):.2%} of {'its' if len(sizes) == 1 else 'their'} weights, not "
                f"{100 * budget.apart:.4g}%: "
                "more would take over half of the whole budget"
            )
    if budget.apart is not None and len(layouts) > 1:
        if not budget.feeding.known:
            taken = "the last one" if budget.classifiers else "none, since another kernel comes last,"
            notes.append(
                f"the model's graph does not tell which weights feed its outputs: {taken} is taken for the "
                "classifier"
            )
        elif not budget.feeding.positions:
            notes.append(
                f"no masked weight feeds an output of the model: there is no classifier to keep "
                f"{100 * budget.apart:.4g}% of"
            )
    return tuple(notes)
