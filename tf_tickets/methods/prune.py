"""Pruning any Keras model by a method, in place."""

import dataclasses
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from tf_tickets.layers import masked_weights, restore_weights, stock_weights
from tf_tickets.methods.table import INIT, TRAINED, Method, method_row
from tf_tickets.pruning.choices import GLOBAL
from tf_tickets.pruning.draw import OPTIONS, Quota, Within, draw_ticket
from tf_tickets.pruning.ratios import RATIOS, ROUNDINGS, check_choice, check_sparsity
from tf_tickets.pruning.scores import ScoreFunction, check_options, score_row, weights_to_score
from tf_tickets.pruning.ticket import Ticket


def prune(
    model: keras.Model,
    method: str | Method,
    sparsity: float,
    data: Any = None,
    seed: int = 0,
    init_weights: Sequence[np.ndarray] | str | os.PathLike | None = None,
    rounding: str = "exact",
    samples_per_class: int | None = None,
    within: Within | None = None,
    score: str | ScoreFunction | None = None,
    **options: Any,
) -> Ticket:
    """Prunes a model by a method, in place, and leaves it where the method's retraining begins.

    Every call draws its ticket from all the weights, whatever the masks hid before. A model that has masks
    already keeps its choice of layers, so `mask_layers(model, exclude=...)` before says what is left alone.
    What a mask hides contributes nothing to the model, but is still there (weight decay may shrink it) until
    `fold` makes it zero.

    Args:
        model: any built Keras model, compiled or not, also one that has run `fit`. Its weights are the
            trained ones for methods that score trained weights, and the initial ones otherwise.
        method: one of `METHODS`, or a `Method` of your own.
        sparsity: fraction of the prunable weights to remove, in [0, 1); 0 for `"dense"`.
        data: `(x, y)` arrays or a `tf.data.Dataset` of batches, for scores that need data (see
            `tf_tickets.score`).
        seed: seed of random masks and random scores.
        init_weights: `model.get_weights()` taken before masking, or a Keras `.weights.h5` file saved then.
            Weights to go back to: needed by methods that start from the initialisation or from epoch k after
            scoring trained weights. Methods that score at the initialisation load it first; the others do
            not use it.
        rounding: `"exact"` keeps round(N(1 - sparsity)) weights; `"reference"` follows the authors'
            arithmetic.
        samples_per_class: pick the first so many examples of each class out of `data`.
        within: a Ticket or bool masks: only weights kept there are scored and kept. So iterative pruning goes
            on from an earlier ticket after some training, and a search stays inside a random mask.
        score: a name or a callable `(model, batches, rng, **options) -> arrays` instead of the method's own
            score.
        **options: how many to keep and where: `ratios` (a name, numbers, a mapping or a Ticket), `family`,
            `classifier_keep`, `redistribute`, `min_keep`, `sampling`, `preserve_flow` and `rounds`, see
            `tf_tickets.pruning.Quota`; and the options of the score, see `tf_tickets.score`.

    Returns:
        The Ticket that the model now carries. A Python warning says so if it has lost a whole layer, or every
        path from an input to an output.

    Raises:
        TypeError: `model` is no Keras model.
        FileNotFoundError: there is no file at `init_weights`.
        ValueError: anything else that is not accepted. Whatever is raised, the model is what it was.

    Example:
        >>> model.fit(x, y)
        >>> ticket = tt.prune(model, "hybrid", sparsity=0.98)
        >>> model.fit(x, y)                      # retrain, from the top of your schedule
        >>> tt.export(model, "pruned")
    """
    row = method_row(method)
    sparsity = check_sparsity(sparsity)
    if row.search is not None:
        raise ValueError(
            f"method={method!r} finds its masks while the model trains, which prune does not: "
            f"{row.search.library}."
        )
    if not row.prunes and sparsity > 0:
        raise ValueError(f"method={method!r} keeps every weight: sparsity is 0. Received: {sparsity}")
    chosen = row.score if score is None else score
    check_options(score_row(chosen), options, also=OPTIONS)
    clash = sorted(set(score_row(chosen).options) & set(OPTIONS))
    if clash:
        raise ValueError(
            f"The score's option {', '.join(clash)} is one of prune itself: give it another name."
        )
    given = {name: options.pop(name) for name in OPTIONS if name in options}
    ratios = given.setdefault("ratios", row.ratios)
    own = isinstance(ratios, str) and ratios == row.ratios
    _check_classifier_keep_is_used(given, rounding)
    # Of other ratios than the method's own, its share of the classifier is no part.
    given.setdefault("classifier_keep", row.classifier_keep if own else None)
    check_choice("rounding", rounding, ROUNDINGS)
    # The authors' arithmetic is about pruned networks; of the dense one nothing is rounded.
    quota = Quota(sparsity=sparsity, rounding=rounding if row.prunes else "exact", **given)
    if row.rewinds and init_weights is None:
        raise ValueError(
            f"method={method!r} retrains from the {row.start_from} weights: pass init_weights=, the "
            "model.get_weights() or the .weights.h5 file from before training (or from epoch k)."
        )
    weights_to_score(model)
    start = None if init_weights is None else _start_weights(model, init_weights)
    own_values = [] if start is None else _values(model)
    variables = [entry.mask for entry in masked_weights(model) if entry.mask is not None]
    masks = [(variable, np.array(variable)) for variable in variables]
    try:
        for mask, _ in masks:
            mask.assign(np.ones(mask.shape, bool))
        if row.scored_at == INIT and start is not None:
            restore_weights(model, start)
        ticket = draw_ticket(
            model,
            chosen,
            quota,
            data=data,
            seed=seed,
            samples_per_class=samples_per_class,
            within=within,
            **options,
        )
        if row.start_from != TRAINED and start is not None:
            restore_weights(model, start)
        name = method if isinstance(method, str) else "custom"
        ticket = dataclasses.replace(ticket, origin={"method": name, **ticket.origin})
        ticket.apply(model)
    except BaseException:
        for mask, value in masks:
            mask.assign(value)
        if start is not None:
            restore_weights(model, own_values)
        raise
    if ticket.collapsed:
        warnings.warn(f"After pruning, {ticket.collapsed}.", stacklevel=2)
    return ticket


