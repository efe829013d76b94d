"""Drawing a ticket: scores, keep counts, masks. Nothing of the model is changed."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np

from tf_tickets.methods import CLASSIFIER_KEEP, GLOBAL
from tf_tickets.pruning import masks as masking
from tf_tickets.pruning import ratios as ratio_rules
from tf_tickets.pruning import scores as scoring
from tf_tickets.pruning.ticket import Ticket


def draw_ticket(
    model: keras.Model,
    score: str | scoring.ScoreFunction,
    ratios: str,
    sparsity: float,
    data: Any = None,
    seed: int = 0,
    rounding: str = "exact",
    family: str | None = None,
    classifier_keep: float | None = None,
    **options: Any,
) -> Ticket:
    """Scores the weights that the model holds now and keeps the best, by the given ratios.

    Args:
        model: a built Keras model; it is not changed.
        score: name or callable, see `tf_tickets.score`.
        ratios: `"global"` ranks all layers together; other names fix each layer's count by `keep_counts`.
        sparsity: fraction to remove, in [0, 1).
        data: what the score needs.
        seed: seed of the score's random stream.
        rounding: `"exact"` or `"reference"`, see `keep_counts`.
        family: form of the smart ratios, see `keep_counts`.
        classifier_keep: fraction of the last weight that is kept apart from the rest and charged to the
            budget. 1.0 with global ratios is the reference's lottery-ticket rule. None ranks the classifier
            with the rest (global), or means 0.3 (smart rules).
        **options: options of the score.

    Returns:
        A Ticket.

    Raises:
        ValueError: a name, option or value that is not accepted, or counts that cannot be met.
    """
    # Budgets come first: what cannot be met is known before the work of scoring.
    budget = plan_budget(model, score, ratios, sparsity, rounding, family, classifier_keep)
    entries = scoring.weights_to_score(model)
    arrays = scoring.score(model, score, data=data, seed=seed, **options)
    if budget.counts is not None:
        kept = masking.layerwise_masks(arrays, budget.counts)
    elif budget.classifier is None:
        kept = masking.global_masks(arrays, budget.ranked)
    else:
        kept = [
            *masking.global_masks(arrays[:-1], budget.ranked),
            *masking.layerwise_masks(arrays[-1:], [budget.classifier]),
        ]
    return Ticket(
        masks=tuple(kept),
        names=tuple(entry.name for entry in entries),
        origin={
            "score": scoring.name_of(score),
            "ratios": ratios,
            "sparsity": float(sparsity),
            "seed": int(seed),
            "rounding": rounding,
            "classifier_keep": classifier_keep,
            "family": family,
        },
        notes=_notes(kept[-1], budget.apart) if len(kept) > 1 and rounding == "exact" else (),
    )


@dataclasses.dataclass(frozen=True)
class Budget:
    """How many weights a ticket keeps, as far as that is known before scoring.

    Attributes:
        counts: for each layer; None where the layers are ranked together.
        ranked: kept by the ranking, the classifier left out where it is apart.
        classifier: kept of the last layer, or None where it is ranked with the rest.
        apart: the fraction of the classifier that was asked for, or None.
    """

    counts: list[int] | None
    ranked: int
    classifier: int | None
    apart: float | None


def plan_budget(
    model: keras.Model,
    score: str | scoring.ScoreFunction,
    ratios: str,
    sparsity: float,
    rounding: str = "exact",
    family: str | None = None,
    classifier_keep: float | None = None,
) -> Budget:
    """The counts of a ticket, or the error that `draw_ticket` would raise; arguments as there."""
    sparsity = ratio_rules.check_sparsity(sparsity)
    ratio_rules.check_choice("ratios", ratios, (GLOBAL, *ratio_rules.RATIOS))
    ratio_rules.check_choice("rounding", rounding, ratio_rules.ROUNDINGS)
    if family is not None:
        ratio_rules.check_choice("family", family, ratio_rules.FAMILIES)
        if not ratios.startswith("smart"):
            raise ValueError(f"family= is a form of the smart ratios; ratios={ratios!r} has no families.")
    if classifier_keep is not None:
        classifier_keep = ratio_rules.check_classifier_keep(classifier_keep)
    entries = scoring.weights_to_score(model)
    if ratios == GLOBAL:
        count = scoring.score_row(score).reference_count if rounding == "reference" else None
        ranked, last = _global_budget([entry.size for entry in entries], sparsity, classifier_keep, count)
        return Budget(None, ranked, last, classifier_keep)
    fraction = CLASSIFIER_KEEP if classifier_keep is None else classifier_keep
    counts = ratio_rules.keep_counts(
        [entry.shape for entry in entries],
        sparsity,
        ratios,
        family=family or ratio_rules.family_of(model.name),
        rounding=rounding,
        classifier_keep=fraction,
    )
    apart = fraction if ratio_rules.RATIOS[ratios].classifier_apart else None
    return Budget(counts, 0, counts[-1], apart)


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


def _notes(classifier: np.ndarray, classifier_keep: float | None) -> tuple[str, ...]:
    """What a reader of the counts should know."""
    kept = np.count_nonzero(classifier)
    if classifier_keep is None or kept >= round(classifier_keep * classifier.size):
        return ()
    return (
        f"the classifier keeps {kept / classifier.size:.2%} of its weights, not "
        f"{100 * classifier_keep:.4g}%: more would take over half of the whole budget",
    )
