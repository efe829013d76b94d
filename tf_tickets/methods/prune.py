"""Pruning any Keras model by a method, in place."""

import dataclasses
import os
import warnings
from collections.abc import Sequence
from typing import Any, Literal

import keras
import numpy as np

from tf_tickets.layers import (
    masked_weights,
    passed_over,
    restore_weights,
    set_masks,
    stock_values,
    value_of,
)
from tf_tickets.methods.start_weights import start_weights
from tf_tickets.methods.table import INIT, TRAINED, Method, method_row
from tf_tickets.pruning.choices import ROUNDINGS, check_choice
from tf_tickets.pruning.classifier_choice import chosen_classifier_keep
from tf_tickets.pruning.draw import draw_ticket
from tf_tickets.pruning.given_ratios import Ratios
from tf_tickets.pruning.pattern_names import chosen_pattern
from tf_tickets.pruning.quota import OPTIONS, Quota
from tf_tickets.pruning.scored_weights import weights_to_score
from tf_tickets.pruning.scores import ScoreFunction, check_data, check_options, score_row
from tf_tickets.pruning.scoring_examples import num_classes_of, read_batches
from tf_tickets.pruning.solution import Goal
from tf_tickets.pruning.solved_ticket import solve_ticket
from tf_tickets.pruning.sparsity import check_sparsity
from tf_tickets.pruning.ticket import Ticket
from tf_tickets.pruning.within import Within


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
    *,
    ratios: Ratios | None = None,
    family: str | None = None,
    classifier_keep: float | Literal["ranked", "method"] | None = None,
    redistribute: bool = True,
    min_keep: int = 0,
    sampling: str = "exact",
    preserve_flow: bool = False,
    rounds: int | None = None,
    pattern: str | None = None,
    **score_options: Any,
) -> Ticket:
    """Prunes a model by a method, in place, and leaves it where the method's retraining begins.

    Every call draws its ticket from all the weights, whatever the masks hid before. A model that has masks
    already keeps its choice of layers, so `mask_layers(model, exclude=...)` before says what is left alone.
    What a mask hides is zero in the weight, and contributes nothing to the model; its values are kept beside
    it, so that they are back when the model is pruned anew, until `fold` forgets them. Where kept weights
    were changed to make up for removed ones (`sparsegpt`), the removed ones are forgotten at once.

    Args:
        model: any built Keras model, compiled or not, also one that has run `fit`. Its weights are the
            trained ones for methods that score trained weights, and the initial ones otherwise.
        method: one of `METHODS`, or a `Method` of your own.
        sparsity: fraction of the prunable weights to remove, in [0, 1); 0 for `"dense"`.
        data: `(x, y)` arrays or a `tf.data.Dataset` of batches, for scores that need data (see
            `tf_tickets.score`). Of other scores only the shapes of the inputs count, for axes that the model
            leaves open.
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
            score. Of a method with a solver (`sparsegpt`) the masks are drawn by it then, and kept weights
            make up for them.
        ratios: `"global"`, which ranks all layers together, or how many weights to keep in each layer: a
            name, numbers, a mapping or a Ticket, see `tf_tickets.keep_counts`. None means the method's own.
        family: form of the smart ratios, `"vgg"` or `"resnet"`. None means `"vgg"` for the VGGs of
            `tf_tickets.models` and `"resnet"` for everything else.
        classifier_keep: fraction of each classifier that is kept apart from the rest, for global and smart
            ratios. The classifiers are the masked weights that feed an output of the model: there are none
            where the head carries no mask, and several where there are several heads. `"ranked"` ranks them
            with the rest (global ratios only). None or `"method"` means the method's own; with other ratios
            than the method's own, `"ranked"` of global ones and 0.3 of smart ones.
        redistribute: give what a full layer cannot hold to the others, see `tf_tickets.keep_counts`.
        min_keep: weights that every layer keeps at least.
        sampling: `"exact"` meets the counts; `"bernoulli"` keeps each weight by itself with its layer's
            density, so that the total is random too. For random scores only.
        preserve_flow: leave no input or output channel of a layer without a weight. Counts stay as they are
            (each layer gets enough for it); Bernoulli masks grow.
        rounds: how many times to score and prune. None means the score's own: 100 of SynFlow, else 1.
        pattern: which weights of a layer are kept together, or how many of neighbours at most: `"4x1"` or
            `"block(4,1)"`, blocks of 4 consecutive inputs by 1 output, at each tap of a kernel; `"channel"`,
            whole outputs of layers, those that a smaller network can do without; `"2:4"`, at most 2 of 4
            consecutive inputs of each output; `"constant_fan_in"`, of each output as many. A group's score is
            the sum of its weights'. Of blocks and channels groups are counted, so that `sparsity` is the
            fraction of groups. `"unstructured"`: each weight by itself. None means the method's own.
        **score_options: options of the score alone, by name, see `tf_tickets.score`: such as `temperature`,
            `halves`, `redraw_classifier` (GraSP), `probes`, `curvature` (OBD), `loss`, `training` (both, and
            SNIP), or those of your own callable.

    Returns:
        The Ticket that the model now carries. A Python warning says so if it has lost a whole layer, or every
        path from an input to an output, and if a layer that cannot be masked holds more than 1 % of all
        parameters. What else is passed over by design, as depthwise kernels and embeddings are, its notes
        say.

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
    check_options(score_row(chosen), score_options, also=OPTIONS)
    clash = sorted(set(score_row(chosen).options) & set(OPTIONS))
    if clash:
        raise ValueError(
            f"The score's option {', '.join(clash)} is one of prune itself: give it another name."
        )
    ratios = row.ratios if ratios is None else ratios
    check_choice("rounding", rounding, ROUNDINGS)
    # Of other ratios than the method's own, its fraction of the classifier is no part.
    own = row.classifier_keep if isinstance(ratios, str) and ratios == row.ratios else None
    classifier_keep = chosen_classifier_keep(classifier_keep, ratios, own, rounding)
    # The authors' arithmetic is about pruned networks; of the dense one nothing is rounded.
    quota = Quota(
        ratios=ratios,
        sparsity=sparsity,
        rounding=rounding if row.prunes else "exact",
        family=family,
        classifier_keep=classifier_keep,
        redistribute=redistribute,
        min_keep=min_keep,
        sampling=sampling,
        preserve_flow=preserve_flow,
        rounds=rounds,
        pattern=chosen_pattern(pattern, row.pattern),
    )
    if row.rewinds and init_weights is None:
        raise ValueError(
            f"method={method!r} retrains from the {row.start_from} weights: pass init_weights=, the "
            "model.get_weights() or the .weights.h5 file from before training (or from epoch k)."
        )
    weights_to_score(model, data)
    batches = None
    if row.solver is not None:
        check_data(row.score, data)
        # Read once, for masks and for weights.
        data = batches = read_batches(data, samples_per_class, num_classes_of(model))
    start = None if init_weights is None else start_weights(model, init_weights)
    changes_values = start is not None or row.solver is not None
    own_values = stock_values(model) if changes_values else []
    masked = masked_weights(model)
    masks = [value_of(entry.mask) for entry in masked]
    try:
        set_masks(masked, [np.ones_like(mask) for mask in masks])
        if row.scored_at == INIT and start is not None:
            restore_weights(model, start)
        solution = None
        if row.solver is not None and score_row(chosen).by_solver:
            ticket, solution = solve_ticket(
                model, row.solver, chosen, quota, batches, seed, within, **score_options
            )
        else:
            ticket = draw_ticket(
                model,
                chosen,
                quota,
                data=data,
                seed=seed,
                samples_per_class=None if batches is not None else samples_per_class,
                within=within,
                **score_options,
            )
            if row.solver is not None:
                solution = row.solver(model, batches, Goal(masks=ticket.masks))
        if batches is not None:
            ticket = dataclasses.replace(
                ticket, origin={**ticket.origin, "samples_per_class": samples_per_class}
            )
        if row.start_from != TRAINED and start is not None:
            restore_weights(model, start)
        name = method if isinstance(method, str) else "custom"
        ticket = dataclasses.replace(ticket, origin={"method": name, **ticket.origin})
        ticket.apply(model)
        if solution is not None:
            solution.apply(model)
        passed = passed_over(model)
        ticket = dataclasses.replace(ticket, notes=(*ticket.notes, *passed.notes))
    except BaseException:
        set_masks(masked, masks)
        if changes_values:
            restore_weights(model, own_values)
        raise
    if passed.warning:
        warnings.warn(
            f"{passed.warning}. The sparsity is that of the others. What a class of your own holds can be "
            "pruned after tf_tickets.register_maskable(cls, weights=(...)); "
            "tf_tickets.mask_layers(model, exclude=...) says that it is meant to be left alone.",
            stacklevel=2,
        )
    if ticket.collapsed:
        warnings.warn(f"After pruning, {ticket.collapsed}.", stacklevel=2)
    return ticket
