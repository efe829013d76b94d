"""Drawing a ticket: scores, keep counts, masks, in one round or several. Nothing of the model is changed."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tf_tickets.layers import MaskedWeight, borrowed_masks, set_masks
from tf_tickets.pruning import flow
from tf_tickets.pruning import masks as masking
from tf_tickets.pruning import ratios as ratio_rules
from tf_tickets.pruning import scores as scoring
from tf_tickets.pruning.batches import read_batches
from tf_tickets.pruning.choices import CLASSIFIER_KEEP, GLOBAL, SAMPLINGS
from tf_tickets.pruning.paths import on_path
from tf_tickets.pruning.ticket import Ticket, masks_sha256
from tf_tickets.pruning.traces import keeping_traces
from tf_tickets.support.numbers import is_whole
from tf_tickets.support.random_streams import stream

Within = Ticket | Sequence[np.ndarray]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Quota:
    """How many weights a ticket keeps, and where: all that is decided without looking at scores.

    Attributes:
        ratios: `"global"` ranks all layers together; anything else fixes each layer's count: a name, ratios
            or a Ticket, see `keep_counts`.
        sparsity: fraction to remove, in [0, 1).
        rounding: `"exact"` or `"reference"`, see `keep_counts`.
        family: form of the smart ratios, see `keep_counts`.
        classifier_keep: fraction of the last weight that is kept apart from the rest and charged to the
            budget. 1.0 with global ratios is the reference's lottery-ticket rule. None ranks the classifier
            with the rest (global), or means 0.3 (smart rules).
        redistribute: see `keep_counts`.
        min_keep: weights that every layer keeps at least.
        sampling: `"exact"` meets the counts; `"bernoulli"` keeps each weight by itself with its layer's
            density, so that the total is random too. For random scores only.
        preserve_flow: leave no input or output channel of a layer without a weight. Counts stay as they are
            (each layer gets enough for it); Bernoulli masks grow.
        rounds: how many times to score and prune; None means the score's own. The densities of the rounds are
            a geometric series that ends at the target.
    """

    ratios: Any
    sparsity: float
    rounding: str = "exact"
    family: str | None = None
    classifier_keep: float | None = None
    redistribute: bool = True
    min_keep: int = 0
    sampling: str = "exact"
    preserve_flow: bool = False
    rounds: int | None = None

    @property
    def ranks_all(self) -> bool:
        """Whether the layers are ranked together."""
        return isinstance(self.ratios, str) and self.ratios == GLOBAL


# What `prune` takes beside the options of the score.
OPTIONS = tuple(
    field.name for field in dataclasses.fields(Quota) if field.name not in ("sparsity", "rounding")
)


@dataclasses.dataclass(frozen=True)
class Budget:
    """How many weights a round keeps, as far as that is known before scoring.

    Attributes:
        counts: for each layer; None where the layers are ranked together.
        densities: probability of each layer's weights, for Bernoulli sampling.
        ranked: kept by the ranking, the classifier left out where it is apart.
        classifier: kept of the last layer, or None where it is ranked with the rest.
        least: kept of each layer at least.
        apart: the fraction of the classifier that was asked for, or None.
    """

    counts: list[int] | None = None
    densities: list[float] | None = None
    ranked: int = 0
    classifier: int | None = None
    least: tuple[int, ...] = ()
    apart: float | None = None


def draw_ticket(
    model: keras.Model,
    score: str | scoring.ScoreFunction,
    quota: Quota,
    data: Any = None,
    seed: int = 0,
    samples_per_class: int | None = None,
    within: Within | None = None,
    only_round: int | None = None,
    source: Within | None = None,
    paths: bool = True,
    inverted: bool = False,
    **options: Any,
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
        **options: options of the score.

    Returns:
        A Ticket.

    Raises:
        ValueError: a name, option or value that is not accepted, or counts that cannot be met.
    """
    # Budgets come first: what cannot be met is known before the work of scoring.
    entries = scoring.weights_to_score(model)
    allowed = None if within is None else masks_of(within, entries)
    if only_round is None:
        budgets = chosen = plan_budgets(model, score, quota, within=allowed)
    else:
        first = None if source is None else masks_of(source, entries)
        budgets = plan_budgets(model, score, quota, trains_between=True, within=first)
        chosen = [budgets[only_round]]
    row = scoring.score_row(score)
    scoring.check_options(row, options)
    scoring.check_data(score, data)
    batches = (
        None if row.data == "unused" else read_batches(data, samples_per_class, scoring.num_classes_of(model))
    )
    rng = stream(seed, "score")
    kept: list[np.ndarray] = []
    with contextlib.ExitStack() as stack:
        stack.enter_context(keeping_traces())
        if allowed is not None or len(chosen) > 1:
            entries = stack.enter_context(borrowed_masks(model))
        for budget in chosen:
            later = allowed is not None
            if allowed is not None:
                set_masks(entries, allowed)
            arrays = scoring.checked_scores(model, score, batches, rng, options, may_tie=later)
            if (row.keeps == "smallest") != inverted:
                arrays = [-array for array in arrays]
            kept = allowed = _select(arrays, budget, allowed, entries if quota.preserve_flow else None)
    return Ticket(
        masks=tuple(kept),
        names=tuple(entry.name for entry in entries),
        origin={
            "score": scoring.name_of(score),
            "seed": int(seed),
            **_origin(quota, len(budgets)),
            "samples_per_class": samples_per_class,
            "options": {name: _plain(value) for name, value in options.items()},
            **({"inverted": True} if inverted else {}),
            "within": None if within is None else masks_sha256(masks_of(within, entries)),
        },
        notes=_notes(kept, chosen[-1], quota),
        on_path=path_counts(model, kept) if paths else None,
    )


