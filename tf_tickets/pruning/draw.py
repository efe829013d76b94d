"""Drawing a ticket: scores, keep counts, masks. Nothing of the model is changed."""

from typing import Any

import keras
import numpy as np

from tf_tickets.layers import prunable_weights
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
        ratios: `"global"` ranks all layers together; any other name fixes each layer's count by `keep_counts`.
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
    sparsity = ratio_rules.check_sparsity(sparsity)
    if ratios != GLOBAL and ratios not in ratio_rules.RATIOS:
        choices = ", ".join([GLOBAL, *ratio_rules.RATIOS])
        raise ValueError(f"ratios={ratios!r} is unknown. Choose one of: {choices}.")
    if rounding not in ratio_rules.ROUNDINGS:
        raise ValueError(f"rounding={rounding!r} is unknown. Choose one of: exact, reference.")
    entries = prunable_weights(model)
    arrays = scoring.score(model, score, data=data, seed=seed, **options)
    sizes = [array.size for array in arrays]
    if ratios == GLOBAL:
        keep = ratio_rules.total_to_keep(sum(sizes), sparsity)
        if rounding == "reference":
            keep = scoring.score_row(score).reference_count(sum(sizes), sparsity)
        kept = _global_masks(arrays, keep, classifier_keep, rounding)
        apart = classifier_keep
    else:
        rule = ratio_rules.RATIOS[ratios]
        apart = (classifier_keep or CLASSIFIER_KEEP) if rule.classifier_apart else None
        counts = ratio_rules.keep_counts(
            [entry.shape for entry in entries],
            sparsity,
            ratios,
            family=family or ratio_rules.family_of(model.name),
            rounding=rounding,
            classifier_keep=apart or CLASSIFIER_KEEP,
        )
        kept = masking.layerwise_masks(arrays, counts)
    return Ticket(
        masks=tuple(kept),
        names=tuple(entry.name for entry in entries),
        origin={
            "score": score if isinstance(score, str) else getattr(score, "__name__", repr(score)),
            "ratios": ratios,
            "sparsity": sparsity,
            "seed": int(seed),
            "rounding": rounding,
            "classifier_keep": classifier_keep,
            "family": family,
        },
        notes=_notes(kept[-1], apart, rounding),
    )


def _global_masks(arrays, keep: int, classifier_keep, rounding: str) -> list[np.ndarray]:
    if classifier_keep is None or len(arrays) == 1:
        return masking.global_masks(arrays, keep)
    *others, last = arrays
    total = sum(array.size for array in arrays)
    apart = ratio_rules.classifier_count(last.size, total, keep, classifier_keep)
    if rounding == "reference":
        apart = int(classifier_keep * last.size)
    if apart > keep:
        raise ValueError(
            f"The budget is {keep:,} weights, but classifier_keep={classifier_keep} keeps {apart:,} in the last "
            'layer alone. Lower the sparsity, or take rounding="exact", which never gives it more than half.'
        )
    return [
        *masking.global_masks(others, keep - apart),
        masking.top_k(last.ravel(), apart).reshape(last.shape),
    ]


def _notes(classifier: np.ndarray, classifier_keep: float | None, rounding: str) -> tuple[str, ...]:
    """What a reader of the counts should know."""
    kept = np.count_nonzero(classifier)
    if rounding == "reference" or not classifier_keep or kept >= round(classifier_keep * classifier.size):
        return ()
    return (
        f"the classifier keeps {kept / classifier.size:.2%} of its weights, not {classifier_keep:.0%}: that is "
        "half of the whole budget, the most it may take",
    )
