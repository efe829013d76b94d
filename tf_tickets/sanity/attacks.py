"""Attacks on a ticket: other masks in each layer, other places for the kept weights, other weights.

Each keeps what a method may claim to need least: how many weights every layer keeps. `rearranged` is a pure
function of masks; the others act on a model in place.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from tf_tickets.layers import MaskedWeight, classifiers_of, hide_again, masked_weights, put_masks
from tf_tickets.layers.symbolic_call import check_built
from tf_tickets.pruning.budget import Budget
from tf_tickets.pruning.channels import channel_axes
from tf_tickets.pruning.draw import select
from tf_tickets.pruning.paths import affordable_path_counts
from tf_tickets.pruning.pattern_names import in_groups, pattern_of
from tf_tickets.pruning.patterns import layouts_of, masks_of_units, moved_within_sizes, units_inside
from tf_tickets.pruning.ticket import Ticket
from tf_tickets.pruning.unit_layouts import Layout
from tf_tickets.sanity.channel_counts import rearranged_per_channel
from tf_tickets.sanity.redraws import redraws
from tf_tickets.support.random_streams import stream
from tf_tickets.support.short_reprs import ShortList


def rearranged(
    masks: Sequence[np.ndarray], seed: int = 0, within: Sequence[np.ndarray] | None = None
) -> list[np.ndarray]:
    """Permutes each mask within its layer: as many weights are kept of every layer, but other ones.

    Args:
        masks: bool arrays of any shapes, in forward order, such as those of a Ticket. They stay as they are.
        seed: of the permutations. Defaults to `0`.
        within: bool arrays, a source that the masks lie in and do not leave. None: the whole layers.

    Returns:
        List of new bool arrays of the same shapes.

    Raises:
        ValueError: a mask is no bool array.

    Reference:

    - [Su et al., 2020](https://arxiv.org/abs/2009.11094), section 3: layerwise rearrange
    """
    arrays = [np.asarray(mask) for mask in masks]
    if any(mask.dtype != bool for mask in arrays):
        raise ValueError(f"Masks are bool arrays. Received: {sorted({mask.dtype.name for mask in arrays})}")
    rng = stream(seed, "check", "rearrange")
    if within is None:
        return ShortList(rng.permutation(mask.reshape(-1)).reshape(mask.shape) for mask in arrays)
    found = [np.zeros_like(mask) for mask in arrays]
    for new, mask, source in zip(found, arrays, within, strict=True):
        new[source] = rng.permutation(mask[source])
    return found


def rearranged_in_pattern(
    layouts: Sequence[Layout],
    masks: Sequence[np.ndarray],
    seed: int = 0,
    within: Sequence[np.ndarray] | None = None,
) -> list[np.ndarray]:
    """Random masks of a pattern, with as many units of each layer.

    Args:
        layouts: of `tf_tickets.pruning.patterns.layouts_of`.
        masks: bool arrays that the pattern fits, in forward order. They stay as they are.
        seed: of the random choice. Defaults to `0`.
        within: bool arrays, a source that the masks lie in and do not leave. None: the whole layers.

    Returns:
        List of new bool arrays of the same shapes.
    """
    rng = stream(seed, "check", "rearrange")
    counts = [int(np.count_nonzero(x)) for x in units_inside(layouts, masks)]
    scores = [rng.random(mask.shape) for mask in masks]
    units = select(scores, Budget(counts=counts), layouts, within, drawn=True)
    return ShortList(masks_of_units(layouts, units, within))


def rearrange(
    model: keras.Model, seed: int = 0, per: str | None = None, pattern: str | None = None
) -> Ticket:
    """Permutes the masks of a model within each layer, in place. Weights stay where they are.

    So other weights are kept, as many of every layer. What was traced of the model goes by the new masks.

    Args:
        model: a Keras model that carries masks.
        seed: of the permutations. Defaults to `0`.
        per: keep how many weights each `"input"`, each `"output"`, or each input and each output
            (`"input_and_output"`) of a layer has, see `rearranged_per_channel`. Defaults to `None`, the
            counts of layers alone.
        pattern: that the masks have and keep, as in `tf_tickets.prune`: other groups, or others of
            neighbours, are kept then. Not with `per`. Defaults to `None`, none.

    Returns:
        The Ticket that the model now carries.

    Raises:
        TypeError: `model` is no Keras model.
        ValueError: it carries no masks, `per` or `pattern` is none of these, or both are given.

    Example:

    >>> tt.prune(model, "snip", sparsity=0.98, data=(x, y))
    >>> ticket = tt.sanity.rearrange(model, seed=0)
    >>> ticket = tt.sanity.rearrange(model, seed=0, per="output")

    Reference:

    - [Su et al., 2020](https://arxiv.org/abs/2009.11094), section 3: layerwise rearrange
    """
    entries = _masked(model, "rearrange")
    before = [np.asarray(entry.mask) for entry in entries]
    if per is not None and pattern is not None:
        raise ValueError(f"rearrange takes per= or pattern=. Received: {per!r} and {pattern!r}")
    if pattern is not None:
        layouts, _ = layouts_of(model, entries, pattern)
        if in_groups(pattern):
            masks = tuple(moved_within_sizes(rearranged, layouts, before, seed, None))
        else:
            masks = tuple(rearranged_in_pattern(layouts, before, seed))
    elif per is None:
        masks = tuple(rearranged(before, seed))
    else:
        channels = [channel_axes(entry) for entry in entries]
        masks = tuple(rearranged_per_channel(before, seed, channels=channels, per=per))
    ticket = Ticket(
        masks=masks,
        names=tuple(entry.name for entry in entries),
        origin={
            "sanity_check": "rearrange" if per is None else f"rearrange_per_{per}",
            "seed": int(seed),
            **({} if pattern is None else {"pattern": str(pattern_of(pattern))}),
        },
        on_path=affordable_path_counts(model, masks),
    )
    put_masks(model, entries, masks)
    return ticket


def shuffle_weights(model: keras.Model, seed: int = 0, spare_classifier: bool = False) -> keras.Model:
    """Permutes the kept weights of each layer among its kept positions, in place. Masks stay.

    What the masks hide, biases and normalisation stay as they are, too.

    Args:
        model: a Keras model that carries masks.
        seed: of the permutations. Defaults to `0`.
        spare_classifier: leave the masked weights that feed an output alone, if there are any; the others are
            permuted as without it. Defaults to `False`, as in the paper.

    Returns:
        The same model.

    Raises:
        TypeError: `model` is no Keras model.
        ValueError: it carries no masks, or only those that are spared.

    Example:

    >>> tt.prune(model, "lr_rewinding", sparsity=0.98)
    >>> tt.sanity.shuffle_weights(model, seed=0)

    Reference:

    - [Su et al., 2020](https://arxiv.org/abs/2009.11094), section 3: layerwise weights shuffling
    """
    entries = _masked(model, "shuffle_weights")
    spared = classifiers_of(model, entries).positions if spare_classifier else ()
    if len(spared) == len(entries):
        raise ValueError(
            f"spare_classifier=True leaves nothing to shuffle: '{model.name}' has masked nothing but "
            f"{', '.join(entry.name for entry in entries)}."
        )
    rng = stream(seed, "check", "shuffle_weights")
    for position, entry in enumerate(entries):
        values, kept = entry.weight.numpy(), np.asarray(entry.mask)
        values[kept] = rng.permutation(values[kept])
        if position not in spared:
            entry.weight.assign(values)
    return model


def reinitialize(model: keras.Model, seed: int = 0) -> keras.Model:
    """Draws all weights anew, as building the model with another seed would, in place. Masks stay.

    Every weight comes from its layer's own initializer, remade with a seed that depends on `seed` and on the
    layer's position; biases and normalisation are reset, too. A masked model gets the weights that it would
    get without masks. By the convention of Keras the initializer of a weight `name` or `_name` is the layer's
    attribute `name_initializer`. Statistics that a `Normalization` layer has of the data stay, and so do the
    optimizer, metrics, and states of random generators.

    Args:
        model: a built Keras model, masked or not.
        seed: of the weights. Defaults to `0`.

    Returns:
        The same model.

    Raises:
        TypeError: `model` is no Keras model.
        ValueError: it is not built, or a weight's initializer is not found or has no seed. Nothing is changed
            then.

    Example:

    >>> tt.prune(model, "snip", sparsity=0.98, data=(x, y))
    >>> tt.sanity.reinitialize(model, seed=1)

    Reference:

    - [Frankle et al., 2021](https://arxiv.org/abs/2009.08576), section 4: sampling new initializations
    """
    _check_model(model, "reinitialize")
    check_built(model)
    layers_seed = int(stream(seed, "check", "reinitialize").integers(2**31))
    # All are drawn before any is assigned: a failing initializer of the user's changes nothing.
    drawn = [
        (weight, keras.ops.convert_to_numpy(draw(tuple(weight.shape), dtype=weight.dtype)))
        for weight, draw in redraws(model, layers_seed)
    ]
    for weight, values in drawn:
        weight.assign(values)
    hide_again(model)
    return model


def _check_model(model: Any, function: str) -> None:
    if not isinstance(model, keras.Model):
        raise TypeError(f"{function} takes a keras.Model. Received: {type(model).__name__}")


def _masked(model: keras.Model, function: str) -> list[MaskedWeight]:
    _check_model(model, function)
    entries = masked_weights(model)
    if not entries:
        raise ValueError(
            f"{function} acts on a ticket, and '{model.name}' carries no masks. Prune it first, or put a "
            "ticket on it: ticket.apply(model)."
        )
    return entries