def masks_of(given: Within, entries: Sequence[MaskedWeight], argument: str = "within") -> list[np.ndarray]:
    """The bool masks of a Ticket or list, checked against the weights that they are for.

    Args:
        given: what a user gave.
        entries: the model's prunable weights.
        argument: its name, for messages.

    Raises:
        ValueError: it is nothing like masks, or masks for other weights.
    """
    if not isinstance(given, (Ticket, Iterable)):
        raise ValueError(f"{argument}= takes a Ticket or a list of bool masks. Received: {given!r}")
    masks = [np.asarray(mask) for mask in (given.masks if isinstance(given, Ticket) else given)]
    if [mask.shape for mask in masks] != [entry.shape for entry in entries]:
        raise ValueError(
            f"{argument}= has masks of shapes {[mask.shape for mask in masks]}, and the model's prunable "
            f"weights {[entry.shape for entry in entries]}."
        )
    if any(mask.dtype != bool for mask in masks):
        kinds = sorted({mask.dtype.name for mask in masks})
        raise ValueError(f"{argument}= takes bool masks. Received: {kinds}")
    return masks


def path_counts(model: keras.Model, masks: Sequence[np.ndarray]) -> tuple[int, ...] | None:
    """Kept weights of each layer on a path from an input to an output; None where that is not known."""
    found = on_path(model, scoring.weights_to_score(model), masks)
    return None if found is None else tuple(int(np.count_nonzero(mask)) for mask in found)


def plan_budgets(
    model: keras.Model,
    score: str | scoring.ScoreFunction,
    quota: Quota,
    trains_between: bool = False,
    within: Sequence[np.ndarray] | None = None,
) -> list[Budget]:
    """The budget of each round, or the error that `draw_ticket` would raise.

    Args:
        model: a built Keras model.
        score: name or callable.
        quota: how many to keep, and where.
        trains_between: whether the network is trained between rounds.
        within: masks that the first round starts from; None starts from all weights.
    """
    row = scoring.score_row(score)
    target = ratio_rules.check_sparsity(quota.sparsity)
    rounds = _check_rounds(quota.rounds, score, row, trains_between)
    _check_quota(quota, row)
    entries = scoring.weights_to_score(model)
    room = [entry.size for entry in entries] if within is None else [int(np.count_nonzero(x)) for x in within]
    total = sum(entry.size for entry in entries)
    if within is not None:
        ratio_rules.check_inside(target, sum(room), total)
        if quota.sampling == "bernoulli":
            raise ValueError("sampling='bernoulli' draws from all weights; within= is for exact counts.")
    budgets = [_plan(model, entries, quota, row, room)]
    # Layers that end with nothing hold nothing in the rounds before, either.
    holds = total if budgets[0].counts is None else _size_of_kept(entries, budgets[0].counts)
    for sparsity in round_sparsities(target, rounds, 1 - sum(room) / total)[-2::-1]:
        earlier = dataclasses.replace(quota, sparsity=max(sparsity, 1 - holds / total), rounding="exact")
        budgets.append(_between(budgets[-1], _plan(model, entries, earlier, row, room), room))
    return budgets[::-1]


