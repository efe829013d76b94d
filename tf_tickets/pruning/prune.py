"""Pruning any Keras model by a method, in place."""

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from tf_tickets.layers import mask_layers, restore_weights, stock_weights
from tf_tickets.methods import INIT, TRAINED, Method, method_row
from tf_tickets.pruning.draw import draw_ticket
from tf_tickets.pruning.ratios import check_sparsity
from tf_tickets.pruning.scores import check_options, score_row
from tf_tickets.pruning.ticket import Ticket

# Options of `prune` beside those of the score.
OPTIONS = ("family", "classifier_keep", "ratios")


def prune(
    model: keras.Model,
    method: str | Method,
    sparsity: float,
    data: Any = None,
    seed: int = 0,
    init_weights: Sequence[np.ndarray] | str | os.PathLike | None = None,
    rounding: str = "exact",
    **options: Any,
) -> Ticket:
    """Prunes a model by a method, in place, and leaves it where the method's retraining begins.

    Every call draws its ticket from all the weights of the model, whatever masks it carried before. What a mask
    hides keeps its value (`fold` makes it zero).

    Args:
        model: any built Keras model, compiled or not, also one that has run `fit`. Its weights are the trained
            ones for methods that score trained weights, and the initial ones otherwise.
        method: one of `METHODS`, or a `Method` of your own.
        sparsity: fraction of the prunable weights to remove, in [0, 1); 0 for `"dense"`.
        data: `(x, y)` arrays or a `tf.data.Dataset` of batches, for scores that need data.
        seed: seed of random masks and random scores.
        init_weights: `model.get_weights()` taken before masking, or a Keras `.weights.h5` file saved then. Weights
            to go back to: needed by methods that start from the initialisation or from epoch k after scoring
            trained weights. Methods that score at the initialisation load it first; the others do not use it.
        rounding: `"exact"` keeps round(N(1 - sparsity)) weights; `"reference"` follows the authors' arithmetic.
        **options: `family`, `classifier_keep`, `ratios` (see `draw_ticket`), and the options of the score.

    Returns:
        The Ticket that the model now carries.

    Raises:
        ValueError: anything not accepted; the model is unchanged then.

    Example:
        >>> model.fit(x, y)
        >>> ticket = tt.prune(model, "hybrid", sparsity=0.98)
        >>> model.fit(x, y)                      # retrain, from the top of your schedule
        >>> tt.export(model, "pruned")
    """
    row = method_row(method)
    sparsity = check_sparsity(sparsity)
    if not row.prunes and sparsity > 0:
        raise ValueError(f"method={method!r} keeps every weight: sparsity is 0. Received: {sparsity}")
    check_options(score_row(row.score), options, also=OPTIONS)
    if row.rewinds and init_weights is None:
        raise ValueError(
            f"method={method!r} retrains from the {row.start_from} weights: pass init_weights=, the "
            "model.get_weights() or the .weights.h5 file from before training (or from epoch k)."
        )
    if isinstance(init_weights, (str, os.PathLike)):
        if not os.path.isfile(init_weights):
            raise FileNotFoundError(f"No weights file at {init_weights}.")
    elif init_weights is not None:
        _check_weights(model, init_weights)
    entries = mask_layers(model).masked
    before = [np.asarray(entry.mask) for entry in entries]
    for entry in entries:
        entry.mask.assign(np.ones(entry.shape, bool))
    try:
        if row.scored_at == INIT and init_weights is not None:
            restore_weights(model, init_weights)
        arguments = {"ratios": row.ratios, "classifier_keep": row.classifier_keep, **options}
        ticket = draw_ticket(
            model,
            row.score,
            sparsity=sparsity,
            data=data,
            seed=seed,
            rounding=rounding,
            **arguments,
        )
    except BaseException:
        for entry, mask in zip(entries, before, strict=True):
            entry.mask.assign(mask)
        raise
    if row.start_from != TRAINED and init_weights is not None:
        restore_weights(model, init_weights)
    name = method if isinstance(method, str) else "custom"
    ticket = dataclasses.replace(ticket, origin={"method": name, **ticket.origin})
    ticket.apply(model)
    return ticket


def _check_weights(model: keras.Model, arrays: Sequence[np.ndarray]) -> None:
    shapes = [tuple(weight.shape) for weight in stock_weights(model)]
    received = [tuple(np.shape(array)) for array in arrays]
    if shapes != received:
        raise ValueError(
            f"init_weights= has {len(received)} arrays that do not fit the model's {len(shapes)} weights: take "
            "model.get_weights() before masking, or save_weights() to a .weights.h5 file."
        )
