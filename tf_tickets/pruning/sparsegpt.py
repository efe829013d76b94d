"""SparseGPT: a model pruned layer by layer, each so that its outputs on calibration data stay."""

import dataclasses
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from tf_tickets.layers import MaskedWeight, prunable_weights
from tf_tickets.pruning.input_view import InputView, input_views
from tf_tickets.pruning.layer_inputs import input_hessian
from tf_tickets.pruning.layer_solver import (
    DAMPING,
    MASK_BLOCK,
    Selection,
    inverse_of,
    keeping,
    keeping_n_of_m,
    solve_layer,
)
from tf_tickets.pruning.scoring_examples import Batch
from tf_tickets.pruning.solution import Goal, Solution
from tf_tickets.pruning.stateless import precision_of
from tf_tickets.pruning.top_k import top_k


def sparsegpt(model: keras.Model, batches: Sequence[Batch], goal: Goal, damping: float = DAMPING) -> Solution:
    """Prunes layer by layer and makes up for it, see `layer_solver.solve_layer`; the model stays as it is.

    Layers come in forward order, each solved on the inputs that the pruned ones before it give: so a layer's
    Hessian is there at its turn only, and the model runs once over the batches for each prunable weight. The
    Hessian of n inputs takes 8 n^2 bytes, a few times over while it is inverted, and its solution some n^3
    operations, in float64 on the processor. The authors' code takes the inputs of a transformer's block once
    for all of its layers.

    Args:
        model: a built, trained model, of layers whose inputs are known, see `input_views`. Its weights are
            read whole, whatever masks hide.
        batches: calibration examples; no label is looked at.
        goal: what to keep. Of `counts` each block of 128 inputs keeps its part, to the unit.
        damping: part of the mean diagonal of each Hessian that is added to its diagonal.

    Raises:
        ValueError: it is not known what a weight is multiplied with, or inputs are not finite.

    Reference: Frantar & Alistarh, 2023, "SparseGPT: massive language models can be accurately pruned in
    one-shot", algorithm 1 and section 3.
    """
    entries = prunable_weights(model)
    views = input_views(entries)
    precision = precision_of(entries)
    values = [tf.cast(tf.convert_to_tensor(entry.weight), precision) for entry in entries]
    if goal.within is not None:
        values = [value * tf.cast(mask, value.dtype) for value, mask in zip(values, goal.within, strict=True)]
    masks = []
    for position, (entry, view) in enumerate(zip(entries, views, strict=True)):
        hessian = input_hessian(model, entries, values, batches, position)
        matrix = view.matrix(values[position].numpy())
        try:
            solved = [
                solve_layer(part, of_group, selection, damping)
                for part, of_group, selection in zip(
                    matrix, hessian, _selections(goal, position, view), strict=True
                )
            ]
        except ValueError as error:
            raise ValueError(f"{entry.name}: {error}") from None
        masks.append(view.weight(np.stack([mask for mask, _ in solved])))
        value = view.weight(np.stack([weights for _, weights in solved]))
        # What comes behind sees the weights as they will be stored.
        values[position] = tf.cast(tf.cast(value, entry.weight.dtype), precision)
    stored = tuple(
        tf.cast(value, entry.weight.dtype).numpy() for value, entry in zip(values, entries, strict=True)
    )
    return Solution(tuple(masks), stored)


def obs(
    model: keras.Model, batches: Sequence[Batch], rng: np.random.Generator, damping: float = DAMPING
) -> list[np.ndarray]:
    """w^2 / (2 [H^-1]_jj): what removing one weight costs if the others of its output make up for it.

    The cost is the squared error of the layer's outputs, summed over examples and positions; H = 2 X^T X is
    that of the layer's inputs, damped as SparseGPT does. It is the layer-wise saliency of the Optimal Brain
    Surgeon, of the network as it stands; SparseGPT takes it anew while it removes weights.

    Args:
        model: a built, trained model, of layers whose inputs are known, see `input_views`.
        batches: calibration examples; no label is looked at. The model runs once over them for each weight.
        rng: not used.
        damping: part of the mean diagonal that is added to the diagonal.

    Reference: Hassibi & Stork, 1992, "Second order derivatives for network pruning: Optimal Brain Surgeon",
    eq. 5; Frantar & Alistarh, 2023, eq. 3.
    """
    entries = prunable_weights(model)
    values = [tf.cast(tf.convert_to_tensor(x.weight), precision_of(entries)) for x in entries]
    return [
        _saliency(entry, view, input_hessian(model, entries, values, batches, position), damping)
        for position, (entry, view) in enumerate(zip(entries, input_views(entries), strict=True))
    ]


def _saliency(entry: MaskedWeight, view: InputView, hessian: np.ndarray, damping: float) -> np.ndarray:
    matrix = view.matrix(np.asarray(tf.cast(tf.convert_to_tensor(entry.weight), tf.float64)))
    found = []
    for part, of_group in zip(matrix, hessian, strict=True):
        inverse, dead = inverse_of(of_group, damping)
        costs = np.square(part) / (2 * np.diag(inverse)[:, None])
        found.append(np.where(dead[:, None], 0, costs))
    return view.weight(np.stack(found))


def _selections(goal: Goal, position: int, view: InputView) -> list[Selection]:
    """One for each group of a layer's inputs."""
    groups = view.sizes[0]
    if goal.masks is not None:
        return [keeping(mask) for mask in view.matrix(goal.masks[position])]
    if goal.pattern is not None:
        return [_turned(keeping_n_of_m(*goal.pattern), goal.inverted)] * groups
    assert goal.counts is not None
    allowed = np.ones(view.sizes, bool) if goal.within is None else view.matrix(goal.within[position])
    return [
        _turned(_keeping_count(goal.counts[position], allowed, group), goal.inverted)
        for group in range(groups)
    ]


def _keeping_count(keep: int, allowed: np.ndarray, group: int) -> Selection:
    """So many of a whole layer: each block of inputs keeps its part of what it may, to the unit in all.

    Args:
        keep: of the layer.
        allowed: bool, `(groups, inputs, outputs)`.
        group: which of the layer's.
    """
    room = int(np.count_nonzero(allowed))
    before = int(np.count_nonzero(allowed[:group]))

    def kept_of(places: int) -> int:
        """Of so many places from the first on."""
        return (2 * keep * places + room) // (2 * room) if room else 0

    def select(scores: np.ndarray, first: int) -> np.ndarray:
        here = allowed[group, first : first + len(scores)]
        start = before + int(np.count_nonzero(allowed[group, :first]))
        count = kept_of(start + int(np.count_nonzero(here))) - kept_of(start)
        mask = np.zeros(here.shape, bool)
        mask[here] = top_k(scores[here], count)
        return mask

    return Selection(select, MASK_BLOCK)


def _turned(selection: Selection, inverted: bool) -> Selection:
    if not inverted:
        return selection
    return dataclasses.replace(selection, select=lambda scores, first: selection.select(-scores, first))