def _size_of_kept(entries: Sequence[MaskedWeight], counts: Sequence[int]) -> int:
    return sum(entry.size for entry, count in zip(entries, counts, strict=True) if count)


def round_sparsities(sparsity: float, rounds: int, start: float = 0.0) -> list[float]:
    """Sparsities of iterative pruning: every round keeps the same fraction of what the one before kept.

    Args:
        sparsity: the last one.
        rounds: how many, 1 or more.
        start: sparsity before the first round.

    Example:
        >>> round_sparsities(0.75, 2)
        [0.5, 0.75]
    """
    fraction = (1 - sparsity) / (1 - start)
    return [1 - (1 - start) * fraction ** (step / rounds) for step in range(1, rounds)] + [sparsity]


def _plan(
    model: keras.Model,
    entries: Sequence[MaskedWeight],
    quota: Quota,
    row: scoring.Score,
    room: Sequence[int],
) -> Budget:
    sizes = [entry.size for entry in entries]
    # Bernoulli masks grow by what keeps channels alive; exact ones need room for it.
    flows = quota.preserve_flow and quota.sampling == "exact"
    least = tuple(
        max(min(quota.min_keep, entry.size), flow.least_to_flow(entry) if flows else 0) for entry in entries
    )
    keep = ratio_rules.total_to_keep(sum(sizes), quota.sparsity)
    if sum(least) > keep:
        raise ValueError(
            f"sparsity={quota.sparsity} keeps {keep:,} weights, and {_asking(quota)} needs {sum(least):,} in "
            "all layers together. Lower the sparsity."
        )
    if quota.ranks_all:
        count = row.reference_count if quota.rounding == "reference" else None
        ranked, last = _global_budget(sizes, quota.sparsity, quota.classifier_keep, count)
        if last is not None:
            # Of the classifier there is what the source has, and of the others no more than that.
            keep = ranked + last
            last = max(min(last, room[-1]), keep - sum(room[:-1]))
            ranked = keep - last
        if last is not None and (last < least[-1] or ranked < sum(least[:-1])):
            raise ValueError(
                f"The classifier keeps {last:,} weights, the other layers {ranked:,}, and {_asking(quota)} "
                f"needs {least[-1]:,} and {sum(least[:-1]):,}. Lower the sparsity, or pass another "
                "classifier_keep."
            )
        return Budget(ranked=ranked, classifier=last, least=least, apart=quota.classifier_keep)
    if quota.rounding == "reference" and any(least):
        raise ValueError(
            f"{_asking(quota)} changes the counts of layers, and rounding='reference' fixes them."
        )
    named = isinstance(quota.ratios, str)
    fraction = CLASSIFIER_KEEP if quota.classifier_keep is None else quota.classifier_keep
    arguments: dict[str, Any] = {
        "ratios": quota.ratios,
        "family": quota.family or ratio_rules.family_of(model.name),
        "classifier_keep": fraction,
        "redistribute": quota.redistribute,
        "min_keep": least if any(least) else 0,
    }
    counts = ratio_rules.keep_counts(model, quota.sparsity, rounding=quota.rounding, room=room, **arguments)
    densities = None
    if quota.sampling == "bernoulli":
        densities = ratio_rules.keep_densities(model, quota.sparsity, **arguments)
    apart = fraction if named and ratio_rules.RATIOS[quota.ratios].classifier_apart else None
    return Budget(counts=counts, densities=densities, classifier=counts[-1], least=least, apart=apart)


