"""Scores of a model, as the user asks for them."""

import contextlib
from typing import Any

import keras
import numpy as np

from tf_tickets.layers import borrowed_masks, cover, masked_weights
from tf_tickets.pruning.budget import plan_budgets
from tf_tickets.pruning.choices import GLOBAL
from tf_tickets.pruning.draw import draw_ticket
from tf_tickets.pruning.quota import Quota
from tf_tickets.pruning.score_call import batches_for, checked_scores
from tf_tickets.pruning.scored_weights import weights_to_score
from tf_tickets.pruning.scores import ScoreFunction, check_data, check_options, score_row
from tf_tickets.pruning.sparsity import check_sparsity, round_sparsities
from tf_tickets.support.random_streams import stream
from tf_tickets.support.short_reprs import ShortList


def score(
    model: keras.Model,
    score: str | ScoreFunction,
    data: Any = None,
    seed: int = 0,
    samples_per_class: int | None = None,
    rounds: int = 1,
    sparsity: float | None = None,
    **score_options: Any,
) -> list[np.ndarray]:
    """Scores every prunable weight of a model, as it stands, masks and all.

    Larger means more worth keeping, but for `"grasp"`, whose largest are removed.

    Args:
        model: a built Keras model, masked or not. Nothing of it is changed.
        score: a name, one of `SCORES`, or your own callable `(model, batches, rng, **options) -> arrays`.
        data: `(x, y)` arrays, taken as one batch, or a `tf.data.Dataset` (or another iterable) of batches.
            Exactly those examples, in their order; they are read once, and held in memory while scoring. Not
            needed by scores that see no data, which take the shapes of the inputs for axes that the model
            leaves open.
        seed: seed of the score's own random stream.
        samples_per_class: pick the first so many examples of each class out of `data`, sorted by class, as
            one batch.
        rounds: with a `sparsity`, scores of the last of so many rounds of scoring and pruning to it, all
            layers ranked together, as `prune` does. What earlier rounds removed is at the far end, at -inf
            (GraSP: inf).
        sparsity: where the rounds lead, in [0, 1).
        **score_options: options of the score, with their defaults: `loss=None` (the model's own) and
            `training=True` of SNIP, GraSP and OBD (there False); `temperature=200`, `halves=True` and
            `redraw_classifier=True` of GraSP; `curvature="gauss_newton"` and `probes=64` of OBD. See
            `tf_tickets/pruning/gradient_scores.py`. Of a callable, its own.

    Returns:
        List of float arrays shaped like the weights, in forward order.

    Raises:
        ValueError: unknown score or option, data missing, a model with nothing to prune, or scores of a
            wrong number, shape or value (NaN).

    Example:
        >>> scores = tt.score(model, "magnitude")
    """
    row = score_row(score)
    check_options(row, score_options)
    weights_to_score(model, data)
    check_data(score, data)
    if (rounds != 1) != (sparsity is not None):
        raise ValueError(
            f"rounds= and sparsity= go together. Received: rounds={rounds!r}, sparsity={sparsity!r}"
        )
    batches = batches_for(row, model, data, samples_per_class)
    rng = stream(seed, "score")
    if sparsity is None:
        # Of a masked model the weights are whole meanwhile: magnitudes are those of what masks hide, too.
        with borrowed_masks(model) if masked_weights(model) else contextlib.nullcontext():
            return ShortList(checked_scores(model, score, batches, rng, score_options))
    plan_budgets(model, score, Quota(ratios=GLOBAL, sparsity=sparsity, rounds=rounds))
    earlier = Quota(
        ratios=GLOBAL, sparsity=round_sparsities(check_sparsity(sparsity), rounds)[-2], rounds=rounds - 1
    )
    ticket = draw_ticket(model, score, earlier, data=batches, seed=seed, paths=False, **score_options)
    with borrowed_masks(model) as masked:
        cover(masked, ticket.masks)
        arrays = checked_scores(model, score, batches, rng, score_options, may_tie=True)
    removed = -np.inf if row.keeps == "largest" else np.inf
    return ShortList(np.where(mask, array, removed) for mask, array in zip(ticket.masks, arrays, strict=True))