def _check_classifier_keep_is_used(options: Mapping[str, Any], rounding: str) -> None:
    ratios = options["ratios"]
    named = isinstance(ratios, str)
    ranked = named and ratios == GLOBAL
    used = (
        ranked or rounding == "reference" or (named and ratios in RATIOS and RATIOS[ratios].classifier_apart)
    )
    if "classifier_keep" in options and not used:
        raise ValueError(
            f"classifier_keep= is for global and smart ratios; ratios={ratios!r} does not use it."
        )


def _start_weights(model: keras.Model, source: Sequence[np.ndarray] | str | os.PathLike) -> list[np.ndarray]:
    """The weights to go back to, as arrays that fit the model; the model keeps its own."""
    if isinstance(source, (str, os.PathLike)):
        if not os.path.isfile(source):
            raise FileNotFoundError(f"No weights file at {source}.")
        return _read_through(model, source)
    if not isinstance(source, Iterable):
        raise ValueError(f"init_weights= takes a list of arrays or a .weights.h5 file. Received: {source!r}")
    arrays = [np.array(array) for array in source]
    shapes = [tuple(weight.shape) for weight in stock_weights(model)]
    if shapes != [array.shape for array in arrays]:
        raise ValueError(
            f"init_weights= has {len(arrays)} arrays that do not fit the model's {len(shapes)} weights: take "
            "model.get_weights() before masking, or save_weights() to a .weights.h5 file."
        )
    return arrays


def _read_through(model: keras.Model, path: str | os.PathLike) -> list[np.ndarray]:
    """Arrays of a weights file. Only a model can read one, so this one does, and gets its own values back."""
    own = _values(model)
    try:
        restore_weights(model, path)
        return _values(model)
    except ValueError as error:
        raise ValueError(f"init_weights={error}") from error
    finally:
        restore_weights(model, own)


def _values(model: keras.Model) -> list[np.ndarray]:
    return [np.array(weight) for weight in stock_weights(model)]