def _asking(quota: Quota) -> str:
    """The options that ask layers to keep something."""
    asked = [f"min_keep={quota.min_keep}"] if quota.min_keep else []
    return " and ".join([*asked, "preserve_flow=True"] if quota.preserve_flow else asked)


def _between(later: Budget, budget: Budget, room: Sequence[int]) -> Budget:
    """The budget, no less of anything than that of the round after it, and no more than there is."""
    counts = classifier = None
    if budget.counts is not None and later.counts is not None:
        counts = [min(max(a, b), c) for a, b, c in zip(budget.counts, later.counts, room, strict=True)]
    if budget.classifier is not None:
        classifier = min(max(budget.classifier, later.classifier or 0), room[-1])
    most = sum(room) if classifier is None else sum(room[:-1])
    ranked = min(max(budget.ranked, later.ranked), most)
    return dataclasses.replace(budget, counts=counts, ranked=ranked, classifier=classifier)


def _select(
    scores: Sequence[np.ndarray],
    budget: Budget,
    within: Sequence[np.ndarray] | None,
    flowing: Sequence[MaskedWeight] | None,
) -> list[np.ndarray]:
    """The masks of one round: the largest scores are kept."""
    keep: Any = budget.counts
    if budget.densities is not None:
        # A uniform draw u of [0, 1) is at least 1 - d with probability d.
        masks = [score >= 1 - density for score, density in zip(scores, budget.densities, strict=True)]
        keep = None
    elif budget.counts is not None:
        masks = masking.layerwise_masks(scores, budget.counts, within)
    elif budget.classifier is None:
        masks = masking.global_masks(scores, budget.ranked, within, budget.least)
        keep = budget.ranked
    else:
        body, last = scores[:-1], scores[-1:]
        masks = [
            *masking.global_masks(body, budget.ranked, within and within[:-1], budget.least[:-1]),
            *masking.layerwise_masks(last, [budget.classifier], within and within[-1:]),
        ]
    if flowing is None:
        return masks
    if within is not None:
        scores = [np.where(a, score, -np.inf) for a, score in zip(within, scores, strict=True)]
    axes = [flow.channel_axes(entry) for entry in flowing]
    if budget.counts is None and budget.classifier is not None:
        masks = [
            *flow.preserve_flow(masks[:-1], scores[:-1], axes[:-1], budget.ranked, budget.least[:-1]),
            *flow.preserve_flow(masks[-1:], scores[-1:], axes[-1:], [budget.classifier]),
        ]
    else:
        masks = flow.preserve_flow(masks, scores, axes, keep, budget.least)
    if within is not None and any((mask & ~a).any() for mask, a in zip(masks, within, strict=True)):
        raise ValueError("preserve_flow=True: the masks given as within= have channels without any weight.")
    return masks


def _check_quota(quota: Quota, row: scoring.Score) -> None:
    named = isinstance(quota.ratios, str)
    if named:
        ratio_rules.check_choice("ratios", quota.ratios, (GLOBAL, *ratio_rules.RATIOS))
    ratio_rules.check_choice("rounding", quota.rounding, ratio_rules.ROUNDINGS)
    ratio_rules.check_choice("sampling", quota.sampling, SAMPLINGS)
    if quota.family is not None:
        ratio_rules.check_choice("family", quota.family, ratio_rules.FAMILIES)
        if not (named and quota.ratios.startswith("smart")):
            raise ValueError(
                f"family= is a form of the smart ratios; ratios={quota.ratios!r} has no families."
            )
    if quota.classifier_keep is not None:
        ratio_rules.check_classifier_keep(quota.classifier_keep)
    if not quota.redistribute and quota.ranks_all:
        raise ValueError("redistribute=False is for ratios of layers; ratios='global' has none.")
    if not is_whole(quota.min_keep, 0):
        raise ValueError(f"min_keep is a number of weights, 0 or more. Received: {quota.min_keep!r}")
    draws = row.independent and not quota.ranks_all and quota.rounding == "exact"
    for name in ("redistribute", "preserve_flow"):
        if not isinstance(getattr(quota, name), (bool, np.bool_)):
            raise ValueError(f"{name} is True or False. Received: {getattr(quota, name)!r}")
    if quota.sampling == "bernoulli" and quota.min_keep:
        raise ValueError(f"min_keep={quota.min_keep} is for exact counts; sampling='bernoulli' draws them.")
    if quota.sampling == "bernoulli" and not draws:
        raise ValueError(
            "sampling='bernoulli' is for random scores with ratios of layers and exact rounding. Received: "
            f"ratios={quota.ratios!r}, rounding={quota.rounding!r}, or a score that is not random."
        )


def _check_rounds(
    rounds: int | None, score: str | scoring.ScoreFunction, row: scoring.Score, trains_between: bool
) -> int:
    if rounds is None:
        return row.rounds
    if not is_whole(rounds, 1):
        raise ValueError(f"rounds is a whole number, 1 or more. Received: {rounds!r}")
    if rounds > 1 and not row.sees_masks and not trains_between:
        raise ValueError(
            f"rounds={rounds}: {scoring.name_of(score)} scores do not depend on what is pruned, so that "
            "further rounds without training between them change nothing. To train between them, "
            "prune(within=ticket) at each of tf_tickets.pruning.round_sparsities, or let the command line do "
            "it (--rounds)."
        )
    return int(rounds)


def _global_budget(
    sizes: Sequence[int],
    sparsity: float,
    classifier_keep: float | None,
    reference_count: Callable[[int, float], int] | None,
) -> tuple[int, int | None]:
    """What the layers before the classifier keep, and the classifier; None where it is ranked with them."""
    total = sum(sizes)
    keep = ratio_rules.total_to_keep(total, sparsity)
    if reference_count is not None:
        keep = reference_count(total, sparsity)
        if keep < 1:
            raise ValueError(
                f'sparsity={sparsity} keeps none of the {total:,} weights with rounding="reference".'
            )
    if classifier_keep is None or len(sizes) == 1:
        return keep, None
    last = ratio_rules.classifier_count(sizes[-1], total, keep, classifier_keep)
    if reference_count is not None:
        last = max(int(classifier_keep * sizes[-1]), keep - (total - sizes[-1]))
        ratio_rules.check_budget(keep, last, classifier_keep)
    return keep - last, last


def _origin(quota: Quota, rounds: int) -> dict[str, Any]:
    """The quota as JSON; ratios of a ticket or of one's own as numbers."""
    facts = {**dataclasses.asdict(dataclasses.replace(quota, ratios=None)), "rounds": rounds}
    facts = {name: _plain(value) for name, value in facts.items()}
    ratios = quota.ratios
    if isinstance(ratios, Ticket):
        ratios = [layer.keep_ratio for layer in ratios.layers]
    elif isinstance(ratios, Mapping):
        ratios = {str(name): float(value) for name, value in ratios.items()}
    elif not isinstance(ratios, str):
        ratios = [float(value) for value in ratios]
    return {**facts, "ratios": ratios, "sparsity": float(quota.sparsity)}


def _notes(kept: Sequence[np.ndarray], budget: Budget, quota: Quota) -> tuple[str, ...]:
    """What a reader of the counts should know."""
    notes = []
    last = kept[-1]
    if quota.sampling == "bernoulli":
        expected = sum(d * mask.size for d, mask in zip(budget.densities or (), kept, strict=True))
        more = ", and those that keep channels alive" if quota.preserve_flow else ""
        notes.append(f"Bernoulli masks: {expected:,.1f} weights are kept on average{more}")
    elif quota.rounding == "exact" and budget.apart is not None and len(kept) > 1:
        count = budget.classifier or 0
        if count < round(budget.apart * last.size):
            notes.append(
                f"the classifier keeps {count / last.size:.2%} of its weights, not "
                f"{100 * budget.apart:.4g}%: "
                "more would take over half of the whole budget"
            )
    return tuple(notes)


def _plain(value: Any) -> Any:
    """The value as JSON has it: NumPy numbers as plain ones, functions and other things by name."""
    value = value.item() if isinstance(value, np.generic) else value
    known = isinstance(value, (str, int, float, bool, type(None)))
    return value if known else getattr(value, "__name__", repr(value))
